"""Have one certificate checked by a child process: hostile answers cost that child, and its memory goes with it."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from typing import Final

from agent.certificates.revocation.messages import MAX_ANSWER, CheckRequest, read_verdict, write_request
from agent.certificates.revocation.verdict import Verdict
from agent.children import NETWORK, start_child

CHECK_S: Final = 60.0
END_S: Final = 2.0
"""Between the end of an answer and the end of the child."""


class CheckFailedError(Exception):
    """The child gave no answer that can be understood, or none in time."""


class Checker:
    """Run `command` once per certificate, for `timeout_s` at most."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, timeout_s: float = CHECK_S
    ) -> None:
        self._command = tuple(command)
        self._environment = environment
        self._timeout_s = timeout_s

    async def check(self, request: CheckRequest) -> Verdict:
        """Give what the child found. Raises CheckFailedError; cancelled, it ends the child."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._run(write_request(request))
            return read_verdict(answer)
        except (TimeoutError, OSError) as error:
            raise CheckFailedError(f"no answer: {error}") from error
        except ValueError as error:
            raise CheckFailedError("an answer that cannot be understood") from error

    async def _run(self, message: bytes) -> bytes:
        process = await start_child(self._command, NETWORK, environment=self._environment)
        try:
            answer = await _exchange(process, message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_S)
            return answer
        finally:
            await _end(process)


async def _end(process: Process) -> None:
    """Kill it unless it has ended: a signal to a child that nobody has waited for yet would lose its exit code."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()


async def _exchange(process: Process, message: bytes) -> bytes:
    """Write the question, then read until the end, a byte more than an answer has at most."""
    assert process.stdin
    assert process.stdout
    with contextlib.suppress(ConnectionError):  # the child died: its answer will be missing
        process.stdin.write(message)
        process.stdin.write_eof()
        await process.stdin.drain()
    answer = bytearray()
    while len(answer) <= MAX_ANSWER and (part := await process.stdout.read(MAX_ANSWER + 1)):
        answer += part
    return bytes(answer)
