"""A pcscd of our own for all tests of this folder, a card to insert and pull, and another program's raw handle.

libpcsclite reads PCSCLITE_CSOCK_NAME once per process (1.9.9), so there is one pcscd for the whole run, and no other
test may call PC/SC within this process.
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager

import pytest
from support.pcscd import private_pcscd, wait_until, why_unavailable

from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard
from drivers.virtual.vpcd import serve

JOIN_S = 10


@pytest.fixture(scope="session")
def pcscd():
    reason = why_unavailable()
    if reason:
        pytest.skip(reason)
    with private_pcscd() as handle, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSCLITE_CSOCK_NAME", str(handle.socket_path))
        yield handle


@pytest.fixture(scope="session")
def template_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    open_card(folder).close()
    return folder


@pytest.fixture
def trace():
    return []


@pytest.fixture
def card(template_dir, tmp_path, trace):
    folder = tmp_path / "data"
    shutil.copytree(template_dir, folder)
    with open_card(folder) as card:
        yield TracedCard(card, trace.append)


class Reader:
    """The virtual reader of the pcscd; at most one card is in it."""

    def __init__(self, pcscd, readers):
        self.pcscd = pcscd
        self.name = pcscd.reader_names[0]
        self._readers = readers
        self._stop = threading.Event()
        self._thread = None

    @property
    def has_card(self):
        return any(state.name == self.name and state.atr for state in self._readers.list_states())

    def insert(self, card, *, wait=True):
        self._stop = threading.Event()
        arguments = (card, "127.0.0.1", self.pcscd.vpcd_port, self._stop)
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


@pytest.fixture
def reader(pcscd):
    from drivers.pcsc.readers import PcscReaders  # noqa: PLC0415 - after the environment is set

    os.environ["PCSCLITE_CSOCK_NAME"] = str(pcscd.socket_path)
    reader = Reader(pcscd, PcscReaders())
    assert not reader.has_card, "another test of this process has used PC/SC before"
    yield reader
    if not pcscd.socket_path.exists():  # a test that failed while it was stopped
        pcscd.start()
    reader.pull()


@pytest.fixture
def inserted(reader, card):
    reader.insert(card)
    return reader


@pytest.fixture
def slot(inserted):
    from drivers.pcsc.readers import PcscReaders  # noqa: PLC0415

    return PcscReaders().open_slot(inserted.name)


class OtherProgram:
    """PC/SC calls as another program makes them."""

    def __init__(self, name):
        from smartcard import scard  # noqa: PLC0415

        self.scard, self.name = scard, name
        hresult, self.context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        assert hresult == 0
        self.handle = None

    def connect(self, *, exclusive=False):
        share = self.scard.SCARD_SHARE_EXCLUSIVE if exclusive else self.scard.SCARD_SHARE_SHARED
        hresult, handle, _ = self.scard.SCardConnect(self.context, self.name, share, self.scard.SCARD_PROTOCOL_T0)
        self.handle = None if hresult else handle
        return hresult & 0xFFFFFFFF

    def reconnect(self):
        protocol, leave = self.scard.SCARD_PROTOCOL_T0, self.scard.SCARD_LEAVE_CARD
        hresult, _ = self.scard.SCardReconnect(self.handle, self.scard.SCARD_SHARE_SHARED, protocol, leave)
        return hresult & 0xFFFFFFFF

    def disconnect(self):
        return self.scard.SCardDisconnect(self.handle, self.scard.SCARD_LEAVE_CARD) & 0xFFFFFFFF

    def begin(self):
        return self.scard.SCardBeginTransaction(self.handle) & 0xFFFFFFFF

    def end(self, *, reset=False):
        disposition = self.scard.SCARD_RESET_CARD if reset else self.scard.SCARD_LEAVE_CARD
        return self.scard.SCardEndTransaction(self.handle, disposition) & 0xFFFFFFFF

    def send(self, text):
        hresult, answer = self.scard.SCardTransmit(self.handle, self.scard.SCARD_PCI_T0, list(bytes.fromhex(text)))
        return f"{hresult & 0xFFFFFFFF:08X}" if hresult else bytes(answer).hex()

    @contextmanager
    def transaction(self):
        while self.begin() == 0x80100068:
            assert self.reconnect() == 0
        try:
            yield self
        finally:
            self.end()


@pytest.fixture
def other(inserted):
    program = OtherProgram(inserted.name)
    yield program
    program.scard.SCardReleaseContext(program.context)


class Outcome:
    """What a thread made of its work."""

    def __init__(self, work):
        self._result = []
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work):
        try:
            self._result.append(work())
        except Exception as error:  # noqa: BLE001
            self._result.append(error)

    @property
    def done(self):
        return bool(self._result)

    def get(self):
        self._thread.join(JOIN_S)
        assert self._result, "still running"
        return self._result[0]


@pytest.fixture
def in_thread():
    return Outcome
