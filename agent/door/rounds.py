"""What waits for the same thing is done together: one question and one transaction for several callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from agent.people.prompt import DeskBusyError

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")
R = TypeVar("R")

MAX_WAITING = 256
"""For one key: a hundred processes may well wait; whoever floods is told so."""

COME_BACK_S = 0.02
"""Whoever was served just now and wants more is back by then, and goes with those who wait already: else programs side
by side would be split in two groups, each asked for apart. A card is left alone for longer between two transactions."""


@dataclass(slots=True)
class _Waiting(Generic[A, R]):
    item: A
    result: asyncio.Future[R]
    work: Callable[[list[A]], Awaitable[list[R]]]
    most: int


@dataclass(slots=True)
class _Line(Generic[A, R]):
    """Who waits for one key. `running`: the task that serves it, one round after the other."""

    waiting: list[_Waiting[A, R]] = field(default_factory=list)
    running: asyncio.Task[None] | None = None


class Rounds(Generic[K, A, R]):
    """Gathers items under a key while a round of that key is under way; the next round takes them together."""

    def __init__(self) -> None:
        self._lines: dict[K, _Line[A, R]] = {}

    async def join(self, key: K, item: A, work: Callable[[list[A]], Awaitable[list[R]]], most: int) -> R:
        """Have `work` done with the item, beside at most `most` in all; it gives a result for each, in order.

        An error is everybody's who was in that round. A round that nobody waits for any more is cancelled.
        Raises DeskBusyError when too many wait.
        """
        line = self._lines.setdefault(key, _Line())
        if len(line.waiting) >= MAX_WAITING:
            line.waiting = [one for one in line.waiting if not one.result.done()]  # who has left keeps nobody out
        if len(line.waiting) >= MAX_WAITING:
            raise DeskBusyError("too many signatures wait for this key")
        waiting = _Waiting(item, asyncio.get_running_loop().create_future(), work, most)
        line.waiting.append(waiting)
        if line.running is None:
            line.running = asyncio.get_running_loop().create_task(self._serve(key, line))
        result: R = await waiting.result
        return result

    async def _serve(self, key: K, line: _Line[A, R]) -> None:
        try:
            while line.waiting:
                most = line.waiting[0].most
                batch, line.waiting = line.waiting[:most], line.waiting[most:]
                await _do(batch)
                if line.waiting and len(line.waiting) < most:
                    await asyncio.sleep(COME_BACK_S)
        finally:
            line.running = None
            if self._lines.get(key) is line:
                del self._lines[key]


async def _do(batch: list[_Waiting[A, R]]) -> None:
    """One round. Those who have gone meanwhile are left out."""
    batch = [one for one in batch if not one.result.done()]
    if not batch:
        return
    work = asyncio.ensure_future(batch[0].work([one.item for one in batch]))
    for one in batch:
        one.result.add_done_callback(lambda _: _cancel_if_deserted(work, batch))
    try:
        await asyncio.wait([work])
    finally:
        work.cancel()  # the agent stops; else it is done
    _deliver(work, [one.result for one in batch])


def _deliver(work: asyncio.Future[list[R]], waiting: list[asyncio.Future[R]]) -> None:
    results: list[R | None] = [None] * len(waiting)
    error = None if work.cancelled() else work.exception()
    if not work.cancelled() and error is None:
        results = [*work.result()]
    for future, result in zip(waiting, results, strict=True):
        if future.done():
            continue
        if work.cancelled():
            future.cancel()
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]


def _cancel_if_deserted(work: asyncio.Future[list[R]], batch: list[_Waiting[A, R]]) -> None:
    if not work.done() and all(one.result.cancelled() for one in batch):
        work.cancel()
