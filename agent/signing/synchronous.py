"""Run pyHanko's coroutines to their end: a worker does one thing at a time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Give the result. Raises what the coroutine raises."""
    return (
        _runner().get_loop().run_until_complete(work)
    )  # not run(): that sets a signal handler, and takes milliseconds


@functools.cache
def _runner() -> asyncio.Runner:
    """One event loop for the life of the process: making one costs more than most of what runs in it."""
    return asyncio.Runner()
