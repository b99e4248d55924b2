"""The journal that the user can read: one entry for each use of the card and each refusal, and no way to erase it.

No PIN, no content of a document and no hash ever enters it: callers of `record` give route names, not paths or bodies.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.access.clock import Clock, from_ms, to_ms, utc_now
from agent.access.database import Database
from agent.access.text import clean_text

OK = "ok"

# What stops a request before the card: a page in a loop can bring these about without any grant.
REFUSALS = frozenset(
    {
        "peer-refused",
        "host-refused",
        "origin-refused",
        "token-refused",
        "grant-required",
        "grant-refused",
        "bad-request",
        "body-too-large",
        "unsupported-media",
        "not-found",
        "too-many-requests",
        "not-supported",
    }
)

_MAX_CHARS = 255
_MAX_WORD_CHARS = 64
_COLUMNS = "action, caller, through, outcome, card_number, subject, exchanges, duration_ms"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing asked: `outcome` is "ok" or an error's code, `subject` what the person was told it was about.

    `by_person` False: it failed before a person gave a code, so a caller can bring it about in a loop. `by_agent`: the
    agent's own note, which a flapping contact brings about in a loop; its subject is not a caller's choice.
    """

    action: str
    caller: str
    outcome: str
    through: str | None = None
    card_number: str | None = None
    subject: str | None = None
    exchanges: int | None = None
    duration_ms: int | None = None
    by_person: bool = field(default=True, compare=False)
    by_agent: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """An entry as it was kept; `count` and `last_at` tell of refusals that followed and were the same."""

    id: int
    at: datetime
    last_at: datetime
    count: int
    entry: JournalEntry


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much is kept: everything by age, refusals and uses by number, counted apart so that no flood hides a use."""

    refusals: int = 10_000
    uses: int = 200_000
    age: timedelta = timedelta(days=3 * 366)
    same_within: timedelta = timedelta(seconds=60)
    prune_every: int = 100


class Journal:
    """Writes and reads the entries."""

    def __init__(self, database: Database, clock: Clock = utc_now, limits: JournalLimits | None = None) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits or JournalLimits()
        self._until_prune = 0

    async def record(self, entry: JournalEntry) -> None:
        """Keep one entry; raise StoreError if that is not possible, so that no use goes unrecorded unnoticed."""
        clean, now, prune = _clean(entry), to_ms(self._clock()), self._is_prune_due()
        await self._database.run(lambda connection: self._write(connection, clean, now, prune=prune))

    async def list(
        self, limit: int = 100, *, before_id: int | None = None, caller: str | None = None
    ) -> list[JournalRecord]:
        """List the latest entries, newest first: those before an id, or of one caller."""
        query = (
            f"SELECT id, at, last_at, count, {_COLUMNS} FROM journal"  # noqa: S608 - a constant
            " WHERE (:before IS NULL OR id < :before) AND (:caller IS NULL OR caller = :caller)"
            " ORDER BY id DESC LIMIT :limit"
        )
        wanted = {"before": before_id, "caller": caller, "limit": max(limit, 0)}
        rows = await self._database.run(lambda connection: connection.execute(query, wanted).fetchall())
        return [_read_row(row) for row in rows]

    def _is_prune_due(self) -> bool:
        due = self._until_prune == 0
        self._until_prune = self._limits.prune_every if due else self._until_prune
        self._until_prune -= 1
        return due

    def _write(self, connection: sqlite3.Connection, entry: JournalEntry, now: int, *, prune: bool) -> None:
        failed_early = entry.outcome in REFUSALS or (entry.outcome != OK and not entry.by_person)
        refusal = failed_early or entry.by_agent
        since = now - self._limits.same_within // timedelta(milliseconds=1)
        if not (refusal and _count_again(connection, entry, now, since)):
            _insert(connection, entry, now, refusal=refusal)
        if prune:
            _prune(connection, self._limits, now)


def _values(entry: JournalEntry) -> tuple[str | int | None, ...]:
    """List the members in the order of the columns."""
    return (
        entry.action,
        entry.caller,
        entry.through,
        entry.outcome,
        entry.card_number,
        entry.subject,
        entry.exchanges,
        entry.duration_ms,
    )


def _insert(connection: sqlite3.Connection, entry: JournalEntry, now: int, *, refusal: bool) -> None:
    statement = f"INSERT INTO journal (at, last_at, refusal, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    connection.execute(statement, (now, now, refusal, *_values(entry)))


def _count_again(connection: sqlite3.Connection, entry: JournalEntry, now: int, since: int) -> bool:
    """Count the same refusal again if it stands within the last minute; two pages taking turns are caught as well.

    Subject and exchanges tell only the agent's own notes apart: a caller could vary them each time.
    """
    same = (entry.action, entry.caller, entry.through, entry.outcome, entry.card_number)
    noted = (entry.by_agent, entry.subject, entry.exchanges)
    updated = connection.execute(
        "UPDATE journal SET count = count + 1, last_at = ? WHERE id = ("
        " SELECT id FROM journal WHERE caller = ? AND last_at BETWEEN ? AND ?"
        " AND (action, caller, through, outcome, card_number) IS (?, ?, ?, ?, ?)"
        " AND (NOT ? OR (subject, exchanges) IS (?, ?))"
        " ORDER BY id DESC LIMIT 1)",
        (now, entry.caller, since, now, *same, *noted),
    )
    return updated.rowcount == 1


def _prune(connection: sqlite3.Connection, limits: JournalLimits, now: int) -> None:
    """Forget what is too old, and the oldest of each kind beyond its own cap."""
    newest_out = "SELECT id FROM journal WHERE refusal = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2"
    for refusal, kept in ((True, limits.refusals), (False, limits.uses)):
        statement = f"DELETE FROM journal WHERE refusal = ?1 AND id <= ({newest_out})"  # noqa: S608 - a constant
        connection.execute(statement, (refusal, kept))
    oldest = now - limits.age // timedelta(milliseconds=1)
    connection.execute("DELETE FROM journal WHERE last_at < ?", (oldest,))


def _clean(entry: JournalEntry) -> JournalEntry:
    return replace(
        entry,
        action=clean_text(entry.action, _MAX_WORD_CHARS),
        caller=clean_text(entry.caller, _MAX_CHARS),
        outcome=clean_text(entry.outcome, _MAX_WORD_CHARS),
        through=_clean_optional(entry.through, _MAX_CHARS),
        card_number=_clean_optional(entry.card_number, _MAX_WORD_CHARS),
        subject=_clean_optional(entry.subject, _MAX_CHARS),
    )


def _clean_optional(text: str | None, max_chars: int) -> str | None:
    return None if text is None else clean_text(text, max_chars)


def _read_row(row: tuple[Any, ...]) -> JournalRecord:
    action, caller, through, outcome, card_number, subject, exchanges, duration_ms = row[4:]
    entry = JournalEntry(action, caller, outcome, through, card_number, subject, exchanges, duration_ms)
    return JournalRecord(id=row[0], at=_moment(row[1]), last_at=_moment(row[2]), count=row[3], entry=entry)


def _moment(milliseconds: int) -> datetime:
    """A moment that no calendar has, in a damaged row, is shown as the first one: the rest of the entry is readable."""
    try:
        return from_ms(milliseconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
