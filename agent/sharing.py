"""Work that several wait for: it goes on for as long as one of them does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Work(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class Shared(Generic[T]):
    """By a key, one piece of work at a time."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Work[T]] = {}

    async def join(self, key: Hashable, begin: Callable[[], Awaitable[T]]) -> T:
        """Give what the work gives, which is begun unless it runs. Whoever goes away takes only itself away."""
        work = self._running.get(key)
        if work is None:
            work = self._running[key] = _Work(asyncio.ensure_future(_run(begin)))
            work.task.add_done_callback(lambda task: self._end(key, task))
        work.waiting += 1
        try:
            return await asyncio.shield(work.task)
        finally:
            work.waiting -= 1
            if not work.waiting:
                self._forget(key, work.task)  # whoever comes now begins anew
                work.task.cancel()

    async def close(self) -> None:
        """End all of it."""
        tasks = [work.task for work in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: Hashable, task: asyncio.Task[T]) -> None:
        if key in self._running and self._running[key].task is task:
            del self._running[key]

    def _end(self, key: Hashable, task: asyncio.Task[T]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # whoever has not gone away has been told


async def _run(begin: Callable[[], Awaitable[T]]) -> T:
    return await begin()
