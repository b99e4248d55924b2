"""What the agent itself notes in the journal: cards that it has read, changes of condition, revocations, in order."""

from __future__ import annotations

import logging

from agent.access.errors import StoreError
from agent.access.journal import OK, Journal, JournalEntry
from agent.cards.card import Card
from agent.cards.conditions import Condition
from agent.cards.events import Event, EventBus, EventType
from agent.cards.following import EventFollower
from agent.certificates.states import StateName

log = logging.getLogger(__name__)

AGENT = "cps-agent"


class StateJournal(EventFollower):
    """Note each state that a person would want to know of.

    The same again within a minute is counted, not written anew: a flapping contact fills no page.
    """

    def __init__(self, journal: Journal, events: EventBus) -> None:
        super().__init__(events)
        self._journal = journal

    async def note(self, event: Event) -> None:
        """See EventFollower."""
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
