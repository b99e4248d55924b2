"""What is told of channels: each signature of the key and the end in the journal, and that there is one as events."""

from __future__ import annotations

import time

from agent.access.journal import OK, JournalEntry
from agent.cards.events import Event, EventBus, EventType
from agent.cards.uses import UseRecord
from agent.services.channels.channel import Channel, Parties

OPEN, END = "open-channel", "end-channel"


def describe_sign_in(parties: Parties, record: UseRecord, began_s: float) -> JournalEntry:
    """A key has signed for a channel; `began_s`: when the person was asked, on the monotonic clock."""
    return JournalEntry(
        action=OPEN,
        caller=parties.caller.name,
        outcome=OK,
        through=parties.caller.through or parties.caller.name,
        card_number=record.card_number,
        subject=_name(parties),
        exchanges=record.exchanges or None,
        duration_ms=_ms_since(began_s),
    )


def describe_end(channel: Channel) -> JournalEntry:
    """The channel has ended; the subject counts its requests."""
    parties, life = channel.parties, channel.life
    return JournalEntry(
        action=END,
        caller=parties.caller.name,
        outcome=str(life.end),
        through=parties.caller.through or parties.caller.name,
        card_number=None if parties.card is None else parties.card.number,
        subject=f"{_name(parties)} (x{life.requests})",
        duration_ms=_ms_since(life.since_s),
    )


def tell_opened(events: EventBus, channel: Channel) -> None:
    """Publish that there is a channel; its id is the service's name."""
    _tell(events, EventType.CHANNEL_OPENED, channel)


def tell_ended(events: EventBus, channel: Channel) -> None:
    """Publish that there is none any more, and why."""
    _tell(events, EventType.CHANNEL_ENDED, channel)


def _tell(events: EventBus, kind: EventType, channel: Channel) -> None:
    parties, end = channel.parties, channel.life.end
    number = None if parties.card is None else parties.card.number
    code = None if end is None else str(end)
    events.publish(Event(kind, None, number, code, caller=parties.caller, subject_id=parties.name))


def _name(parties: Parties) -> str:
    return f"{parties.service.title} ({parties.service.host})"


def _ms_since(began_s: float) -> int:
    return round((time.monotonic() - began_s) * 1000)
