"""Wait for calls that nothing can cancel: names that are looked up, key stores that wait for a person."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

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
