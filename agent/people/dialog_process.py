"""Ask in a window that lives in its own short-lived process: the code reaches the daemon in one wiped bytearray."""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence

from agent.children import WINDOWS, start_child
from agent.people.frame import MAX_FRAME, WITH_SESSION, Answer, FrameError, Verdict, read_frame
from agent.people.pipe_reader import read_pipe
from agent.people.prompt import (
    PROMPT_TIMEOUT_S,
    CardChoice,
    ConfirmRequest,
    DeedRequest,
    Notice,
    PinAnswer,
    PinRequest,
    Prompt,
    PromptRefusedError,
    PromptTimeoutError,
    PromptUnavailableError,
)
from agent.people.wire import Envelope, Question, WireError, write_envelope
from drivers.pin import ON_PAD, Passphrase, Pin, Typed

TERMINATE_S = 2.0  # after that, kill


class DialogPrompt(Prompt):
    """Run `command` once per question. `language`: as in `choose_language`."""

    def __init__(
        self, command: Sequence[str], *, language: str | None = None, timeout_s: float = PROMPT_TIMEOUT_S
    ) -> None:
        self._command = tuple(command)
        self._language = language
        self._timeout_s = timeout_s

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        """Show the code dialog. Raises PromptRefusedError, PromptTimeoutError, PromptUnavailableError."""
        answer = await self._ask(request)
        if answer.verdict is Verdict.REFUSED:
            raise PromptRefusedError
        return _check_pin_answer(request, answer)

    async def confirm(self, request: ConfirmRequest) -> bool:
        """Show the consent dialog. Raises PromptTimeoutError, PromptUnavailableError."""
        answer = await self._ask(request)
        _wipe(answer)
        return answer.verdict is Verdict.ACCEPTED

    async def choose_card(self, choice: CardChoice) -> str:
        """Show the cards. Raises PromptRefusedError, PromptTimeoutError, PromptUnavailableError."""
        answer = await self._ask(choice)
        if answer.verdict is Verdict.REFUSED:
            raise PromptRefusedError
        if answer.chosen is None or answer.chosen >= len(choice.cards):
            _wipe(answer)
            raise PromptUnavailableError("the dialog chose none of the cards")
        return choice.cards[answer.chosen].number

    async def agree(self, request: DeedRequest) -> Passphrase | None:
        """Show what is to be done. Raises PromptRefusedError, PromptTimeoutError, PromptUnavailableError."""
        answer = await self._ask(request)
        if answer.verdict is Verdict.REFUSED:
            raise PromptRefusedError
        if request.wants_passphrase and isinstance(answer.code, Passphrase):
            return answer.code
        _wipe(answer)
        if request.wants_passphrase or answer.verdict is not Verdict.ACCEPTED:
            raise PromptUnavailableError("the dialog answered another question")
        return None

    async def inform(self, message: Notice) -> None:
        """Show the notice until it is closed or time is up. Raises PromptUnavailableError."""
        with contextlib.suppress(PromptTimeoutError):
            _wipe(await self._ask(message))

    async def _ask(self, question: Question) -> Answer:
        try:
            message = write_envelope(Envelope(question, self._language))
        except WireError as error:
            raise PromptUnavailableError(str(error)) from error
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._run(message)
        except TimeoutError as error:
            raise PromptTimeoutError from error

    async def _run(self, message: bytes) -> Answer:
        buffer = bytearray(MAX_FRAME + 1)  # one more than a frame: a longer one shows
        try:
            async with _start(self._command) as (process, answer_fd):
                await _send(process, message)
                length = await read_pipe(answer_fd, buffer)
                if await process.wait():
                    raise PromptUnavailableError(f"the dialog ended with code {process.returncode}")
            return read_frame(memoryview(buffer)[:length])
        except FrameError as error:
            raise PromptUnavailableError(f"the dialog gave no answer: {error}") from error
        finally:
            buffer[:] = bytes(len(buffer))


@contextlib.asynccontextmanager
async def _start(command: Sequence[str]) -> AsyncIterator[tuple[Process, int]]:
    """Start the child, with the write end of the answer pipe as its stdout; it is gone when the block ends."""
    read_fd, write_fd = os.pipe()
    try:
        try:
            process = await start_child(command, WINDOWS, write_fd)
        except OSError as error:
            raise PromptUnavailableError(f"the dialog does not start: {error.strerror}") from error
        finally:
            os.close(write_fd)
        try:
            yield process, read_fd
        finally:
            await _end(process)
    finally:
        os.close(read_fd)


async def _send(process: Process, message: bytes) -> None:
    """Send the question. The pipe stays open: its end tells the child that the daemon is gone."""
    if process.stdin is None:
        raise PromptUnavailableError
    process.stdin.write(message)
    with contextlib.suppress(ConnectionError):  # the child died: its answer will be missing
        await process.stdin.drain()


async def _end(process: Process) -> None:
    """Terminate, then kill, and reap; a child that ended by itself is left alone."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        _signal(process, process.terminate)
        await asyncio.wait_for(process.wait(), TERMINATE_S)
    except (TimeoutError, asyncio.CancelledError) as error:
        _signal(process, process.kill)
        await process.wait()
        if isinstance(error, asyncio.CancelledError):
            raise


def _signal(process: Process, send: Callable[[], None]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            send()


def _check_pin_answer(request: PinRequest, answer: Answer) -> PinAnswer:
    """Turn a frame into codes. Raises PromptUnavailableError unless it holds just those that were asked for."""
    if request.on_pad:
        return _check_bare(answer, Verdict.ON_PAD, PinAnswer(ON_PAD))
    if request.no_code:
        return _check_bare(answer, Verdict.ACCEPTED, PinAnswer(None))
    if answer.code is None:
        raise PromptUnavailableError("the dialog gave no code")
    given = PinAnswer(answer.code, answer.new_code, answer.verdict in WITH_SESSION)
    right = _is_right(request, answer.code, request.code_lengths)
    right = right and (answer.new_code is not None) == request.wants_new_code
    if answer.new_code is not None:
        right = right and _is_right(request, answer.new_code, request.new_code_lengths)
    if not right or (given.session and request.session_minutes is None):
        given.wipe()
        raise PromptUnavailableError("the dialog gave other codes than those asked for")
    return given


def _is_right(request: PinRequest, code: Typed, lengths: tuple[int, int]) -> bool:
    """Whether it is of the kind that was asked for, and as long; a passphrase minds its own length."""
    if request.passphrase:
        return isinstance(code, Passphrase)
    return isinstance(code, Pin) and lengths[0] <= len(code) <= lengths[1]


def _check_bare(answer: Answer, expected: Verdict, given: PinAnswer) -> PinAnswer:
    if answer.verdict is not expected:
        _wipe(answer)
        raise PromptUnavailableError("the dialog answered another question")
    return given


def _wipe(answer: Answer) -> None:
    """Leave no code behind that nobody asked for."""
    for code in (answer.code, answer.new_code):
        if code is not None:
            code.wipe()
