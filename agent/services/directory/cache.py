"""What the directory has told, kept for a while: in memory, and in the database so that a restart asks nothing anew."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from agent.access.database import Database
from agent.access.errors import StoreError

if TYPE_CHECKING:
    from agent.services.directory.values import Professional

log = logging.getLogger(__name__)

FRESH_MS: Final = 24 * 3600 * 1000
KEPT_MS: Final = 7 * FRESH_MS  # what cannot be asked again is shown as old for a week; then it is gone
MAX_ENTRIES: Final = 200

LOAD = "SELECT rpps, professional, at FROM directory ORDER BY at"
SAVE = "INSERT INTO directory (rpps, professional, at) VALUES (?, ?, ?) ON CONFLICT (rpps) DO UPDATE SET professional = excluded.professional, at = excluded.at"  # noqa: E501
PRUNE = "DELETE FROM directory WHERE at NOT BETWEEN ? AND ? OR rpps NOT IN (SELECT rpps FROM directory ORDER BY at DESC LIMIT ?)"  # noqa: E501


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer; None for nobody. `at`: milliseconds since 1970, UTC."""

    professional: Professional | None
    at: int

    @property
    def as_of(self) -> datetime:
        """When it was told."""
        return datetime.fromtimestamp(self.at / 1000, UTC)


class DirectoryCache:
    """The last answers by RPPS number. Nothing is read before it is asked for; a database that fails is done without.

    A moment that lies ahead, after the clock has jumped, is as good as none.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._entries: dict[str, Entry] | None = None

    async def load(self, rpps: str) -> Entry | None:
        """The entry, fresh or old, or None."""
        entry = (await self._loaded()).get(rpps)
        return entry if entry is not None and 0 <= self._now() - entry.at < KEPT_MS else None

    def is_fresh(self, entry: Entry) -> bool:
        """Whether there is no need to ask again."""
        return 0 <= self._now() - entry.at < FRESH_MS

    async def save(self, rpps: str, professional: Professional | None) -> Entry:
        """Keep an answer of now; the oldest make room."""
        entries, entry = await self._loaded(), Entry(professional, self._now())
        entries.pop(rpps, None)
        entries[rpps] = entry
        while len(entries) > MAX_ENTRIES:
            del entries[next(iter(entries))]
        row = (rpps, _to_json(professional), entry.at)
        limits = (entry.at - KEPT_MS, entry.at, MAX_ENTRIES)
        await self._run(lambda connection: (connection.execute(SAVE, row), connection.execute(PRUNE, limits)))
        return entry

    async def forget(self) -> int:
        """Empty it; give how many entries there were. Raises StoreError."""
        self._entries = {}
        return await self._database.run(lambda connection: connection.execute("DELETE FROM directory").rowcount)

    async def _loaded(self) -> dict[str, Entry]:
        if self._entries is None:
            found: list[tuple[str, str, int]] = []
            await self._run(lambda connection: found.extend(connection.execute(LOAD)))
            known = {rpps: entry for rpps, text, at in found if (entry := _to_entry(text, at)) is not None}
            self._entries = self._entries if self._entries is not None else known
        return self._entries

    async def _run(self, work: Callable[[sqlite3.Connection], object]) -> None:
        try:
            await self._database.run(work)
        except StoreError as error:
            log.warning("what the directory told cannot be kept: %s", error)

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _to_json(professional: Professional | None) -> str:
    return msgspec.json.encode(professional).decode()


def _to_entry(text: str, at: int) -> Entry | None:
    from agent.services.directory.values import Professional  # noqa: PLC0415 - at the first look-up

    try:
        return Entry(msgspec.json.decode(text, type=Professional | None), at)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        log.warning("what the directory told of somebody cannot be read any more; it will be asked again")
        return None
