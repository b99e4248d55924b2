"""One run of a batch: the card signs what is prepared while the worker completes what is signed and prepares more.

A round is one short transaction of the card; between two rounds the run can be stopped. What a round has signed is
kept whatever becomes of the next one, and no signed document is prepared again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final

from agent.access.errors import AccessError
from agent.cards.uses import UnlockedKey, UseRequest
from agent.signing.batch import Batch, BatchState, Item
from agent.signing.batch_errors import BatchStoppedError, OtherCardError
from agent.signing.documents import Signature
from agent.signing.errors import EvidenceError, SigningError, TimeStampError, WorkshopError
from agent.signing.messages import Made
from agent.signing.preparation import Signer
from agent.signing.signing import HASH, PADDINGS, SigningDesk
from agent.signing.words import Level
from agent.signing.workshop import Job, Task
from drivers.base import Digest, KeyRole

AHEAD: Final = 64
"""So many wait for the card, and are given to it at once: more than one transaction takes."""
AHEAD_BYTES: Final = 32 * 1024 * 1024
SLICE: Final = 16
SLICE_BYTES: Final = 16 * 1024 * 1024
CHECK: Final = 100
CRASHES: Final = 2
OUTSIDE = (TimeStampError, EvidenceError)
"""What another service is at fault for: the document is tried again at the next start; this run ends."""


class BatchRun:
    """From the consent to the last signature that this run makes.

    `still_granted` raises AccessError once the caller may not any more; `on_progress` is called after each round.
    """

    def __init__(
        self, batch: Batch, desk: SigningDesk, still_granted: Callable[[], None], on_progress: Callable[[], None]
    ) -> None:
        self._batch = batch
        self._desk = desk
        self._still_granted = still_granted
        self._on_progress = on_progress
        self._pending: deque[Item] = deque()
        self._prepared: deque[tuple[Item, Made]] = deque()
        self._signed: list[tuple[Item, Made, bytes]] = []
        self._begun = False
        self._halt: Exception | None = None
        self._job: Job | None = None
        self._signer: Signer | None = None

    def stop(self, reason: Exception | None = None) -> None:
        """Begin no further transaction."""
        self._halt = self._halt or reason or BatchStoppedError()

    async def check(self) -> None:
        """Let go of the documents that are refused whoever signs, before anybody is asked. Raises WorkshopError."""
        left = self._batch.left()
        async with self._desk.workshop.job(self._batch.owner) as job:
            for items in _cut(left, CHECK):
                with _blaming(items):
                    failures = await job.check_apart(_task(items))
                for item, failure in zip(items, failures, strict=True):
                    if failure is not None:
                        item.fail(failure)

    async def sign(self, use: UseRequest) -> None:
        """Ask for the code and sign all that is left. Raises what CardUses.sign raises, and what has stopped it."""
        self._pending = deque(self._batch.left())
        if not self._pending:
            return
        use = replace(use, admits=partial(self._desk.admit, [item.terms for item in self._pending]))
        async with AsyncExitStack() as stack:

            async def make(key: UnlockedKey) -> None:
                await self._begin(key, stack)
                await self._sign_rounds(key)

            try:
                await self._desk.uses.sign(use, KeyRole.SIGNATURE, make)
            finally:
                await self._complete()  # the code is wiped by now
        if self._halt is not None:
            raise self._halt

    async def _begin(self, key: UnlockedKey, stack: AsyncExitStack) -> None:
        batch, certificate_der = self._batch, key.info.certificate_der
        if batch.certificate_der not in (None, certificate_der):
            raise OtherCardError
        self._still_granted()
        batch.certificate_der, batch.card_number = certificate_der, key.card.number
        batch.state = BatchState.RUNNING
        self._halt = None  # whoever types a code is there, and means it
        self._on_progress()
        self._signer = self._desk.describe(key, batch.scheme)
        self._job = await stack.enter_async_context(self._desk.workshop.job(self._batch.owner))

    async def _sign_rounds(self, key: UnlockedKey) -> None:
        await self._prepare(SLICE)  # the card begins with a few, and the others are prepared meanwhile
        if self._prepared and self._prepared[0][0].terms.level is not Level.B:
            await self._sign_first(key)
        while self._prepared and self._may_go_on():
            offered = self._offer()
            digests = [_digest(made, self._batch) for _, made in offered]
            values, bench = await asyncio.gather(key.sign_some(digests), self._work_bench(), return_exceptions=True)
            if isinstance(bench, BaseException):
                raise bench
            if isinstance(values, BaseException):
                raise values
            self._signed = [(*each, value) for each, value in zip(offered, values, strict=False)]
            self._prepared.extendleft(reversed(offered[len(values) :]))  # first in the next round, as in the worker

    def _offer(self) -> list[tuple[Item, Made]]:
        """What the card is given next; few where each waits for an answer from outside, and the code with it."""
        most = AHEAD if self._prepared[0][0].terms.level is Level.B else SLICE
        return [self._prepared.popleft() for _ in range(min(most, len(self._prepared)))]

    async def _sign_first(self, key: UnlockedKey) -> None:
        """Where somebody else is asked afterwards: one alone, so that no more than that is lost if nobody answers."""
        item, made = self._prepared.popleft()
        (value,) = await key.sign_some([_digest(made, self._batch)])
        self._signed = [(item, made, value)]
        await self._complete()

    def _may_go_on(self) -> bool:
        """Whether another transaction may begin."""
        try:
            self._still_granted()
        except AccessError as error:
            self.stop(error)
        return self._halt is None

    async def _work_bench(self) -> None:
        """What the worker does while the card signs."""
        await self._complete()
        await self._prepare()

    async def _prepare(self, most: int = AHEAD) -> None:
        """Have so many ready for the card's next transaction."""
        while self._pending and self._has_room(most) and self._halt is None:
            items = self._next_slice()
            for item, outcome in zip(items, await self._prepare_slice(items), strict=True):
                if isinstance(outcome, SigningError):
                    item.fail(outcome)
                else:
                    self._prepared.append((item, outcome))

    def _has_room(self, most: int) -> bool:
        held = sum(item.held for item, _ in self._prepared)
        return len(self._prepared) < most and held < AHEAD_BYTES

    async def _prepare_slice(self, items: Sequence[Item]) -> list[Made | SigningError]:
        job, signer = self._tools()
        with _blaming(items):
            outcomes = await job.prepare_apart(_task(items), signer, go_on=self._begun)
        self._begun = True
        return outcomes

    def _next_slice(self) -> list[Item]:
        """The next documents that fit into one order to the worker."""
        first, *_ = _cut(list(islice(self._pending, SLICE)), SLICE)
        for _ in first:
            self._pending.popleft()
        return first

    async def _complete(self) -> None:
        """Make signatures of the values that the card has given."""
        signed, self._signed = self._signed, []
        if not signed:
            return
        job, signer = self._tools()
        with _blaming([item for item, _, _ in signed]):
            contents = await job.complete_apart([value for _, _, value in signed])
        for (item, made, _), content in zip(signed, contents, strict=True):
            if isinstance(content, bytes):
                item.finish(Signature(item.document.name, content, signer.certificate_der, made.media_type))
            elif isinstance(content, OUTSIDE):
                item.failure = content
                self.stop(content)
            else:
                item.fail(content)
        self._on_progress()

    def _tools(self) -> tuple[Job, Signer]:
        assert self._job is not None
        assert self._signer is not None
        return self._job, self._signer


