"""The table of lasting grants: rows to values and back. Runs on the database's thread."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from agent.access.callers import CARD_ABILITIES, Ability, Caller, CallerKind, CardAbility, conceivable_abilities
from agent.access.clock import from_ms, to_ms

log = logging.getLogger(__name__)

OF_CARD = ":"  # between an ability and the card that it concerns, in percent signs: a token chooses its own number


@dataclass(frozen=True, slots=True)
class Grant:
    """One caller, the abilities the person gave it, and until when; an ephemeral one dies with the daemon.

    `cards`: the abilities of CARD_ABILITIES, each with the card that it was given for.
    """

    id: str
    caller: Caller
    abilities: frozenset[Ability]
    created_at: datetime
    expires_at: datetime
    ephemeral: bool = False
    cards: frozenset[CardAbility] = frozenset()

    def covers(self, other: Grant) -> bool:
        """Whether all that the other one gives is given here."""
        return self.abilities >= other.abilities and self.cards >= other.cards


def list_grants(connection: sqlite3.Connection) -> list[Grant]:
    """Read all of them; what this version does not know, or such a caller can never have, is left out."""
    columns = "id, kind, name, through, abilities, created_at, expires_at"
    rows = connection.execute(f"SELECT {columns} FROM grants")  # noqa: S608 - a constant
    return [grant for grant in map(_read_if_possible, rows) if grant is not None]


def save_grant(connection: sqlite3.Connection, grant: Grant) -> None:
    """Write a grant in place of whatever this caller had."""
    caller = grant.caller
    cards = {f"{each.ability}{OF_CARD}{quote(each.card_number, safe='')}" for each in grant.cards}
    words = " ".join(sorted(grant.abilities - CARD_ABILITIES | cards))
    row = (grant.id, caller.kind, caller.name, caller.through, words, to_ms(grant.created_at), to_ms(grant.expires_at))
    connection.execute("INSERT OR REPLACE INTO grants VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def delete_grants(connection: sqlite3.Connection, grant_ids: Iterable[str]) -> None:
    """Delete grants by their ids; one that is gone already is no error."""
    connection.executemany("DELETE FROM grants WHERE id = ?", [(grant_id,) for grant_id in grant_ids])


def _read_if_possible(row: tuple[Any, ...]) -> Grant | None:
    try:
        return _read_row(row)
    except (ValueError, OverflowError):
        log.warning("a grant cannot be understood and does not count: its caller has to ask again")
        return None


def _read_row(row: tuple[str, str, str, str | None, str, int, int]) -> Grant:
    grant_id, kind, name, through, words, created_at, expires_at = row
    caller = Caller(CallerKind(kind), name, through)
    possible = conceivable_abilities(caller.kind)
    known = (possible - CARD_ABILITIES).intersection(words.split())
    cards = frozenset(_read_cards(words)) if possible >= CARD_ABILITIES else frozenset()
    return Grant(
        id=grant_id,
        caller=caller,
        abilities=frozenset(Ability(word) for word in known) | {each.ability for each in cards},
        created_at=from_ms(created_at),
        expires_at=from_ms(expires_at),
        cards=cards,
    )


def _read_cards(words: str) -> Iterator[CardAbility]:
    for word in words.split():
        ability, _, number = word.partition(OF_CARD)
        if ability in CARD_ABILITIES and number:
            yield CardAbility(Ability(ability), unquote(number))
