"""One pcscd for all tests that call PC/SC in this process, and a virtual reader of it to insert cards into.

libpcsclite reads PCSCLITE_CSOCK_NAME once per process (1.9.9), so there is one pcscd for the whole run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.waiting import wait_until

from drivers.virtual.vpcd import serve

JOIN_S = 10


@contextmanager
def process_wide_pcscd() -> Iterator[PcscdHandle]:
    """The pcscd that this process calls from now on. Skips where none can run."""
    reason = why_unavailable()
    if reason:
        pytest.skip(reason)
    with private_pcscd(slots=2) as handle, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSCLITE_CSOCK_NAME", str(handle.socket_path))
        yield handle


class Reader:
    """A virtual reader of the pcscd; at most one card is in it."""

    def __init__(self, pcscd, readers, slot=0):
        self.pcscd = pcscd
        self.name = pcscd.reader_names[slot]
        self._slot = slot
        self._readers = readers
        self._stop = threading.Event()
        self._thread = None

    @property
    def has_card(self):
        return any(state.name == self.name and state.atr for state in self._readers.list_states())

    def insert(self, card, *, wait=True):
        self._stop = threading.Event()
        arguments = (card, "127.0.0.1", self.pcscd.vpcd_ports[self._slot], self._stop)
        self._thread = threading.Thread(target=serve, args=arguments, daemon=True)
        self._thread.start()
        if wait:
            wait_until(lambda: self.has_card, "the card in its reader")

    def pull(self, *, wait=True):
        self._stop.set()
        if self._thread:
            self._thread.join(JOIN_S)
            assert not self._thread.is_alive()
        self._thread = None
        if wait:
            wait_until(lambda: not self.has_card, "the reader without its card")


@contextmanager
def empty_reader(pcscd: PcscdHandle, slot: int = 0) -> Iterator[Reader]:
    """One of the two readers, empty before and after."""
    from drivers.pcsc.readers import PcscReaders  # noqa: PLC0415 - after the environment is set

    os.environ["PCSCLITE_CSOCK_NAME"] = str(pcscd.socket_path)
    reader = Reader(pcscd, PcscReaders(), slot)
    assert not reader.has_card, "another test of this process has used PC/SC before"
    yield reader
    if not pcscd.socket_path.exists():  # a test that failed while it was stopped
        pcscd.start()
    reader.pull()
