"""What an ATR (ISO 7816-3 §8.2) says of the card before a word is exchanged: its family, by the table `atrs.tsv`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources

from drivers.errors import NotCpsError


class CardFamily(StrEnum):
    """Cards that a French practice meets. What is not of the CPS family is spelt as the API tells it."""

    CPS3 = "CPS3"
    CPS3_CONTACTLESS = "CPS3-CL"
    CPS4 = "CPS4"
    CPS2TER = "CPS2ter"
    VITALE = "vitale"
    FRENCH_EID = "french-eid"
    HEALTH_OTHER = "health-other"
    BANK = "bank"
    UNKNOWN = "unknown"


CPS_FAMILY = frozenset({CardFamily.CPS3, CardFamily.CPS3_CONTACTLESS, CardFamily.CPS4, CardFamily.CPS2TER})
"""What is tried as a CPS. A CPS2ter is among them: no public source proves that its ATR is what we think it is."""

# Historical bytes of the issuer, present in contact mode on every card of the CPS family.
CPS_ISSUER_BYTES = bytes.fromhex("1225006480")
# ChipDoc cards, told apart from IAS-ECC ones by their interface bytes; the last prefix from a script in the field.
CPS4_PREFIXES = (bytes.fromhex("3B9B18"), bytes.fromhex("3BDC18"), bytes.fromhex("3B7B18"))
# IAS-ECC over NFC: category indicator, card service data and issuer bytes B0 EC C1.
CPS3_CONTACTLESS_PREFIX = bytes.fromhex("3B8F80010031B86404B0ECC1")


@dataclass(frozen=True, slots=True)
class KnownAtr:
    """A line of the table. `certain`: such cards alone have this ATR; `source`: who says so."""

    atr: bytes
    mask: bytes
    family: CardFamily
    certain: bool
    name_fr: str
    name_en: str
    source: str

    def matches(self, atr: bytes) -> bool:
        """Whether the ATR equals the line's own where the mask has bits."""
        return len(atr) == len(self.atr) and all(
            given & mask == own for given, mask, own in zip(atr, self.mask, self.atr, strict=True)
        )


@functools.cache
def known_atrs() -> tuple[KnownAtr, ...]:
    """The table, in its order."""
    text = resources.files(__package__).joinpath("atrs.tsv").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(_known_atr(*line.split("\t")) for line in lines[1:])


def _known_atr(*columns: str) -> KnownAtr:
    atr, mask, family, certainty, name_fr, name_en, source = columns
    own, kept, known = bytes.fromhex(atr), bytes.fromhex(mask), certainty == "known"
    return KnownAtr(own, kept, CardFamily(family), known, name_fr, name_en, source)


def find_atr(atr: bytes) -> KnownAtr | None:
    """The line of the table for this ATR, or None."""
    return next((known for known in known_atrs() if known.matches(atr)), None)


def identify_atr(atr: bytes) -> CardFamily:
    """Name the family of a card by its ATR, CPS3 for a variant of the CPS that no line knows; UNKNOWN for the rest."""
    known = find_atr(atr)
    if known is not None:
        return known.family
    if CPS_ISSUER_BYTES in atr:
        return CardFamily.CPS4 if atr.startswith(CPS4_PREFIXES) else CardFamily.CPS3
    if atr.startswith(CPS3_CONTACTLESS_PREFIX):
        return CardFamily.CPS3_CONTACTLESS
    return CardFamily.UNKNOWN


def generation_of(atr: bytes) -> str:
    """The generation that the ATR tells: CPS3, CPS3-CL or CPS4; empty when it tells none."""
    family = identify_atr(atr)
    return str(family) if family in CPS_FAMILY - {CardFamily.CPS2TER} else ""


def not_cps(atr: bytes) -> NotCpsError:
    """The error that names a card of another family."""
    known, family = find_atr(atr), identify_atr(atr)
    message = f"not a card of the CPS family ({family}, ATR {atr.hex().upper()})"
    return NotCpsError(family, message, certain=known is None or known.certain)
