"""Profiles of known cards, kept in the database so that a card is read whole only once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading

from agent.access.database import Database
from agent.access.errors import StoreError
from drivers.card.profile import CardProfile

log = logging.getLogger(__name__)

SAVE = "INSERT INTO cards (number, profile, updated_at) VALUES (?, ?, unixepoch() * 1000) ON CONFLICT (number) DO UPDATE SET profile = excluded.profile, updated_at = excluded.updated_at"  # noqa: E501


class CardCache:
    """A ProfileStore for the threads of the reader slots; the database is written behind their back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._profiles: dict[str, CardProfile] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writes: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Load every known card. One that cannot be understood is dropped: it will be read again."""
        self._loop = asyncio.get_running_loop()
        for number, text in await self._database.run(_load_all):
            try:
                self._profiles[number] = CardProfile.from_json(text)
            except ValueError:
                log.warning("the cached profile of card %s cannot be read; the card will be read again", number)

    async def close(self) -> None:
        """Wait for the writes under way."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    def load(self, number: str) -> CardProfile | None:
        """See ProfileStore."""
        with self._lock:
            return self._profiles.get(number)

    def save(self, profile: CardProfile) -> None:
        """See ProfileStore."""
        with self._lock:
            self._profiles[profile.number] = profile
        row = (profile.number, profile.to_json())
        self._write(SAVE, row)

    def forget(self, number: str) -> None:
        """See ProfileStore."""
        with self._lock:
            self._profiles.pop(number, None)
        self._write("DELETE FROM cards WHERE number = ?", (number,))

    def _write(self, statement: str, row: tuple[str, ...]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._start_write, statement, row)

    def _start_write(self, statement: str, row: tuple[str, ...]) -> None:
        task = asyncio.get_running_loop().create_task(self._run(statement, row))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _run(self, statement: str, row: tuple[str, ...]) -> None:
        try:
            await self._database.run(lambda connection: connection.execute(statement, row))
        except StoreError as error:
            log.warning("the cache of cards cannot be written: %s", error)


def _load_all(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT number, profile FROM cards").fetchall()
