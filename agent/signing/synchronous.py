"""Run pyHanko's coroutines to their end: a worker does one thing at a time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Give the result. Raises what the coroutine raises."""
    # Not the runner's own run(): it exchanges a signal handler, whose errors describe all results, for milliseconds.
    return _runner().get_loop().run_until_complete(work)


@functools.cache
def _runner() -> asyncio.Runner:
    """One event loop for the life of the process: making one costs more than most of what runs in it."""
    return asyncio.Runner()
