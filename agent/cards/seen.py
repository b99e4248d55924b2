"""The cards that were in a reader of this workstation: their certificates, and when they were last here."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from agent.access.database import Database
from agent.access.errors import StoreError
from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.events import Event, EventType
from agent.cards.following import EventFollower

log = logging.getLogger(__name__)

MAX_CARDS = 500
"""A workstation in the corridor of a hospital. Those read last are kept: the rows' order counts, no clock."""

FIND = "SELECT 1 FROM seen_certificates WHERE number = ? AND position = 0 AND certificate <> ?"
INSERT = "INSERT INTO seen_certificates (number, position, certificate, test, seen_at) VALUES (?, ?, ?, ?, ?)"
PRUNE = """
    DELETE FROM seen_certificates WHERE number NOT IN
        (SELECT number FROM seen_certificates GROUP BY number ORDER BY max(rowid) DESC LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class SeenCard:
    """What is remembered of a card: its certificates in the order of its keys, public all of them.

    `seen_at` is None in a row that was damaged.
    """

    number: str
    certificates_der: tuple[bytes, ...]
    test: bool
    seen_at: datetime | None


class SeenCards:
    """The memory, in the agent's database: cards of every way, those of PKCS#11 modules too.

    `issuer_is_known` tells of a certificate whether its chain leads to a known root.
    """

    def __init__(self, database: Database) -> None:
        self.issuer_is_known: Callable[[bytes], bool] = lambda _: True
        self._database = database

    async def note(self, card: Card, at: datetime) -> None:
        """Remember a card as it was read now. Raises StoreError.

        A number is what a card says of itself: one of an unknown issuer takes no other card's place.
        """
        ders = [key.certificate_der for key in card.token.keys]
        may_replace = all(map(self.issuer_is_known, ders))
        rows = [(card.number, position, der, card.test, _milliseconds(at)) for position, der in enumerate(ders)]

        def write(connection: sqlite3.Connection) -> None:
            if not may_replace and connection.execute(FIND, (card.number, ders[0])).fetchone():
                return
            connection.execute("DELETE FROM seen_certificates WHERE number = ?", (card.number,))
            connection.executemany(INSERT, rows)
            connection.execute(PRUNE, (MAX_CARDS,))

        await self._database.run(write)

    async def note_departure(self, number: str, at: datetime) -> None:
        """A card that is remembered was here until now. Raises StoreError."""
        row = (_milliseconds(at), number)
        await self._database.run(
            lambda connection: connection.execute("UPDATE seen_certificates SET seen_at = ? WHERE number = ?", row)
        )

    async def list(self) -> tuple[SeenCard, ...]:
        """Every card that is remembered. Raises StoreError."""
        rows = await self._database.run(_load)
        return tuple(_make(number, tuple(group)) for number, group in groupby(rows, key=lambda row: row[0]))

    async def forget(self) -> int:
        """Forget all of them. Gives how many there were; raises StoreError."""

        def empty(connection: sqlite3.Connection) -> int:
            (count,) = connection.execute("SELECT count(DISTINCT number) FROM seen_certificates").fetchone()
            connection.execute("DELETE FROM seen_certificates")
            return int(count)

        return await self._database.run(empty)


class SeenFollower(EventFollower):
    """Note who comes and goes."""

    def __init__(self, seen: SeenCards, cards: Cards) -> None:
        super().__init__(cards.events)
        self._seen = seen
        self._cards = cards

    async def note(self, event: Event) -> None:
        """See EventFollower."""
        try:
            await self._note(event)
        except StoreError as error:
            log.warning("that a card was here cannot be written: %s", error)

    async def _note(self, event: Event) -> None:
        """A card held to a contactless reader names nobody, and is not remembered."""
        place = self._cards.places.get(event.reader or "")
        card = place.card if place is not None else None
        if event.type is EventType.CARD_READY and card is not None and not card.is_contactless:
            await self._seen.note(card, datetime.now(UTC))
        elif event.type is EventType.CARD_REMOVED and event.card_number is not None:
            await self._seen.note_departure(event.card_number, datetime.now(UTC))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _load(connection: sqlite3.Connection) -> list[tuple[str, bytes, int, int]]:
    return connection.execute(
        "SELECT number, certificate, test, seen_at FROM seen_certificates ORDER BY number, position"
    ).fetchall()


def _make(number: str, rows: Sequence[tuple[str, bytes, int, int]]) -> SeenCard:
    _, _, test, seen_at = rows[0]
    return SeenCard(number, tuple(row[1] for row in rows), bool(test), _moment(seen_at))


def _moment(milliseconds: int) -> datetime | None:
    """A moment of the database; none for one that no calendar holds."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
