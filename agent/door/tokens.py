"""What is in a slot: the card of a reader, or all the software certificates together."""

from __future__ import annotations

from abc import ABC, abstractmethod

from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.software import SoftwareCards

SOFTWARE_LABEL = "Certificats logiciels"
"""Not translated: programs write it into their addresses of keys (RFC 7512)."""
SOFTWARE_SERIAL = "SOFTWARE"


class DoorToken(ABC):
    """A token as one program sees it; another card in the same reader, or the same one put back, is another token.

    `logged_in` follows C_Login and C_Logout, and nothing follows from it: a code is asked when a key is used.
    """

    label: str
    serial: str
    model: str
    is_hardware: bool
    logged_in: bool = False

    @property
    @abstractmethod
    def cards(self) -> tuple[Card, ...]:
        """What it holds now."""

    @abstractmethod
    def holds(self, card: Card) -> bool:
        """Whether that card is still in it."""

    @property
    def is_here(self) -> bool:
        """Whether it is still in its slot."""
        return bool(self.cards)

    @abstractmethod
    def is_same(self, other: DoorToken | None) -> bool:
        """Whether a session with one is a session with the other."""


class CardToken(DoorToken):
    """A card in a reader, from one insertion to its removal."""

    is_hardware = True

    def __init__(self, cards: Cards, card: Card) -> None:
        self.label = card.token.label
        self.serial = card.number
        self.model = card.token.generation
        self.card = card
        self._cards = cards

    @property
    def cards(self) -> tuple[Card, ...]:
        """The one that it is, or none."""
        return (self.card,) if self._cards.holds(self.card) else ()

    def holds(self, card: Card) -> bool:
        """See DoorToken."""
        return card is self.card and self._cards.holds(card)

    def is_same(self, other: DoorToken | None) -> bool:
        """See DoorToken."""
        return isinstance(other, CardToken) and other.card is self.card


class SoftwareToken(DoorToken):
    """The key store of this user. Certificates come and go without its being another."""

    label = SOFTWARE_LABEL
    serial = SOFTWARE_SERIAL
    model = "software"
    is_hardware = False

    def __init__(self, software: SoftwareCards) -> None:
        self._software = software

    @property
    def cards(self) -> tuple[Card, ...]:
        """Those of the last look at the store."""
        return tuple(self._software.known)

    def holds(self, card: Card) -> bool:
        """See DoorToken."""
        return self._software.place_of(card) is not None

    def is_same(self, other: DoorToken | None) -> bool:
        """See DoorToken."""
        return isinstance(other, SoftwareToken)
