"""Look-ups as the agent offers them: one question for all who ask at once, and yesterday's answer in need."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from agent.services.directory.cache import DirectoryCache, Entry
from agent.services.directory.errors import PASSING, DirectoryError, DirectoryOffError, DirectoryUnavailableError

if TYPE_CHECKING:
    from agent.services.directory.values import Listing, Professional

log = logging.getLogger(__name__)

REST_S: Final = 10.0


class Source(Protocol):
    """Who knows."""

    async def find(self, rpps: str) -> Professional | None:
        """The professional of this number, or None. Raises DirectoryError."""


class Directory:
    """Look-ups by RPPS number. Without a `source` every one is refused: the settings do not want any."""

    def __init__(
        self, source: Source | None, cache: DirectoryCache, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._cache = cache
        self._clock = clock
        self._failure: str | None = None
        self._failed_at = -REST_S
        self._asking: dict[str, asyncio.Task[Listing]] = {}

    async def find(self, rpps: str) -> Listing:
        """What the directory says of this number now, or has said within a day. Raises DirectoryError."""
        if self._source is None:
            raise DirectoryOffError
        known = await self._cache.load(rpps)
        if known is not None and self._cache.is_fresh(known):
            return _listing(rpps, known)
        task = self._asking.get(rpps)
        if task is None:
            task = self._asking[rpps] = asyncio.create_task(self._ask(self._source, rpps, known))
            task.add_done_callback(lambda done: self._end(rpps, done))
        return await asyncio.shield(task)  # one who goes away does not take the answer from the others

    async def forget(self) -> int:
        """Empty what was kept; give how many answers that were. Raises StoreError."""
        return await self._cache.forget()

    async def close(self) -> None:
        """Give up what is being asked."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, source: Source, rpps: str, known: Entry | None) -> Listing:
        try:
            professional = await self._find(source, rpps)
        except PASSING as error:
            if known is None:
                raise
            log.info("the directory tells nothing now (%s); what it told before stands in", error)
            return _listing(rpps, known, stale=True)
        return _listing(rpps, await self._cache.save(rpps, professional))

    async def _find(self, source: Source, rpps: str) -> Professional | None:
        """One that was out of reach is left alone for a moment: to find that out again would take as long."""
        if self._failure is not None and self._clock() < self._failed_at + REST_S:
            raise DirectoryUnavailableError(self._failure)
        try:
            professional = await source.find(rpps)
        except DirectoryUnavailableError as error:
            self._failure, self._failed_at = str(error), self._clock()
            raise
        self._failure = None
        return professional

    def _end(self, rpps: str, task: asyncio.Task[Listing]) -> None:
        del self._asking[rpps]
        if not task.cancelled() and isinstance(task.exception(), DirectoryError):
            log.info("the directory told nothing: %r", task.exception())


def _listing(rpps: str, entry: Entry, *, stale: bool = False) -> Listing:
    from agent.services.directory.values import Listing  # noqa: PLC0415 - at the first look-up

    return Listing(rpps, entry.professional, entry.as_of, stale)
