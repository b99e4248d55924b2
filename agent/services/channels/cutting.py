"""A block of work that can be ended from outside, and a limit to what it waits for."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from agent.services.channels.errors import ServiceTimeoutError


class Cut:
    """Around a block: `end` has it stopped where it is, with an error. One block, once."""

    def __init__(self) -> None:
        self._timeout = asyncio.timeout(None)
        self._within = False
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        """Begin the block."""
        await self._timeout.__aenter__()
        self._within = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the block. Raises what `end` was given, or ServiceTimeoutError, where it was stopped."""
        self._within = False
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError as stopped:
            raise (self._error or ServiceTimeoutError("the service takes no more of the request")) from stopped

    def end(self, error: Exception) -> None:
        """Stop the block soon."""
        if self._within and self._error is None:
            self._error = error
            self._timeout.reschedule(0)

    def allow(self, seconds: float | None) -> None:
        """Give what the block now waits for that long; None: as long as it takes."""
        if self._within and self._error is None and not self._timeout.expired():
            self._timeout.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)
