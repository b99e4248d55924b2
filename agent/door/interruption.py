"""Work that another call may end: a question to the person, a wait for a card."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from agent.door.cryptoki import CKR_FUNCTION_CANCELED
from agent.door.values import CryptokiError

T = TypeVar("T")


class Interruption:
    """What runs, and the end that others put to it."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[Any], int | None] = {}

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work to its end. Raises CryptokiError when it is interrupted or given up by others."""
        task = asyncio.ensure_future(work)
        self._running[task] = None
        try:
            return await task
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise CryptokiError(self._running[task] or CKR_FUNCTION_CANCELED) from None
        finally:
            del self._running[task]

    def interrupt(self, rv: int) -> None:
        """End what runs with this return value."""
        for task in self._running:
            self._running[task] = rv
            task.cancel()


def _is_cancelled() -> bool:
    """Whether it is this call that nobody waits for any more, and not its work that somebody else gave up."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
