"""Worker processes that write signatures: one for a job, kept warm for its caller's next, ended after a while of rest.

A document may have taken over the worker that read it: so no worker goes from one caller to another.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from agent.access.callers import Caller
from agent.children import NETWORK, child_command, start_child
from agent.signing.documents import Document
from agent.signing.errors import BY_NAME, SigningError, WorkshopError
from agent.signing.messages import (
    LENGTH,
    Answer,
    Check,
    Checked,
    Complete,
    Completed,
    Failed,
    Made,
    Message,
    MessageError,
    Prepare,
    Prepared,
    Refusal,
    read_header,
    read_length,
    write_heads,
    write_message,
)
from agent.signing.preparation import Outside, Signer
from agent.signing.turns import Turns

MOST: Final = 4
MOST_OF_ONE: Final = 2
"""Of one caller: documents that take minutes are no way to keep others from signing."""
REST_S: Final = 60.0
ORDER_S: Final = 60.0
EACH_S: Final = 10.0
"""More for each document: a time-stamp authority may be slow."""
END_S: Final = 2.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be made: a kind of `kinds.KINDS`, its terms, and the documents.

    `count`: how many signatures the person is asked for; None: one for each document, or one where there is none.
    `hash_name`: what the key signs, named as hashlib does. A worker that wants anything else signed is not believed.
    """

    kind: str
    terms: msgspec.Struct
    documents: Sequence[Document] = ()
    count: int | None = None
    hash_name: str = "sha256"

    def allows(self, made: Sequence[Made]) -> bool:
        """Whether this is as many signatures as were asked for, over hashes of that kind."""
        count = max(1, len(self.documents)) if self.count is None else self.count
        return len(made) == count and all(map(self.allows_one, made))

    def allows_one(self, made: Made) -> bool:
        """Whether it is over a hash of the kind that was asked for."""
        return made.hash_name == self.hash_name and len(made.digest) == hashlib.new(self.hash_name).digest_size


class Job:
    """One worker, for one task after another, until the `with` block ends. `in_step`: it owes no answer."""

    def __init__(self, process: Process, outside: Outside) -> None:
        self._process = process
        self._outside = outside
        self.in_step = True

    async def check(self, task: Task) -> None:
        """Look whether the task could be done. Raises SigningError."""
        heads, contents = write_heads(task.documents)
        order = Check(kind=task.kind, terms=_encode(task.terms), outside=self._outside, documents=heads)
        await self._exchange(order, contents, Checked, ORDER_S + EACH_S * len(heads))

    async def prepare(self, task: Task, signer: Signer) -> tuple[Made, ...]:
        """Give what the key is to sign. Raises SigningError."""
        heads, contents = write_heads(task.documents)
        order = Prepare(
            kind=task.kind,
            terms=_encode(task.terms),
            signer=signer,
            outside=self._outside,
            documents=heads,
        )
        answer, _ = await self._exchange(order, contents, Prepared, ORDER_S + EACH_S * len(heads))
        made: tuple[Made, ...] = answer.made
        self._require(task.allows(made))
        return made

    async def complete(self, values: Sequence[bytes]) -> list[bytes]:
        """Give the finished signatures, for the values in the order of what was made. Raises SigningError."""
        timeout_s = ORDER_S + EACH_S * len(values)
        _, contents = await self._exchange(Complete(values=tuple(values)), (), Completed, timeout_s)
        self._require(len(contents) == len(values))
        return contents

    async def check_apart(self, task: Task) -> list[SigningError | None]:
        """Look at each document by itself: what refuses it, or None. Raises WorkshopError."""
        heads, contents = write_heads(task.documents)
        order = Check(kind=task.kind, terms=_encode(task.terms), outside=self._outside, documents=heads, apart=True)
        answer, _ = await self._exchange(order, contents, Checked, ORDER_S + EACH_S * len(heads))
        return self._join([None] * (len(heads) - len(answer.refused)), answer.refused, len(heads))

    async def prepare_apart(self, task: Task, signer: Signer, *, go_on: bool) -> list[Made | SigningError]:
        """Give what the key is to sign for each document, or what refuses it; `go_on`: after what still waits.

        Raises WorkshopError.
        """
        heads, contents = write_heads(task.documents)
        order = Prepare(
            kind=task.kind,
            terms=_encode(task.terms),
            signer=signer,
            outside=self._outside,
            documents=heads,
            apart=True,
            go_on=go_on,
        )
        answer, _ = await self._exchange(order, contents, Prepared, ORDER_S + EACH_S * len(heads))
        self._require(all(map(task.allows_one, answer.made)))
        return self._join(answer.made, answer.refused, len(heads))

    async def complete_apart(self, values: Sequence[bytes]) -> list[bytes | SigningError]:
        """Give the finished signatures of the first that wait, or what keeps each from it. Raises WorkshopError."""
        order = Complete(values=tuple(values), apart=True)
        answer, contents = await self._exchange(order, (), Completed, ORDER_S + EACH_S * len(values))
        return self._join(contents, answer.refused, len(values))

    def _join(self, made: Sequence[T], refused: Sequence[Refusal], count: int) -> list[T | SigningError]:
        outcomes = _put_in_order(made, refused)
        self._require(len(outcomes) == count)
        return outcomes

    def _require(self, is_so: bool) -> None:  # noqa: FBT001 - reads like assert
        """Believe a worker nothing more that has done something else than it was asked for. Raises WorkshopError."""
        if not is_so:
            self.in_step = False
            raise WorkshopError("other signatures than asked for")

    async def _exchange(
        self, order: Message, blobs: Sequence[bytes], kind: type[Message], timeout_s: float
    ) -> tuple[Any, list[bytes]]:
        self.in_step = False
        try:
            async with asyncio.timeout(timeout_s):
                answer, contents = await self._ask(order, blobs)
        except (TimeoutError, OSError, EOFError, MessageError) as error:
            raise WorkshopError(f"no answer: {type(error).__name__}") from error
        self.in_step = isinstance(answer, kind | Failed)
        if isinstance(answer, Failed):
            raise BY_NAME.get(answer.error, WorkshopError)(answer.message, answer.document)
        if not isinstance(answer, kind):
            raise WorkshopError("another answer than expected")
        return answer, contents

    async def _ask(self, order: Message, blobs: Sequence[bytes]) -> tuple[Any, list[bytes]]:
        reader, writer = self._process.stdout, self._process.stdin
        assert reader is not None
        assert writer is not None
        for piece in write_message(order, blobs):
            writer.write(piece)
            await writer.drain()
        header = await reader.readexactly(read_length(await reader.readexactly(LENGTH.size)))
        answer = read_header(header, Answer)
        return answer, [await reader.readexactly(length) for length in answer.blobs]


