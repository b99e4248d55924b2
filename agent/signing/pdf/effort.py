"""A bound on what one file may cost: hostile ones cost processor time long before they cost memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

EFFORT_S: Final = 20.0
"""Processor time for one file, less than the agent waits for a worker; 5 MB with 100,000 objects take about 2 s."""
AGAIN_S: Final = 0.5  # one that was swallowed, in a destructor for instance, is followed by another


class EffortError(Exception):
    """The file costs more work than any honest one."""


class _Spent(BaseException):
    """Passes every `except Exception` of a library."""


@contextmanager
def limited_effort(seconds: float = EFFORT_S) -> Iterator[None]:
    """Raise EffortError once the block has used that much processor time.

    Without effect on Windows, whose processes have no such timer, and away from the main thread.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGVTALRM, _stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds, AGAIN_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _Spent as error:
        raise EffortError(f"it takes more than {seconds:g} s of work") from error
    finally:
        signal.signal(signal.SIGVTALRM, previous)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Spent
