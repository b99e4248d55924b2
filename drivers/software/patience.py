"""A pause that grows with each wrong passphrase: nobody is locked out, and nobody guesses quickly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from drivers.base import Deadline
from drivers.errors import CardBusyError, PinWrongError

PAUSES_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""By the number of wrong tries in a row; the last one stands for all that follow."""

STEP_S = 0.1
"""How soon a waiter notices that its deadline was brought forward."""


@dataclass(slots=True)
class _Tries:
    """The wrong tries in a row at one name, and when the next may be made."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wrong: int = 0
    next_at: float = 0.0

    def note_wrong(self) -> None:
        self.wrong += 1
        self.next_at = time.monotonic() + PAUSES_S[min(self.wrong, len(PAUSES_S) - 1)]

    def wait(self, deadline: Deadline) -> None:
        deadline.check()
        while (wait_s := self.next_at - time.monotonic()) > 0:
            if wait_s > deadline.remaining_s:
                raise CardBusyError("too many wrong passphrases: wait a few seconds")
            time.sleep(min(wait_s, STEP_S))
            deadline.check()


class Patience:
    """Let one try at a name be made at a time, after the pause that the wrong ones before it have earned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, _Tries] = {}

    @contextmanager
    def one_try(self, name: str, deadline: Deadline) -> Iterator[None]:
        """Make one try; PinWrongError says that it was wrong. Raises CardBusyError when its turn comes too late."""
        with self._lock:
            tries = self._names.setdefault(name, _Tries())
        if not tries.lock.acquire(timeout=deadline.remaining_s):
            raise CardBusyError("another program uses this key")
        try:
            tries.wait(deadline)
            yield
            tries.wrong = 0
        except PinWrongError:
            tries.note_wrong()
            raise
        finally:
            tries.lock.release()
