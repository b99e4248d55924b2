"""Open whatever card of the CPS family lies in a slot, by its ATR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.base import CardSlot, Deadline
from drivers.card.atr import CardFamily, identify_atr, not_cps
from drivers.card.profile import ProfileStore
from drivers.errors import CardError, CardUpdateUnfinishedError

if TYPE_CHECKING:
    from drivers.base import Token


def open_card(slot: CardSlot, atr: bytes, store: ProfileStore, deadline: Deadline) -> Token:
    """Open the card as a token.

    Raises NotCpsError for a card of another kind.
    """
    from drivers.card import cps3, cps4  # noqa: PLC0415 - `cryptography` is heavy, and needed at the first card

    family = identify_atr(atr)
    ways = {
        CardFamily.CPS3: cps3.open_cps3,
        CardFamily.CPS3_CONTACTLESS: cps3.open_cps3_contactless,
        CardFamily.CPS4: cps4.open_cps4,
    }
    if family in ways:
        return ways[family](slot, store, deadline)
    if family is not CardFamily.CPS2TER:
        raise not_cps(atr)
    try:  # an ATR that is said to be of an old card: only what the card itself answers proves it
        return cps3.open_cps3(slot, store, deadline)
    except CardUpdateUnfinishedError:
        raise
    except CardError as error:
        raise not_cps(atr) from error
