"""For how long the event loop of a test, which is the agent's too, did nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass
class Pauses:
    """`longest`: in seconds, once the block has ended."""

    longest: float = 0.0


@contextlib.asynccontextmanager
async def watched_loop() -> AsyncIterator[Pauses]:
    """Watch the loop while the block runs."""
    pauses = Pauses()
    watch = asyncio.create_task(_watch(pauses))
    try:
        await asyncio.sleep(0)
        yield pauses
        await asyncio.sleep(0.02)
    finally:
        watch.cancel()


async def _watch(pauses: Pauses) -> None:
    last = time.monotonic()
    while True:
        await asyncio.sleep(0.01)
        now = time.monotonic()
        pauses.longest, last = max(pauses.longest, now - last), now
