"""Blocking work of the directory in threads of its own, which the end of the agent does not wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def run_apart(work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own; one that nobody waits for any more is left behind."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def deliver(set_it: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            set_it(value)

    def run() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (answer.set_result, work())
        except Exception as error:  # noqa: BLE001 - carried to the one who waits
            outcome = (answer.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, *outcome)

    threading.Thread(target=run, name="cps-agent-directory", daemon=True).start()
    return await answer
