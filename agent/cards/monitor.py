"""Watch the readers in a thread of its own and tell the event loop what changed."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Callable

from drivers.base import Readers, ReaderState
from drivers.errors import ServiceStoppedError

log = logging.getLogger(__name__)

RETRY_S = 1.0
MAX_RETRY_S = 60.0
"""While the PC/SC service is stopped nothing can be waited for: it is asked less and less often, and by look_now."""


class ReaderMonitor:
    """Call `on_change` in the event loop with the states of all readers, or with None while the service is stopped."""

    def __init__(self, readers: Readers, on_change: Callable[[tuple[ReaderState, ...] | None], None]) -> None:
        self._readers = readers
        self._on_change = on_change
        self._stopped = False
        self._wake = threading.Event()
        self._retry_s = RETRY_S
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, name="reader monitor", daemon=True)

    def start(self) -> None:
        """Begin to watch; the first states are told at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the watching; the thread is not waited for."""
        self._stopped = True
        self._wake.set()
        self._readers.stop()

    def look_now(self) -> None:
        """Ask a stopped service at once, and tell what it says though it be the same: somebody wants to know."""
        self._wake.set()

    def _watch(self) -> None:
        known = self._look(self._readers.list_states)
        self._tell(known)
        while not self._stopped:
            known = self._watch_once(known)

    def _look(self, look: Callable[[], tuple[ReaderState, ...]]) -> tuple[ReaderState, ...] | None:
        try:
            states = look()
        except ServiceStoppedError:
            return None
        except Exception:  # the edge of a thread that nobody waits for: a defect of ours is a trouble like any other
            log.exception("the readers cannot be watched")
            return None
        self._retry_s = RETRY_S
        return states

    def _watch_once(self, known: tuple[ReaderState, ...] | None) -> tuple[ReaderState, ...] | None:
        asked = known is None and self._rest()
        waiting = (
            self._readers.list_states if known is None else functools.partial(self._readers.wait_for_change, known)
        )
        states = self._look(waiting)
        if (states != known or asked) and not self._stopped:
            self._tell(states)
        return states

    def _rest(self) -> bool:
        """Leave a stopped service alone for a while. Gives whether somebody asked meanwhile."""
        asked = self._wake.wait(self._retry_s)
        self._wake.clear()
        self._retry_s = RETRY_S if asked else min(2 * self._retry_s, MAX_RETRY_S)
        return asked

    def _tell(self, states: tuple[ReaderState, ...] | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._on_change, states)
        except RuntimeError:  # the loop is closed
            self._stopped = True
