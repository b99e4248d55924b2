"""The ceiling of calls that the directory sets for an application: 17 a second, shared by all callers of the agent."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from agent.services.directory.errors import DirectoryBusyError

CALLS: Final = 17
WINDOW_S: Final = 1.1  # a tenth more than the rule: calls that leave evenly may arrive in a heap
MAX_WAITING: Final = 100
MAX_PATIENCE_S: Final = 2.0
MAX_HOLD_S: Final = 300.0


class Ceiling:
    """Lets at most `calls` pass within any `window_s`, in the order they came; `hold` stops all of them for a while.

    Stricter than a bucket of tokens, which lets twice as many pass within the second after a rest.
    """

    def __init__(
        self, calls: int = CALLS, window_s: float = WINDOW_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_s = window_s
        self._clock = clock
        self._passed: deque[float] = deque(maxlen=calls)
        self._held_until = -float("inf")
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def wait(self) -> None:
        """Wait for a place. Raises DirectoryBusyError when that would take long."""
        if self._waiting >= MAX_WAITING or self._hold_s() > MAX_PATIENCE_S:
            raise DirectoryBusyError("the ceiling of calls is reached")
        self._waiting += 1
        try:
            async with self._turn:
                while (delay_s := self._delay_s()) > 0:
                    if self._hold_s() > MAX_PATIENCE_S:
                        raise DirectoryBusyError("the directory asks for patience")
                    await asyncio.sleep(delay_s)
                self._passed.append(self._clock())
        finally:
            self._waiting -= 1

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so long, five minutes at most."""
        self._held_until = max(self._held_until, self._clock() + min(max(seconds, 0.0), MAX_HOLD_S))

    def _hold_s(self) -> float:
        return self._held_until - self._clock()

    def _delay_s(self) -> float:
        is_full = len(self._passed) == self._passed.maxlen
        room_s = self._passed[0] + self._window_s - self._clock() if is_full else 0.0
        return max(room_s, self._hold_s())