def make_sample(batch: Batch) -> Digest:
    """A digest like those that the card will be given."""
    return Digest(HASH, bytes(32), PADDINGS[batch.scheme])


def _digest(made: Made, batch: Batch) -> Digest:
    return Digest(made.hash_name, made.digest, PADDINGS[batch.scheme])


def _task(items: Sequence[Item]) -> Task:
    terms = items[0].terms
    return Task(str(terms.format), terms, [item.document for item in items])


def _cut(items: Sequence[Item], most: int) -> list[list[Item]]:
    """Slices of like terms, few enough; what was there when a worker ended goes alone."""
    slices: list[list[Item]] = []
    size = 0
    for item in items:
        size += item.held
        last = slices[-1] if slices else []
        if last and len(last) < most and size <= SLICE_BYTES and _go_together(last[0], item):
            last.append(item)
        else:
            slices.append([item])
            size = item.held
    return slices


def _go_together(first: Item, other: Item) -> bool:
    return first.terms == other.terms and not first.crashes and not other.crashes


@contextmanager
def _blaming(items: Sequence[Item]) -> Iterator[None]:
    """A worker that ends over these: next time each goes alone, and what alone ends another one is not tried again."""
    try:
        yield
    except WorkshopError as error:
        for item in items:
            item.crashes += 1
            if item.crashes >= CRASHES and len(items) == 1:
                item.fail(error)
        raise
