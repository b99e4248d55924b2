"""What the door needs of the daemon."""

from __future__ import annotations

from dataclasses import dataclass

from agent.access.database import Database
from agent.cards.cards import Cards
from agent.door.uses import KeyUses


@dataclass(frozen=True, slots=True)
class DoorServices:
    """The services that the calls of PKCS#11 stand on; `database` keeps the numbers of slots."""

    cards: Cards
    keys: KeyUses
    database: Database
