"""One desk, one person: questions come one at a time, nobody asks twice, and a no holds for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

from agent.people.prompt import (
    ConfirmRequest,
    DeskBusyError,
    Notice,
    PinAnswer,
    PinRequest,
    Prompt,
    PromptRefusedError,
    PromptTimeoutError,
)

DENIAL_S: Final = 600.0
MAX_WAITING: Final = 4
_AGENT: Final = ""  # the agent's own notices, as a caller


class Desk(Prompt):
    """A prompt in front of another prompt. Holds no card, no thread: only the order of the questions."""

    def __init__(self, prompt: Prompt, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._prompt = prompt
        self._clock = clock
        self._turn = asyncio.Lock()  # first come, first served
        self._callers: set[str] = set()
        self._denials: dict[tuple[str, str], float] = {}

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Ask for a code in turn. Raises DeskBusyError, and PromptRefusedError while an earlier no stands."""
        async with self._question(request.asker.caller, (request.action,)):
            return await self._prompt.ask_pin(request)

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Ask for consent in turn. Raises DeskBusyError, and PromptRefusedError while an earlier no stands."""
        async with self._question(request.asker.caller, request.abilities):
            agreed = await self._prompt.confirm(request)
            if not agreed:
                self._deny(request.asker.caller, request.abilities)
            return agreed

    async def inform(self, message: Notice) -> None:
        """Tell in turn. Raises DeskBusyError while an earlier notice waits."""
        async with self._question(_AGENT, ()):
            await self._prompt.inform(message)

    def forget_denials(self, caller: str | None = None) -> None:
        """Let this caller (or all of them) ask again: the person wishes so."""
        self._denials = {key: end for key, end in self._denials.items() if caller is not None and key[0] != caller}

    @asynccontextmanager
    async def _question(self, caller: str, purposes: Iterable[str]) -> AsyncIterator[None]:
        self._check(caller, purposes)
        self._callers.add(caller)
        try:
            async with self._turn:
                yield
        except PromptTimeoutError:
            raise  # nobody said no
        except PromptRefusedError:
            self._deny(caller, purposes)
            raise
        finally:
            self._callers.discard(caller)

    def _check(self, caller: str, purposes: Iterable[str]) -> None:
        now = self._clock()
        self._denials = {key: end for key, end in self._denials.items() if end > now}
        if any((caller, str(purpose)) in self._denials for purpose in purposes):
            raise PromptRefusedError("refused a short while ago")
        if caller in self._callers:
            raise DeskBusyError("this caller already has a question open")
        if len(self._callers) > MAX_WAITING:  # one is shown, the others wait
            raise DeskBusyError

    def _deny(self, caller: str, purposes: Iterable[str]) -> None:
        end = self._clock() + DENIAL_S
        self._denials.update({(caller, str(purpose)): end for purpose in purposes})
