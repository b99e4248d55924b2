"""What happens at the desk, told to whoever listens: readers, cards, codes, grants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

MAX_WAITING = 100  # a listener that does not read is cut off, not waited for


class EventType(StrEnum):
    """The words of the event stream."""

    READER_ADDED = "reader-added"
    READER_REMOVED = "reader-removed"
    CARD_INSERTED = "card-inserted"
    CARD_READY = "card-ready"
    CARD_TROUBLE = "card-trouble"
    CARD_REMOVED = "card-removed"
    SERVICE_STOPPED = "service-stopped"
    SERVICE_STARTED = "service-started"
    PIN_CHANGED = "pin-changed"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `card_number` is told only to callers who may know identities."""

    type: EventType
    reader: str | None = None
    card_number: str | None = None
    code: str | None = None


class EventBus:
    """Deliver events to subscribers in order."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event | None]] = set()

    def publish(self, event: Event) -> None:
        """Give the event to every subscriber; one that has fallen too far behind gets None, the end."""
        for subscriber in list(self._queues):
            if subscriber.qsize() >= MAX_WAITING:
                self._queues.discard(subscriber)
                subscriber.put_nowait(None)
            else:
                subscriber.put_nowait(event)

    @contextmanager
    def subscription(self) -> Iterator[asyncio.Queue[Event | None]]:
        """A queue of the events from now on."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues.add(events)
        try:
            yield events
        finally:
            self._queues.discard(events)

    def close(self) -> None:
        """End every subscription."""
        for subscriber in self._queues:
            subscriber.put_nowait(None)
        self._queues.clear()
