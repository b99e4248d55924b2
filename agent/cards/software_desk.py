"""Everything that handlers may have done to software certificates, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from agent.cards.importing import Importer, KeyFile
from agent.cards.keeping import SoftwareKeeper
from agent.cards.ordering import Orderer
from agent.cards.policy import CardPolicy
from agent.cards.software import SoftwareCards
from agent.people.prompt import Prompt


@dataclass(frozen=True, slots=True)
class SoftwareDesk:
    """`protection`: the setting that holds where a caller names none."""

    cards: SoftwareCards
    keeper: SoftwareKeeper
    importer: Importer
    orderer: Orderer
    protection: str

    @classmethod
    def of(cls, cards: SoftwareCards, prompt: Prompt, policy: CardPolicy, protection: str) -> Self:
        """Put it together."""
        keeper = SoftwareKeeper(cards, prompt, policy)
        return cls(cards, keeper, Importer(cards, keeper, prompt), Orderer(cards, keeper, prompt), protection)

    def key_file(self, name: str, content: bytes, protection: str | None) -> KeyFile:
        """A file with the protection that counts."""
        return KeyFile(name, content, self.choose(protection))

    def choose(self, protection: str | None) -> str:
        """The protection that counts."""
        return protection or self.protection
