"""The numbers of slots: small, and the same for a reader for ever, as programs keep them in their settings."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from agent.access.database import Database

INSERT = "INSERT OR IGNORE INTO door_slots (id, reader) VALUES ((SELECT max(id) + 1 FROM door_slots), ?)"


class SlotNumbers:
    """Readers by number and numbers by reader; the empty name stands for the software certificates."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._readers: dict[int, str] = {}
        self._numbers: dict[str, int] = {}

    async def number(self, readers: Iterable[str]) -> list[int]:
        """Their numbers, in the same order; those that have none are given one. Raises StoreError."""
        wanted = list(readers)
        if not self._numbers.keys() >= set(wanted):
            await self._load([reader for reader in wanted if reader not in self._numbers])
        return [self._numbers[reader] for reader in wanted]

    async def reader(self, number: int) -> str | None:
        """The reader of that number, None when no reader ever had it. Raises StoreError."""
        if number not in self._readers:
            await self._load([])
        return self._readers.get(number)

    async def _load(self, new: list[str]) -> None:
        def write(connection: sqlite3.Connection) -> list[tuple[int, str]]:
            connection.executemany(INSERT, [(reader,) for reader in new])
            return connection.execute("SELECT id, reader FROM door_slots").fetchall()

        self._readers = dict(await self._database.run(write))
        self._numbers = {reader: number for number, reader in self._readers.items()}
