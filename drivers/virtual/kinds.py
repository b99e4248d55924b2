"""The kinds of virtual cards by name: how each is personalised, and what makes it; each has a number of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.errors import NotSupportedError
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.chip import ApduCard
from drivers.virtual.contactless import VirtualContactlessCps3
from drivers.virtual.cps4 import ChipDocAlgorithms, VirtualCps4
from drivers.virtual.personalisation import DEFAULT, KeyLayout, Personalisation
from drivers.virtual.store import Make, open_made

CPS4 = replace(
    DEFAULT,
    serial="99900004",
    card_number="2900000045",
    label="CPS4v1-2900000045",
    atr=bytes.fromhex("3B9B188001001225006480040100009044"),
    signature=KeyLayout(0x10, 0x10, "CPS_PRIV_SIG", "Certificat de Signature CPS", 0xB001),
    authentication=KeyLayout(0x20, 0x20, "CPS_PRIV_AUT", "Certificat d'Authentification CPS", 0xB002),
    algorithms=ChipDocAlgorithms(),
)
CPS3_CONTACTLESS = replace(
    DEFAULT,
    serial="99900020",
    card_number="2900000207",
    atr=bytes.fromhex("3B8F80010031B86404B0ECC173940180829000 0E"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A personalisation, and the card that is made of it."""

    personalisation: Personalisation
    make: Make[ApduCard]


KINDS: Mapping[str, Kind] = {
    "cps3": Kind(DEFAULT, VirtualCard.make),
    "cps4": Kind(CPS4, VirtualCps4.make),
    "cps3-contactless": Kind(CPS3_CONTACTLESS, VirtualContactlessCps3.make),
}


def open_card_of_kind(data_dir: Path, kind: str) -> ApduCard:
    """Create or load the data folder's card of that kind, in use until `close`.

    Raises NotSupportedError for an unknown kind, and what open_made raises.
    """
    found = KINDS.get(kind)
    if found is None:
        raise NotSupportedError(f"no virtual card is called {kind}; there are {', '.join(KINDS)}")
    return open_made(data_dir, found.personalisation, found.make)
