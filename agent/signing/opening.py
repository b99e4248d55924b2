"""Signing, batches and verification: each is set up when somebody first asks for it.

An agent that only tells who is there and logs in never loads them, nor the files that the settings name for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from agent.access.callers import Caller
from agent.access.grants import Grants
from agent.access.journal import Journal
from agent.cards.events import EventBus
from agent.cards.uses import CardUses
from agent.certificates.chains import Chains
from agent.settings import Settings

if TYPE_CHECKING:
    from agent.signing.batches import Batches
    from agent.signing.preparation import Outside
    from agent.signing.signing import SigningDesk
    from agent.signing.verification.verifier import Verifier


@dataclass(frozen=True, slots=True)
class SigningNeeds:
    """What signing needs of the agent. `name_failure`: the code of an error, as the API and the journal have it."""

    settings: Settings
    uses: CardUses
    chains: Chains
    grants: Grants
    journal: Journal
    events: EventBus
    name_failure: Callable[[Exception], str]


class SigningServices:
    """What is made of them so far ends with `close`. All methods run in the event loop."""

    def __init__(self, needs: SigningNeeds) -> None:
        self._needs = needs

    @cached_property
    def desk(self) -> SigningDesk:
        """Signatures in a format."""
        from agent.signing.signing import SigningDesk  # noqa: PLC0415 - once somebody signs
        from agent.signing.workshop import Workshop  # noqa: PLC0415

        return SigningDesk(self._needs.uses, self._needs.chains, Workshop(self._outside))

    @cached_property
    def batches(self) -> Batches:
        """Many of them with one code."""
        from agent.signing.batches import Batches, Surroundings  # noqa: PLC0415 - once somebody makes one

        needs = self._needs
        return Batches(Surroundings(self.desk, needs.grants, needs.journal, needs.events, needs.name_failure))

    @cached_property
    def verifier(self) -> Verifier:
        """Whether signatures hold."""
        from agent.signing.verification.verifier import Verifier  # noqa: PLC0415 - once somebody asks

        return Verifier(self._needs.chains, self._outside)

    @cached_property
    def _outside(self) -> Outside:
        from agent.signing.outside import describe_outside  # noqa: PLC0415 - as above: it reads files

        return describe_outside(self._needs.settings)

    def stop_batches(self, caller: Caller | None = None) -> int:
        """Pause what signs, as Batches.stop_running does. Gives the number."""
        return self.batches.stop_running(caller) if "batches" in vars(self) else 0

    async def close(self) -> None:
        """End what was set up."""
        if "batches" in vars(self):
            await self.batches.close()
        if "desk" in vars(self):
            await self.desk.workshop.close()
