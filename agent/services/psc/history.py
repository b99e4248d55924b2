"""What the journal says of the end of a session that nobody asked for by a call; a logout has an entry of its own."""

from __future__ import annotations

from typing import Final

from agent.access.journal import JournalEntry
from agent.services.psc.sessions import PscEnd, PscSession

END: Final = "end-psc-session"
OUTCOMES: Final = {
    PscEnd.REPLACED: "psc-replaced",
    PscEnd.CARD_GONE: "card-removed",
    PscEnd.OTHER_CARD: "psc-other-person",
    PscEnd.AWAY: "person-away",
    PscEnd.REVOKED: "grant-revoked",
    PscEnd.EXPIRED: "time-over",
    PscEnd.IDLE: "time-over",
    PscEnd.REFUSED: "psc-refused",
    PscEnd.STOPPED: "agent-stopped",
}
"""In the words that the journal has for the like."""


def describe_end(session: PscSession, reason: PscEnd) -> JournalEntry | None:
    """The entry; None for an end that has one."""
    outcome = OUTCOMES.get(reason)
    if outcome is None:
        return None
    return JournalEntry(
        action=END,
        caller=session.caller.name,
        outcome=outcome,
        through=session.caller.through or session.caller.name,
        card_number=session.card_number,
        subject=f"{session.client}: {session.person.display_name}",
    )
