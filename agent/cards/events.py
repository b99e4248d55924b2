"""What happens at the desk, told to whoever listens: readers, cards, codes, grants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from agent.access.callers import Caller
from agent.access.grants import GrantChange
from agent.cards.conditions import Condition

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
    CERTIFICATE_STATE = "certificate-state"
    PIN_CHANGED = "pin-changed"
    STATE_CHANGED = "state-changed"
    PIN_SESSION_OPENED = "pin-session-opened"
    PIN_SESSION_USED = "pin-session-used"
    PIN_SESSION_ENDED = "pin-session-ended"
    GRANT_GIVEN = "grant-given"
    GRANT_REVOKED = "grant-revoked"
    GRANT_EXPIRED = "grant-expired"
    BATCH_PROGRESS = "batch-progress"
    PSC_SESSION_OPENED = "psc-session-opened"
    PSC_SESSION_ENDED = "psc-session-ended"
    CHANNEL_OPENED = "channel-opened"
    CHANNEL_ENDED = "channel-ended"
    PSC_NUMBER = "psc-number"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened; `card_number` is told only to callers who may know identities.

    `condition` is the new one of `reader`, or of the whole desk without it. `code` says why, in a word, or is the
    number to compare. What concerns one `caller`, its session or its grant (`subject_id`), is told to programs and to
    the page that it is about; its batch to the caller alone. `progress`: how many documents of a batch are signed,
    failed, and left.
    """

    type: EventType
    reader: str | None = None
    card_number: str | None = None
    code: str | None = None
    condition: Condition | None = None
    caller: Caller | None = None
    subject_id: str | None = None
    progress: Mapping[str, int] | None = None


class EventBus:
    """Deliver events to subscribers in order."""

    def __init__(self) -> None:
        self._queues: dict[asyncio.Queue[Event | None], int] = {}
        self._closed = False

    def publish(self, event: Event) -> None:
        """Give the event to every subscriber; one that has fallen too far behind gets None, the end."""
        for subscriber, max_waiting in list(self._queues.items()):
            if subscriber.qsize() >= max_waiting:
                del self._queues[subscriber]
                subscriber.put_nowait(None)
            else:
                subscriber.put_nowait(event)

    @property
    def closed(self) -> bool:
        """Whether nothing will be told any more."""
        return self._closed

    @contextmanager
    def subscription(self, max_waiting: int = MAX_WAITING) -> Iterator[asyncio.Queue[Event | None]]:
        """A queue of the events from now on."""
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._queues[events] = max_waiting
        if self._closed:
            events.put_nowait(None)
        try:
            yield events
        finally:
            self._queues.pop(events, None)

    def close(self) -> None:
        """End every subscription, also one that is made later."""
        self._closed = True
        for subscriber in self._queues:
            subscriber.put_nowait(None)
        self._queues.clear()


def tell_grant_change(events: EventBus, change: GrantChange) -> None:
    """Publish what happened to a grant."""
    kind = EventType(f"grant-{change.event}")
    events.publish(Event(kind, caller=change.grant.caller, subject_id=change.grant.id))
