"""Whose cards are in the readers: a login stands beside them, and falls with them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.places import Place
from agent.services.psc.checking import Login
from agent.services.psc.errors import LoginCardGoneError, OtherPersonError
from drivers.errors import CardBusyError, DriverError


@dataclass(frozen=True, slots=True)
class CardBinding:
    """The cards of a session. `own`: the very card of the person, where it was there; `beside`: others' at the time.

    `national_id`: the person's, as cards have it.

    Cards are told apart as objects: one that is pulled and put back is another.
    """

    national_id: str
    own: Card | None
    beside: tuple[Card, ...]

    @classmethod
    def of(cls, cards: Cards, login: Login) -> Self:
        """Bind a login to what is in the readers now.

        Raises OtherPersonError where all of it is others', LoginCardGoneError where the card that made it is gone.
        """
        there, number = cards.usable, login.person.national_id
        own = next((card for card in there if card.holder.national_id == number), None)
        if own is None and there:
            raise OtherPersonError
        if own is None and login.by_card:
            raise LoginCardGoneError
        return cls(number, own, tuple(card for card in there if card is not own))

    def holds(self, cards: Cards) -> bool:
        """Whether the card is where it was, if there was one."""
        return self.own is None or cards.holds(self.own)

    def is_joined(self, cards: Cards) -> bool:
        """Whether a card has come since that is not this person's."""
        others = [card for card in cards.usable if card.holder.national_id != self.national_id]
        return any(all(card is not each for each in self.beside) for card in others)


async def settle(cards: Cards) -> None:
    """Have every card read that was just inserted: until then nobody knows whose it is.

    Raises CardBusyError for one that another program keeps from being read. What is no card of a professional, or does
    not answer at all, is nobody's.
    """
    if _list_unread(cards):
        with suppress(DriverError):
            await cards.list_cards()
    if any(place.failure is None or isinstance(place.failure, CardBusyError) for place in _list_unread(cards)):
        raise CardBusyError("whose card it is that was inserted is not known yet")


def _list_unread(cards: Cards) -> list[Place]:
    return [place for place in cards.places.values() if place.state.atr is not None and place.card is None]
