"""Open whatever card of the CPS family lies in a slot, by its ATR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.base import CardSlot, Deadline
from drivers.card.atr import CardFamily, identify_atr, not_cps
from drivers.card.profile import ProfileStore
from drivers.errors import CardError, CardUpdateUnfinishedError, ContactlessError, NotSupportedError

if TYPE_CHECKING:
    from drivers.card.cps3 import Cps3Token


def open_card(slot: CardSlot, atr: bytes, store: ProfileStore, deadline: Deadline) -> Cps3Token:
    """Open the card as a token.

    Raises NotCpsError for a card of another kind, NotSupportedError for one of the family without a dialect here.
    """
    family = identify_atr(atr)
    if family is CardFamily.CPS3:
        return _open_cps3(slot, store, deadline)
    if family is CardFamily.CPS2TER:
        return _open_perhaps(slot, atr, store, deadline)
    if family is CardFamily.CPS3_CONTACTLESS:
        raise ContactlessError
    if family is CardFamily.CPS4:
        raise NotSupportedError(f"{family} cards cannot be used by this version yet")
    raise not_cps(atr)


def _open_cps3(slot: CardSlot, store: ProfileStore, deadline: Deadline) -> Cps3Token:
    from drivers.card.cps3 import open_cps3  # noqa: PLC0415 - `cryptography` is heavy, and needed at the first card

    return open_cps3(slot, store, deadline)


def _open_perhaps(slot: CardSlot, atr: bytes, store: ProfileStore, deadline: Deadline) -> Cps3Token:
    """Try an ATR that is said to be of an old card: only what the card itself answers proves it."""
    try:
        return _open_cps3(slot, store, deadline)
    except CardUpdateUnfinishedError:
        raise
    except CardError as error:
        raise not_cps(atr) from error
