"""What an ATR (ISO 7816-3 §8.2) says of the card before a word is exchanged: family and generation."""

from __future__ import annotations

from enum import StrEnum


class CardFamily(StrEnum):
    """Cards that a French practice meets."""

    CPS3 = "CPS3"
    CPS3_CONTACTLESS = "CPS3-CL"
    CPS4 = "CPS4"
    VITALE = "Vitale"
    UNKNOWN = "unknown"


# Historical bytes of the issuer, present in contact mode on every card of the CPS family.
CPS_ISSUER_BYTES = bytes.fromhex("1225006480")
# ChipDoc cards, told apart from IAS-ECC ones by their interface bytes.
CPS4_PREFIXES = (bytes.fromhex("3B9B18"), bytes.fromhex("3BDC18"))
# IAS-ECC over NFC: category indicator, card service data and issuer bytes B0 EC C1.
CPS3_CONTACTLESS_PREFIX = bytes.fromhex("3B8F80010031B86404B0ECC1")
VITALE_PREFIXES = (bytes.fromhex("3B751300"), bytes.fromhex("3F6525"))


def identify_atr(atr: bytes) -> CardFamily:
    """Name the family of a card by its ATR; UNKNOWN is a card that nothing here knows."""
    if CPS_ISSUER_BYTES in atr:
        return CardFamily.CPS4 if atr.startswith(CPS4_PREFIXES) else CardFamily.CPS3
    if atr.startswith(CPS3_CONTACTLESS_PREFIX):
        return CardFamily.CPS3_CONTACTLESS
    if atr.startswith(VITALE_PREFIXES):
        return CardFamily.VITALE
    return CardFamily.UNKNOWN
