"""Wait for calls that nothing can cancel: names that are looked up, key stores that wait for a person."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


def call_in_time(work: Callable[[], T], timeout_s: float, name: str) -> T:
    """Give what `work` gives, or raise what it raises. TimeoutError: its thread is left behind, which no exit joins."""
    answers: list[T] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            answers.append(work())
        except Exception as error:  # noqa: BLE001 - handed over to whoever waits
            failures.append(error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if failures:
        raise failures[0]
    if not answers:
        raise TimeoutError(f"no answer within {timeout_s:g} s")
    return answers[0]


async def run_apart(work: Callable[[], T], name: str = "cps-agent-apart") -> T:
    """Run `work` in a thread of its own; one that nobody waits for any more is left behind, which no exit joins."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def deliver(set_it: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            set_it(value)

    def run() -> None:
        try:
            outcome: tuple[Callable[[Any], None], object] = (answer.set_result, work())
        except BaseException as error:  # noqa: BLE001 - carried to the one who waits
            outcome = (answer.set_exception, error)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(deliver, *outcome)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer
