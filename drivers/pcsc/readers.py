"""The readers of the PC/SC service and what happens in them, without polling."""

from __future__ import annotations

import threading

from smartcard import scard

from drivers.base import CardSlot, Readers, ReaderState
from drivers.errors import ServiceStoppedError
from drivers.pcsc.results import (
    SCARD_E_CANCELLED,
    SCARD_E_NO_READERS_AVAILABLE,
    SCARD_E_TIMEOUT,
    SCARD_E_UNKNOWN_READER,
    SCARD_S_SUCCESS,
    code_of,
)
from drivers.pcsc.slot import PcscSlot

PLUG_AND_PLAY = "\\\\?PnP?\\Notification"
WAIT_MS = 0xFFFFFFFF
CANCEL_AGAIN_S = 0.05
LOOKS = 5

State = tuple[str, int, list[int]]
"""Name, state and event count, ATR: as SCardGetStatusChange gives them."""


class PcscReaders(Readers):
    """Every reader that the PC/SC service knows. list_states and wait_for_change belong to one thread.

    `use_pads` False is for a workstation whose reader announces keys which do not work.
    """

    def __init__(self, *, use_pads: bool = True) -> None:
        self._use_pads = use_pads
        self._context: int | None = None
        self._stopped = threading.Event()
        self._waiting = threading.Lock()

    def __del__(self) -> None:
        self._release_context()

    def list_states(self) -> tuple[ReaderState, ...]:
        """See Readers. A context that the service's restart has made stale is replaced once."""
        fresh = self._context is None
        try:
            return _reader_states(self._look())
        except ServiceStoppedError:
            if fresh:
                raise
        return _reader_states(self._look())

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        """See Readers. Other programs' connections wake this call; they are not changes and it waits on."""
        while not self._stopped.is_set():
            states = self._look()
            seen = _reader_states(states)
            if seen != known:
                return seen
            self._block(states)
        return known

    def open_slot(self, name: str) -> CardSlot:
        """See Readers."""
        return PcscSlot(name, use_pads=self._use_pads)

    def stop(self) -> None:
        """See Readers. SCardCancel only ends a call that already blocks, so it is repeated until none does."""
        self._stopped.set()
        while not self._waiting.acquire(timeout=CANCEL_AGAIN_S):
            if self._context is not None:
                scard.SCardCancel(self._context)
        self._waiting.release()

    def _block(self, states: list[State]) -> None:
        expected = [(name, state & ~scard.SCARD_STATE_CHANGED) for name, state, _ in states]
        expected.append((PLUG_AND_PLAY, len(states) << 16))
        with self._waiting:
            if self._stopped.is_set():
                return
            hresult, _ = scard.SCardGetStatusChange(self._context, WAIT_MS, expected)
        self._require(hresult, "SCardGetStatusChange", SCARD_E_CANCELLED, SCARD_E_TIMEOUT, SCARD_E_UNKNOWN_READER)

    def _look(self) -> list[State]:
        """List the readers and their states, again when one was unplugged between the two calls."""
        for _ in range(LOOKS):
            names = self._list_names()
            if not names:
                return []
            unaware = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
            hresult, states = scard.SCardGetStatusChange(self._open_context(), 0, unaware)
            if code_of(hresult) != SCARD_E_UNKNOWN_READER:
                self._require(hresult, "SCardGetStatusChange", SCARD_E_TIMEOUT)
                return list(states)
        raise ServiceStoppedError("the service lists readers that it does not know", native=SCARD_E_UNKNOWN_READER)

    def _list_names(self) -> list[str]:
        hresult, names = scard.SCardListReaders(self._open_context(), [])
        self._require(hresult, "SCardListReaders", SCARD_E_NO_READERS_AVAILABLE)
        return sorted(names)

    def _open_context(self) -> int:
        if self._context is None:
            hresult, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            self._require(hresult, "SCardEstablishContext")
            self._context = context
        return self._context

    def _require(self, hresult: int, call: str, *accepted: int) -> None:
        """Whatever keeps the service from telling its readers, the context is given up and made anew next time."""
        code = code_of(hresult)
        if code == SCARD_S_SUCCESS or code in accepted:
            return
        self._release_context()
        raise ServiceStoppedError(f"{call}: PC/SC answered 0x{code:08X}", native=code)

    def _release_context(self) -> None:
        context, self._context = self._context, None
        if context is not None:
            scard.SCardReleaseContext(context)


def _reader_states(states: list[State]) -> tuple[ReaderState, ...]:
    return tuple(map(_reader_state, states))


def _reader_state(state: State) -> ReaderState:
    name, flags, atr = state
    present = flags & scard.SCARD_STATE_PRESENT
    return ReaderState(
        name=name,
        atr=bytes(atr) if present else None,
        events=flags >> 16 & 0xFFFF,
        exclusive=bool(flags & scard.SCARD_STATE_EXCLUSIVE),
        mute=bool(flags & scard.SCARD_STATE_MUTE),
    )
