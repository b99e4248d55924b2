"""One desk, one person: questions come one at a time, nobody asks twice, and a no holds for a while.

"Type on the reader" is no question: it belongs to an operation that the person has just agreed to. It is shown at
once, beside a question that is open already, and no further question is shown until it is gone: nobody should
wonder which of two is to be answered while the reader waits for a code. A number to compare with the one on a phone
is none either, and shown at once for as short a time; beside it questions go on.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from agent.people.prompt import (
    CARD_GONE,
    Asker,
    CardChoice,
    ConfirmRequest,
    DeedRequest,
    DeskBusyError,
    Notice,
    NoticeKind,
    PinAnswer,
    PinKind,
    PinRequest,
    Prompt,
    PromptRefusedError,
    PromptTimeoutError,
)
from drivers.pin import Passphrase

DENIAL_S: Final = 600.0
MAX_WAITING: Final = 4
MAX_STRANGERS: Final = 2  # places of each kind that callers without a grant can take: one is left to whoever has one
CONSENT, DEED = "consent", "deed"
MAX_WITHDRAWN: Final = 3  # a window that opens and closes faster than a person can refuse it is refused by the next one
MAX_FRUITLESS: Final = 8  # consents without a yes within DENIAL_S, whoever asked: origins cost an attacker nothing
_AGENT: Final = ""  # the agent's own notices, as a caller
_PORT: Final = re.compile(r"(?<=[^:/]):[0-9]+$")


class Desk(Prompt):
    """A prompt in front of another prompt. Holds no card, no thread: only the order of the questions."""

    def __init__(self, prompt: Prompt, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._prompt = prompt
        self._clock = clock
        self._turn = asyncio.Lock()  # first come, first served
        self._callers: set[str] = set()
        self._strangers = dict.fromkeys((CONSENT, DEED), 0)
        self._denials: dict[tuple[str, str], float] = {}
        self._withdrawn: defaultdict[str, list[float]] = defaultdict(list)
        self._fruitless: list[float] = []
        self._typing = 0  # how many readers wait for a code
        self._nobody_types = asyncio.Event()
        self._nobody_types.set()

    @property
    def denials(self) -> int:
        """How many refusals stand: one for each caller and ability, and one for all strangers together."""
        self._forget_old_denials()
        return len(self._denials) + (len(self._recent(self._fruitless)) >= MAX_FRUITLESS)

    def lift_denials(self) -> None:
        """Let everybody ask again, as the person wishes; callers cannot wish it."""
        self._denials.clear()
        self._withdrawn.clear()
        self._fruitless.clear()

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Ask for a code in turn. Raises DeskBusyError, and PromptRefusedError while an earlier no stands."""
        site, purposes = _site(request.asker.caller), (request.action,)
        async with self._question(site, purposes, lenient=_is_own_errand(request)):
            return await self._prompt.ask_pin(request)

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Ask for consent in turn. Raises DeskBusyError, and PromptRefusedError while an earlier no stands."""
        site = _site(request.asker.caller)
        async with self._consent(), self._question(site, request.abilities):
            try:
                agreed = await self._prompt.confirm(request)
            except (PromptRefusedError, asyncio.CancelledError):
                self._fruitless.append(self._clock())
                raise
            if not agreed:
                self._fruitless.append(self._clock())
                self._deny(site, request.abilities)
            return agreed

    async def choose_card(self, choice: CardChoice) -> str:
        """Ask in turn which card. Raises DeskBusyError, and PromptRefusedError while an earlier no stands."""
        async with self._question(_site(choice.asker.caller), (choice.action,)):
            return await self._prompt.choose_card(choice)

    async def agree(self, request: DeedRequest) -> Passphrase | None:
        """Ask in turn for leave. Raises DeskBusyError, and PromptRefusedError while an earlier no stands.

        Whoever has just been told that a passphrase was wrong closes the window to look it up: that refuses nobody.
        """
        site, purposes = _site(request.asker.caller), (request.deed,)
        async with self._stranger(DEED), self._question(site, purposes, lenient=request.opens):
            return await self._prompt.agree(request)

    async def inform(self, message: Notice) -> None:
        """Tell in turn, or at once what to do on a reader. Raises DeskBusyError while a notice waits its turn."""
        if message.kind is NoticeKind.TYPE_ON_READER:
            with self._watch_typing():
                await self._prompt.inform(message)
            return
        if message.kind is NoticeKind.COMPARE_NUMBER:
            await self._prompt.inform(message)
            return
        async with self._question(_AGENT, ()):
            await self._prompt.inform(message)

    def note_refusal(self, asker: Asker, purpose: str) -> None:
        """Let the no stand like one that was said here."""
        self._deny(_site(asker.caller), (purpose,))

    def heed_refusal(self, asker: Asker, purpose: str) -> None:
        """See Prompt."""
        self._require_no_denial(_site(asker.caller), (purpose,))

    @contextmanager
    def _watch_typing(self) -> Iterator[None]:
        self._typing += 1
        self._nobody_types.clear()
        try:
            yield
        finally:
            self._typing -= 1
            if not self._typing:
                self._nobody_types.set()

    @asynccontextmanager
    async def _consent(self) -> AsyncIterator[None]:
        if len(self._recent(self._fruitless)) >= MAX_FRUITLESS:
            raise DeskBusyError("too many questions found no yes a short while ago")
        async with self._stranger(CONSENT):
            yield

    @asynccontextmanager
    async def _stranger(self, kind: str) -> AsyncIterator[None]:
        """Take one of the places for what is asked without a grant; each kind has its own."""
        if self._strangers[kind] == MAX_STRANGERS:
            raise DeskBusyError
        self._strangers[kind] += 1
        try:
            yield
        finally:
            self._strangers[kind] -= 1

    @asynccontextmanager
    async def _question(self, caller: str, purposes: Iterable[str], *, lenient: bool = False) -> AsyncIterator[None]:
        """Keep the order of questions. `lenient`: a no counts as a question taken back, of which a few are free."""
        self._check(caller, purposes)
        self._callers.add(caller)
        try:
            async with self._turn:
                while self._typing:
                    await self._nobody_types.wait()
                with self._watch_withdrawal(caller, purposes):
                    yield
        except PromptTimeoutError:
            raise  # nobody said no
        except PromptRefusedError:
            if lenient:
                self._count_withdrawal(caller, purposes)
            else:
                self._deny(caller, purposes)
            raise
        finally:
            self._callers.discard(caller)

    def _check(self, caller: str, purposes: Iterable[str]) -> None:
        self._require_no_denial(caller, purposes)
        if caller in self._callers:
            raise DeskBusyError("this caller already has a question open")
        if len(self._callers) > MAX_WAITING:  # one is shown, the others wait
            raise DeskBusyError

    def _require_no_denial(self, caller: str, purposes: Iterable[str]) -> None:
        self._forget_old_denials()
        if any((caller, str(purpose)) in self._denials for purpose in purposes):
            raise PromptRefusedError("refused a short while ago")

    @contextmanager
    def _watch_withdrawal(self, caller: str, purposes: Iterable[str]) -> Iterator[None]:
        """A caller may take a question back, but not over and over."""
        try:
            yield
        except asyncio.CancelledError as end:
            if CARD_GONE not in end.args:
                self._count_withdrawal(caller, purposes)
            raise

    def _count_withdrawal(self, caller: str, purposes: Iterable[str]) -> None:
        times = self._recent(self._withdrawn[caller])
        times.append(self._clock())
        if len(times) > MAX_WITHDRAWN:
            self._deny(caller, purposes)

    def _forget_old_denials(self) -> None:
        now = self._clock()
        self._denials = {key: end for key, end in self._denials.items() if end > now}

    def _recent(self, times: list[float]) -> list[float]:
        """Forget what lies further back than a denial stands."""
        times[:] = [at for at in times if at + DENIAL_S > self._clock()]
        return times

    def _deny(self, caller: str, purposes: Iterable[str]) -> None:
        end = self._clock() + DENIAL_S
        self._denials.update({(caller, str(purpose)): end for purpose in purposes})


def _is_own_errand(request: PinRequest) -> bool:
    """Whether somebody at this desk has started a program to look after the code: closing its window refuses nobody."""
    return not request.asker.is_page and request.kind in (PinKind.VERIFY, PinKind.CHANGE, PinKind.UNBLOCK)


def _site(caller: str) -> str:
    """Who a no is for: every port of a site alike; on loopback each port is another program's."""
    return _PORT.sub("", caller) if caller.startswith("https://") else caller
