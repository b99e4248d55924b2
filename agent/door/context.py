"""What the door needs of the daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.access.consents import Consents
from agent.access.database import Database
from agent.access.journal import Journal
from agent.cards.cards import Cards
from agent.cards.uses import CardUses
from agent.door.pulled import PulledCards
from agent.door.uses import KeyUses


@dataclass(frozen=True, slots=True)
class DoorServices:
    """The services that the calls of PKCS#11 stand on; `database` keeps the numbers of slots."""

    cards: Cards
    keys: KeyUses
    database: Database


@dataclass(frozen=True, slots=True)
class DaemonParts:
    """What the daemon has; `name_outcome` gives the stable code of an error, as the journal keeps it."""

    cards: Cards
    uses: CardUses
    consents: Consents
    journal: Journal
    database: Database
    name_outcome: Callable[[Exception], str]

    def open_services(self) -> DoorServices:
        """Make the door's own of them, once a run."""
        pulled = PulledCards(self.cards.events, self.consents.desk, self.journal)
        keys = KeyUses(self.uses, self.consents, self.journal, pulled, self.name_outcome)
        return DoorServices(self.cards, keys, self.database)
