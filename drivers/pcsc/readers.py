"""The readers of the PC/SC service and what happens in them, without polling."""

from __future__ import annotations

import threading

from smartcard import scard

from drivers.base import Readers, ReaderState, Slot
from drivers.errors import ServiceStoppedError
from drivers.pcsc.results import (
    SCARD_E_CANCELLED,
    SCARD_E_NO_READERS_AVAILABLE,
    SCARD_E_TIMEOUT,
    SCARD_E_UNKNOWN_READER,
    SCARD_S_SUCCESS,
    SERVICE_GONE,
    code_of,
    require,
)
from drivers.pcsc.slot import PcscSlot

PLUG_AND_PLAY = "\\\\?PnP?\\Notification"
WAIT_MS = 0xFFFFFFFF
CANCEL_AGAIN_S = 0.05


class PcscReaders(Readers):
    """Every reader that the PC/SC service knows. list_states and wait_for_change belong to one thread."""

    def __init__(self) -> None:
        self._context: int | None = None
        self._stopped = threading.Event()
        self._waiting = threading.Lock()

    def list_states(self) -> tuple[ReaderState, ...]:
        """See Readers."""
        return tuple(_reader_state(state) for state in self._states(self._list_names()))

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        """See Readers. Other programs' connections wake this call; they are not changes and it waits on."""
        while not self._stopped.is_set():
            names = self._list_names()
            states = self._states(names)
            seen = tuple(_reader_state(state) for state in states)
            if seen != known:
                return seen
            self._block(states, len(names))
        return known

    def open_slot(self, name: str) -> Slot:
        """See Readers."""
        return PcscSlot(name)

    def stop(self) -> None:
        """See Readers. SCardCancel only ends a call that already blocks, so it is repeated until none does."""
        self._stopped.set()
        while not self._waiting.acquire(timeout=CANCEL_AGAIN_S):
            if self._context is not None:
                scard.SCardCancel(self._context)
        self._waiting.release()

    def _block(self, states: list[tuple[str, int, list[int]]], readers: int) -> None:
        expected = [(name, state & ~scard.SCARD_STATE_CHANGED) for name, state, _ in states]
        expected.append((PLUG_AND_PLAY, readers << 16))
        with self._waiting:
            if self._stopped.is_set():
                return
            hresult, _ = scard.SCardGetStatusChange(self._context, WAIT_MS, expected)
        if code_of(hresult) not in (SCARD_E_CANCELLED, SCARD_E_TIMEOUT, SCARD_E_UNKNOWN_READER):
            self._require(hresult, "SCardGetStatusChange")

    def _list_names(self) -> list[str]:
        hresult, names = scard.SCardListReaders(self._open_context(), [])
        if code_of(hresult) == SCARD_E_NO_READERS_AVAILABLE:
            return []
        self._require(hresult, "SCardListReaders")
        return sorted(names)

    def _states(self, names: list[str]) -> list[tuple[str, int, list[int]]]:
        if not names:
            return []
        unaware = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
        hresult, states = scard.SCardGetStatusChange(self._open_context(), 0, unaware)
        if code_of(hresult) == SCARD_E_UNKNOWN_READER:  # unplugged since it was listed
            return []
        if code_of(hresult) != SCARD_E_TIMEOUT:
            self._require(hresult, "SCardGetStatusChange")
        return list(states)

    def _open_context(self) -> int:
        if self._context is None:
            hresult, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            if code_of(hresult) != SCARD_S_SUCCESS:
                raise ServiceStoppedError(native=code_of(hresult))
            self._context = context
        return self._context

    def _require(self, hresult: int, call: str) -> None:
        if code_of(hresult) in SERVICE_GONE and self._context is not None:
            context, self._context = self._context, None
            scard.SCardReleaseContext(context)
        require(hresult, call)


def _reader_state(state: tuple[str, int, list[int]]) -> ReaderState:
    name, flags, atr = state
    present = flags & scard.SCARD_STATE_PRESENT
    return ReaderState(
        name=name,
        atr=bytes(atr) if present else None,
        events=flags >> 16 & 0xFFFF,
        exclusive=bool(flags & scard.SCARD_STATE_EXCLUSIVE),
        mute=bool(flags & scard.SCARD_STATE_MUTE),
    )
