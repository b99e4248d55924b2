"""Places for work that documents can make long: one caller takes some of them, and never all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from agent.access.callers import Caller, CallerKind


class Turns:
    """So many at a time for one caller: who comes later waits behind their own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._own: WeakValueDictionary[tuple[CallerKind, str], asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, caller: Caller | None) -> AsyncIterator[None]:
        """Wait for one of the caller's; nobody in particular does not wait."""
        if caller is None:
            yield
            return
        async with self._own.setdefault(caller.key, asyncio.Semaphore(self._most)):
            yield
