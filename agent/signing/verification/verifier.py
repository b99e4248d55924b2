"""Have signatures verified by a child process, one for each request: a hostile document costs that child alone."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from agent.access.callers import Caller
from agent.certificates.chains import Authorities, Chains
from agent.children import NETWORK, child_command, start_child
from agent.signing.errors import VerifierBusyError
from agent.signing.messages import LENGTH, MessageError, read_header, read_length, write_header
from agent.signing.preparation import Outside
from agent.signing.turns import Turns
from agent.signing.verification.messages import DocumentJudged, DocumentReason, Head, Trust, Verified, Verify

MOST: Final = 2
ANSWER_S: Final = 90.0
MOST_ADMITTED: Final = 8
"""Requests whose documents are held at one time, those that are read or wait among them."""
PIECE: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in an open file of this process, from its beginning."""

    file: BinaryIO
    size: int


@dataclass(frozen=True, slots=True)
class Question:
    """A file with signatures, and the one that they sign where it stands apart."""

    name: str
    content: Held
    detached: Held | None = None

    @property
    def parts(self) -> list[Held]:
        """What the child is sent, in order."""
        return [self.content, *filter(None, [self.detached])]


class Verifier:
    """Verify by what this workstation believes; MOST at a time, who comes later waits."""

    def __init__(self, chains: Chains, outside: Outside, command: Sequence[str] | None = None) -> None:
        self._chains = chains
        self._outside = outside
        self._command = tuple(command or child_command("_verification"))
        self._places = asyncio.Semaphore(MOST)
        self._turns = Turns(MOST - 1)
        self.timeout_s = ANSWER_S
        self._admitted = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Take in a request, before its documents are read. Raises VerifierBusyError."""
        if self._admitted >= MOST_ADMITTED:
            raise VerifierBusyError
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def verify(
        self,
        questions: Sequence[Question],
        anchors_der: Sequence[bytes] = (),
        *,
        may_ask: bool = True,
        caller: Caller | None = None,
    ) -> list[DocumentJudged]:
        """Judge every signature. `anchors_der`: count instead of the workstation's own roots; `caller`: who waits.

        `may_ask` False: nobody is asked about revocation. A document that stops the child is told as unreadable.
        """
        trust = await asyncio.to_thread(self._describe, anchors_der)
        trust = trust if may_ask else _ask_nobody(trust)
        async with self._turns.turn(caller), self._places:
            try:
                return await self._run(questions, trust)
            except (TimeoutError, OSError, EOFError, MessageError):
                if len(questions) == 1:
                    return [_stopped(questions[0])]
            return [await self._run_alone(question, trust) for question in questions]

    async def _run_alone(self, question: Question, trust: Trust) -> DocumentJudged:
        """Find out which of several it was."""
        try:
            (judged,) = await self._run([question], trust)
        except (TimeoutError, OSError, EOFError, MessageError):
            return _stopped(question)
        return judged

    def _describe(self, anchors_der: Sequence[bytes]) -> Trust:
        known = self._chains.list_authorities()
        if anchors_der:
            links = tuple(dict.fromkeys((*known.roots_der, *known.links_der)))
            known = Authorities(tuple(anchors_der), links, known.barren_der)
        outside = self._outside
        return Trust(known, outside.timestamp_authorities_der, outside.hosts, outside.folder)

    async def _run(self, questions: Sequence[Question], trust: Trust) -> list[DocumentJudged]:
        heads = tuple(Head(each.name, each.detached is not None) for each in questions)
        parts = [part for each in questions for part in each.parts]
        async with _child(self._command) as process, asyncio.timeout(self.timeout_s):
            await _send(process, Verify(documents=heads, trust=trust), parts)
            answer = await _receive(process)
        if [each.name for each in answer.documents] != [each.name for each in questions]:
            raise MessageError("an answer about other documents")
        return list(answer.documents)


def _ask_nobody(trust: Trust) -> Trust:
    """The same, with nobody to ask."""
    return Trust(trust.authorities, trust.stamping_der, (), trust.folder)


def _stopped(question: Question) -> DocumentJudged:
    hint = "reading it takes too much time or memory"
    return DocumentJudged(name=question.name, reason=DocumentReason.UNREADABLE, hint=hint)


@asynccontextmanager
async def _child(command: Sequence[str]) -> AsyncIterator[Process]:
    """A process that is gone when the block ends."""
    process = await start_child(command, NETWORK)
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def _send(process: Process, message: Verify, parts: Iterable[Held]) -> None:
    """Write the question; a child that died meanwhile is found out when its answer is missing."""
    assert process.stdin is not None
    parts = list(parts)
    with contextlib.suppress(ConnectionError):
        for piece in write_header(message, [part.size for part in parts]):
            process.stdin.write(piece)
        for part in parts:
            part.file.seek(0)
            while piece := part.file.read(PIECE):
                process.stdin.write(piece)
                await process.stdin.drain()
        process.stdin.write_eof()


async def _receive(process: Process) -> Verified:
    assert process.stdout is not None
    length = read_length(await process.stdout.readexactly(LENGTH.size))
    answer: Verified = read_header(await process.stdout.readexactly(length), Verified)
    return answer
