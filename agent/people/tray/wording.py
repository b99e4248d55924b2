"""What the tray says about the desk: the tooltip, and the head of its menu, as plain text."""

from __future__ import annotations

from datetime import datetime
from gettext import NullTranslations

from agent.people.plain_text import plain_text
from agent.people.translations import write_date
from agent.people.tray.state import Condition, Desk, Reader, Session

NAME_LIMIT = 60
MAX_TOOLTIP = 127  # Windows: NOTIFYICONDATA.szTip


def condition_words(condition: Condition, words: NullTranslations) -> str:
    """How things stand, in a few words."""
    return {
        Condition.NO_READER: words.gettext("No card reader"),
        Condition.NO_CARD: words.gettext("No card in the reader"),
        Condition.READING: words.gettext("Reading the card…"),
        Condition.CARD_READY: words.gettext("Card ready"),
        Condition.PIN_SESSION: words.gettext("Card ready, its code is kept for a while"),
        Condition.TRIES_LOW: words.gettext("Few tries left for the code"),
        Condition.PIN_BLOCKED: words.gettext("Code blocked"),
        Condition.REVOKED: words.gettext("Certificate revoked"),
        Condition.EXPIRING: words.gettext("Card that expires soon"),
        Condition.EXPIRED: words.gettext("Card expired"),
        Condition.NOT_CPS: words.gettext("Not a CPS card"),
        Condition.TROUBLE: words.gettext("The card cannot be used"),
        Condition.NO_AGENT: words.gettext("The agent is not running"),
    }[condition]


def describe(desk: Desk, words: NullTranslations, now: datetime) -> tuple[str, ...]:
    """The lines that say everything at a glance: condition, holder, reader, kept codes."""
    lines = [_condition_line(desk, words)]
    reader = desk.main_reader
    if reader is not None:
        lines += filter(None, (_holder_line(reader), _reader_line(reader, words)))
    if desk.sessions:
        lines.append(words.gettext("Code kept: {time}").format(time=session_words(desk.sessions, words, now)))
    return tuple(lines)


def tooltip(desk: Desk, words: NullTranslations, now: datetime) -> str:
    """The lines as one text that every system shows."""
    text = "\n".join(describe(desk, words, now))
    return text if len(text) <= MAX_TOOLTIP else text[: MAX_TOOLTIP - 1] + "…"


def _condition_line(desk: Desk, words: NullTranslations) -> str:
    reader = desk.main_reader
    if desk.condition is Condition.TRIES_LOW and reader is not None and reader.tries_left is not None:
        left = words.ngettext("%d try left", "%d tries left", reader.tries_left) % reader.tries_left
        return words.gettext("Code of the card: {tries}").format(tries=left)
    if desk.condition in (Condition.EXPIRING, Condition.EXPIRED) and reader is not None and reader.expires_at:
        date = write_date(reader.expires_at, words)
        if desk.condition is Condition.EXPIRING:
            return words.gettext("Card valid until {date}").format(date=date)
        return words.gettext("Card expired on {date}").format(date=date)
    return condition_words(desk.condition, words)


def _holder_line(reader: Reader) -> str:
    return plain_text(reader.holder or "", NAME_LIMIT)


def _reader_line(reader: Reader, words: NullTranslations) -> str:
    return words.gettext("Reader: {name}").format(name=plain_text(reader.name, NAME_LIMIT))


def session_words(sessions: tuple[Session, ...], words: NullTranslations, now: datetime) -> str:
    """How long codes are kept at most, and for how many uses."""
    minutes = max(session.minutes_left(now) for session in sessions)
    text = words.ngettext("%d more minute", "%d more minutes", minutes) % minutes
    uses = [session.uses_left for session in sessions]
    counted = sum(use for use in uses if use is not None)
    if None in uses:
        return text
    return text + ", " + words.ngettext("%d use", "%d uses", counted) % counted
