"""A reader as it stands: what is in it, and what is being done about that."""

from __future__ import annotations

import asyncio
from typing import Protocol

from agent.cards.card import Card
from agent.cards.conditions import CardFacts, PlaceFacts
from agent.cards.errors import KeyRefusedError
from agent.cards.slots import SlotQueue
from drivers.base import PinStatus, Readers, ReaderState
from drivers.errors import DriverError

Failure = DriverError | KeyRefusedError


class _Pending(Protocol):
    def cancel(self) -> object: ...


class Place:
    """A reader: its queue, and the card in it once it is open, or what failed.

    `source` is the driver that shows it; software certificates have none. `pin` is what the card last said of its code.
    `trouble` is the last failure that a person should know of: it stays while the card is tried again, and goes with
    the card.
    """

    def __init__(self, source: Readers | None, state: ReaderState, queue: SlotQueue) -> None:
        self.source = source
        self.state = state
        self.queue = queue
        self.card: Card | None = None
        self.pin: PinStatus | None = None
        self.failure: Failure | None = None
        self.trouble: Failure | None = None
        self.opening: asyncio.Task[None] | None = None
        self.retry: asyncio.TimerHandle | None = None
        self.look: _Pending | None = None
        self._gone = asyncio.Event()

    def take(self, card: Card) -> None:
        """The card is open from now on."""
        self.card, self._gone = card, asyncio.Event()
        self.failure = self.trouble = None

    def lose(self, failure: Failure) -> None:
        """What was opened is of no use any more."""
        self._let_go()
        self.failure = failure

    def clear(self) -> None:
        """Forget the card, and what was under way about it."""
        if self.opening is not None:
            self.opening.cancel()
        if self.retry is not None:
            self.retry.cancel()
        self._let_go()
        self.failure = self.trouble = self.opening = self.retry = None

    def note_pin(self, status: PinStatus | None) -> None:
        """Keep what the card said of its code, or that it would not say: nobody has to look for that any more."""
        if status is not None:
            self.pin = status
        if self.look is not None:
            self.look.cancel()
            self.look = None

    async def wait_gone(self) -> None:
        """Return once the card that is open now is not any more."""
        await self._gone.wait()

    def facts(self, sessions: frozenset[str]) -> PlaceFacts:
        """What its condition depends on. Until its code has been looked at the card is still being read."""
        if self.card is None or self.look is not None:
            return PlaceFacts(self.state.atr, failure=self.trouble)
        in_session = self.card.number in sessions
        facts = CardFacts(self.card.number, self.card.expires_at, self.pin, in_session, self.card.memory.revoked)
        return PlaceFacts(self.state.atr, facts)

    def _let_go(self) -> None:
        if self.card is not None:
            self.card.token.close()
        if self.look is not None:
            self.look.cancel()
        self.card = self.pin = self.look = None
        self._gone.set()
