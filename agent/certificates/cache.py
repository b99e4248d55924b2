"""Profiles of known cards, kept in the database so that a card is read whole only once. Nothing in them is secret."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import threading
from collections.abc import Callable

from agent.access.database import Database
from agent.access.errors import StoreError
from drivers.card.profile import CardProfile

log = logging.getLogger(__name__)

MAX_CARDS = 200
"""A device that claims to be another card each time fills no disk. Those saved last are kept: the rows' order counts,
no clock."""
SAVE = "INSERT OR REPLACE INTO cards (number, profile, updated_at) VALUES (?, ?, unixepoch() * 1000)"
PRUNE = "DELETE FROM cards WHERE rowid NOT IN (SELECT rowid FROM cards ORDER BY rowid DESC LIMIT ?)"
LOAD = "SELECT number, profile FROM cards ORDER BY rowid"

Work = Callable[[sqlite3.Connection], object]


class CardCache:
    """A ProfileStore for the threads of the reader slots; the database is written behind their back."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._profiles: dict[str, CardProfile] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writes: set[asyncio.Task[None]] = set()
        self._emptied = 0

    async def open(self) -> None:
        """Load every known card. One that is damaged is dropped, and all are when none can be loaded: read again."""
        self._loop = asyncio.get_running_loop()
        try:
            rows = await self._database.run(lambda connection: connection.execute(LOAD).fetchall())
        except StoreError as error:
            log.warning("the cache of cards cannot be read (%s); every card will be read again", error)
            return
        for number, text in rows:
            try:
                self._profiles[number] = _parse(number, text)
            except ValueError:
                log.warning("the cached profile of card %s is damaged; the card will be read again", number)

    async def close(self) -> None:
        """Wait for what was saved until now to be written."""
        await asyncio.sleep(0)  # what a reader's thread has just handed over is begun
        await asyncio.gather(*self._writes, return_exceptions=True)

    def load(self, number: str) -> CardProfile | None:
        """See ProfileStore."""
        with self._lock:
            return self._profiles.get(number)

    def save(self, profile: CardProfile) -> None:
        """See ProfileStore."""
        row = (profile.number, _seal(profile.to_json()))
        with self._lock:
            self._profiles.pop(profile.number, None)
            self._profiles[profile.number] = profile
            while len(self._profiles) > MAX_CARDS:
                del self._profiles[next(iter(self._profiles))]
            self._write(lambda connection: (connection.execute(SAVE, row), connection.execute(PRUNE, (MAX_CARDS,))))

    def forget(self, number: str) -> None:
        """See ProfileStore."""
        with self._lock:
            self._profiles.pop(number, None)
            self._write(lambda connection: connection.execute("DELETE FROM cards WHERE number = ?", (number,)))

    async def forget_all(self) -> int:
        """Empty it; give how many cards were known. What is still to be written is dropped. Raises StoreError."""
        with self._lock:
            self._emptied += 1
            self._profiles.clear()
        return await self._database.run(lambda connection: connection.execute("DELETE FROM cards").rowcount)

    def _write(self, work: Work) -> None:
        """In the order of the calls: the lock is held."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._start_write, work, self._emptied)

    def _start_write(self, work: Work, emptied: int) -> None:
        if emptied == self._emptied:
            task = asyncio.get_running_loop().create_task(self._run(work))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _run(self, work: Work) -> None:
        try:
            await self._database.run(work)
        except StoreError as error:
            log.warning("the cache of cards cannot be written: %s", error)


def _parse(number: str, sealed: str) -> CardProfile:
    """Raise ValueError unless it is that card's."""
    profile = CardProfile.from_json(_unseal(sealed))
    if profile.number != number:
        raise ValueError("another card's")
    return profile


def _seal(text: str) -> str:
    """The text behind its hash: what a disk has damaged must not pass for the name of somebody else."""
    return f"{hashlib.sha256(text.encode()).hexdigest()} {text}"


def _unseal(sealed: str) -> str:
    """Raise ValueError unless it is as it was written."""
    _, _, text = sealed.partition(" ")
    if _seal(text) != sealed:
        raise ValueError("not what was written")
    return text