def _encode(terms: msgspec.Struct) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(terms))


def _put_in_order(made: Sequence[T], refused: Sequence[Refusal]) -> list[T | SigningError]:
    """What was made with what was refused in its places."""
    outcomes: list[T | SigningError] = list(made)
    for refusal in refused:
        outcomes.insert(refusal.place, BY_NAME.get(refusal.error, WorkshopError)(refusal.message))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Resting:
    process: Process
    owner: Caller
    end: asyncio.TimerHandle


class Workshop:
    """Lend workers, MOST at a time; who comes later waits. `close` ends them all."""

    def __init__(self, outside: Outside, command: Sequence[str] | None = None) -> None:
        self._outside = outside
        self._command = tuple(command or child_command("_signing"))
        self._places = asyncio.Semaphore(MOST)
        self._turns = Turns(MOST_OF_ONE)
        self._resting: list[_Resting] = []
        self._ends: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def job(self, owner: Caller | None = None) -> AsyncIterator[Job]:
        """Lend a worker that has worked for nobody but the owner; without one it works this once.

        One that owes an answer, or gave one that cannot be understood, is not used again.
        """
        async with self._turns.turn(owner), self._places:
            process = self._take(owner) or await self._start()
            job = Job(process, self._outside)
            try:
                yield job
            finally:
                if job.in_step and owner is not None and owner.name:
                    self._rest(process, owner)
                else:
                    self._end(process)

    async def close(self) -> None:
        """End all workers."""
        while self._resting:
            self._retire(self._resting[0].process)
        await asyncio.gather(*self._ends)

    def _take(self, owner: Caller | None) -> Process | None:
        for each in [each for each in self._resting if each.owner == owner]:
            self._resting.remove(each)
            each.end.cancel()
            if each.process.returncode is None:
                return each.process
        return None

    def _rest(self, process: Process, owner: Caller) -> None:
        """Keep it for a while, and of all no more than could work at once."""
        while len(self._resting) >= MOST:
            self._retire(self._resting[0].process)
        end = asyncio.get_running_loop().call_later(REST_S, self._retire, process)
        self._resting.append(_Resting(process, owner, end))

    def _retire(self, process: Process) -> None:
        (resting,) = (each for each in self._resting if each.process is process)
        self._resting.remove(resting)
        resting.end.cancel()
        self._end(process)

    def _end(self, process: Process) -> None:
        task = asyncio.create_task(_end(process))
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def _start(self) -> Process:
        try:
            return await start_child(self._command, NETWORK)
        except OSError as error:
            raise WorkshopError("it cannot be started") from error


async def _end(process: Process) -> None:
    """Close its input, which ends it; kill it if it does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
