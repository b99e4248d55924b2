"""What the agent itself notes in the journal: cards that it has read, changes of condition, revocations, in order."""

from __future__ import annotations

import asyncio
import logging

from agent.access.errors import StoreError
from agent.access.journal import OK, Journal, JournalEntry
from agent.cards.card import Card
from agent.cards.conditions import Condition
from agent.cards.events import Event, EventBus, EventType
from agent.certificates.states import StateName

log = logging.getLogger(__name__)

AGENT = "cps-agent"
MAX_WAITING = 10_000  # a contact that flaps while the disk is slow: what comes later is noted late, not lost
FINISH_S = 2.0


class StateJournal:
    """Follow the events from `start` until the bus is closed, and note each state that a person would want to know of.

    The same again within a minute is counted, not written anew: a flapping contact fills no page.
    """

    def __init__(self, journal: Journal, events: EventBus) -> None:
        self._journal = journal
        self._events = events
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Write what is still waiting, once the bus is closed."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=FINISH_S)
            self._task.cancel()

    async def _follow(self) -> None:
        with self._events.subscription(MAX_WAITING) as events:
            while (event := await events.get()) is not None:
                entry = make_entry(event)
                if entry is not None:
                    await record(self._journal, entry)


def make_entry(event: Event) -> JournalEntry | None:
    """Turn an event into what the journal says of it, if anything.

    Being read is no state to remember. The desk as a whole says what no reader of it does: that there is none, or that
    the service is stopped.
    """
    if event.type is EventType.CERTIFICATE_STATE and event.code == StateName.REVOKED:
        return JournalEntry(event.type, AGENT, event.code, card_number=event.card_number, by_agent=True)
    if event.type is not EventType.STATE_CHANGED or event.condition in (None, Condition.READING):
        return None
    if event.reader is None and event.condition is not Condition.NO_READER and event.code is None:
        return None
    return JournalEntry(
        "state", AGENT, str(event.condition), card_number=event.card_number, subject=event.reader, by_agent=True
    )


async def note_reading(journal: Journal, card: Card, exchanges: int) -> None:
    """Note that the agent itself has read a card."""
    await record(
        journal, JournalEntry("read-card", AGENT, OK, card_number=card.number, exchanges=exchanges, by_agent=True)
    )


async def record(journal: Journal, entry: JournalEntry) -> None:
    """Keep an entry that nobody waits for; a full disk is said in the log."""
    try:
        await journal.record(entry)
    except StoreError as error:
        log.error("the journal cannot be written: %s", error)  # noqa: TRY400 - one line is what a reader needs
