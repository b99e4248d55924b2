"""A card to insert and pull in the reader of a pcscd of our own, and another program's raw handle."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from support.pcsc_reader import empty_reader

from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard

JOIN_S = 10


@pytest.fixture
def trace():
    return []


@pytest.fixture
def card(folder, trace):
    with open_card(folder) as card:
        yield TracedCard(card, trace.append)


@pytest.fixture
def pcscd(process_pcscd):
    return process_pcscd


@pytest.fixture
def reader(pcscd):
    with empty_reader(pcscd) as reader:
        yield reader


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
