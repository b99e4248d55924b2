"""Watch the readers in a thread of its own and tell the event loop what changed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from drivers.base import Readers, ReaderState
from drivers.errors import ServiceStoppedError

RETRY_S = 1.0  # while the PC/SC service is stopped nothing can be waited for


class ReaderMonitor:
    """Call `on_change` in the event loop with the states of all readers, or with None while the service is stopped."""

    def __init__(self, readers: Readers, on_change: Callable[[tuple[ReaderState, ...] | None], None]) -> None:
        self._readers = readers
        self._on_change = on_change
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, name="reader monitor", daemon=True)

    def start(self) -> None:
        """Begin to watch; the first states are told at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the watching; the thread is not waited for."""
        self._stop.set()
        self._readers.stop()

    def _watch(self) -> None:
        known: tuple[ReaderState, ...] | None = ()
        try:
            known = self._readers.list_states()
            self._tell(known)
        except ServiceStoppedError:
            known = None
            self._tell(None)
        while not self._stop.is_set():
            known = self._watch_once(known)

    def _watch_once(self, known: tuple[ReaderState, ...] | None) -> tuple[ReaderState, ...] | None:
        try:
            states = self._readers.list_states() if known is None else self._readers.wait_for_change(known)
        except ServiceStoppedError:
            states = None
        if states != known and not self._stop.is_set():
            self._tell(states)
        if states is None:
            self._stop.wait(RETRY_S)
        return states

    def _tell(self, states: tuple[ReaderState, ...] | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._on_change, states)
        except RuntimeError:  # the loop is closed
            self._stop.set()
