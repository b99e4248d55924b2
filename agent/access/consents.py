"""What is asked of the person before a caller may do something, and remembered when it is a yes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from agent.access.callers import Ability, Caller, CallerKind, CardAbility, require_possible
from agent.access.errors import GrantRefusedError
from agent.access.grants import DEFAULT_LIFETIME, Grants, GrantTerms
from agent.access.granttable import Grant
from agent.people.prompt import Asker, CardSummary, ConfirmRequest, DeskBusyError, Prompt, PromptError
from agent.sharing import Shared


@dataclass(frozen=True, slots=True)
class Consents:
    """Asks at the desk and keeps the answer in the grants; `ephemeral`: no longer than the agent runs."""

    desk: Prompt
    grants: Grants
    ephemeral: bool = False
    _asking: Shared[Grant] = field(default_factory=Shared, repr=False)

    async def ask(self, caller: Caller, abilities: Iterable[Ability]) -> Grant:
        """Ask for abilities; who asks for the same meanwhile waits for the same answer.

        Raises GrantRefusedError, AbilityRefusedError, DeskBusyError.
        """
        wanted = frozenset(abilities)
        require_possible(caller, wanted, self.grants.policy)
        return await self._asking.join((caller, wanted), lambda: self._ask(caller, wanted))

    async def _ask(self, caller: Caller, wanted: frozenset[Ability]) -> Grant:
        terms, until = self._terms(caller)
        words = tuple(sorted(map(str, wanted)))
        await self._confirm(ConfirmRequest(asker_of(caller), words, until, remembered=until is not None))
        return await self.grants.add(caller, wanted, terms)

    async def ask_for_card(self, caller: Caller, asker: Asker, wanted: CardAbility, subject: ConsentSubject) -> None:
        """Ask for one ability with one card, unless it is given. Raises what `ask` raises."""
        if self.grants.allows_for_card(caller, wanted):
            return
        require_possible(caller, {wanted.ability})
        terms, until = self._terms(caller)
        remembered = until is not None
        question = ConfirmRequest(
            asker, (wanted.ability,), until, remembered=remembered, card=subject.card, key=subject.key
        )
        await self._confirm(question)
        await self.grants.add_for_card(caller, wanted, terms)

    async def _confirm(self, question: ConfirmRequest) -> None:
        try:
            agreed = await self.desk.confirm(question)
        except DeskBusyError:
            raise
        except PromptError as error:
            raise GrantRefusedError from error
        if not agreed:
            raise GrantRefusedError

    def _terms(self, caller: Caller) -> tuple[GrantTerms, datetime | None]:
        ephemeral = self.ephemeral or not caller.lasting
        return GrantTerms(ephemeral=ephemeral), None if ephemeral else datetime.now(UTC) + DEFAULT_LIFETIME


@dataclass(frozen=True, slots=True)
class ConsentSubject:
    """What a consent for one card is about: the card, and the label of its key, where it is about one."""

    card: CardSummary
    key: str | None = None


def asker_of(caller: Caller) -> Asker:
    """The caller as a dialog shows it: by its name, always. Raises AbilityRefusedError for a program without one."""
    require_possible(caller, ())
    return Asker(caller.name, caller.through, is_page=caller.kind is CallerKind.PAGE)
