"""Open whatever card of the CPS family lies in a slot, by its ATR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.base import CardSlot, Deadline
from drivers.card.atr import CardFamily, identify_atr
from drivers.card.profile import ProfileStore
from drivers.errors import CardUnknownError, NotSupportedError

if TYPE_CHECKING:
    from drivers.card.cps3 import Cps3Token


def open_card(slot: CardSlot, atr: bytes, store: ProfileStore, deadline: Deadline) -> Cps3Token:
    """Open the card as a token.

    Raises CardUnknownError for a card of another kind, NotSupportedError for one of the family without a dialect here.
    """
    family = identify_atr(atr)
    if family is CardFamily.CPS3:
        from drivers.card.cps3 import open_cps3  # noqa: PLC0415 - `cryptography` is heavy, and needed at the first card

        return open_cps3(slot, store, deadline)
    if family in (CardFamily.CPS4, CardFamily.CPS3_CONTACTLESS):
        raise NotSupportedError(f"{family} cards cannot be used by this version yet")
    raise CardUnknownError(f"not a card of the CPS family ({family}, ATR {atr.hex().upper()})")
