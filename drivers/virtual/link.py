"""Virtual readers in this process: cards without PC/SC, behind the same seams as real readers."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from drivers.base import CardSlot, Connection, Deadline, PinPad, Readers, ReaderState
from drivers.errors import CardAbsentError, CardBusyError, CardMuteError, CardRemovedError, ReaderAbsentError
from drivers.virtual.chip import Chip
from drivers.virtual.pad import VirtualPad

LOCK_SLICE_S = 0.05
"""How soon a waiting transaction notices that its deadline was brought forward."""


def reader_name(index: int) -> str:
    """Name of a virtual reader, numbered as PC/SC numbers readers."""
    return f"CPS virtuel {index:02X} 00"


class VirtualReader:
    """One reader with at most one card. Its lock belongs to one transaction at a time.

    `pad`: the keys it has. `t1`: whether it speaks T=1 with cards that offer it, as PC/SC services choose.
    """

    def __init__(
        self,
        name: str,
        changed: threading.Condition,
        card: Chip | None,
        pad: VirtualPad | None = None,
        *,
        t1: bool = True,
    ) -> None:
        self.name = name
        self.pad = pad
        self._t1 = t1
        self._changed = changed
        self._card: Chip | None = None
        self._atr: bytes | None = None
        self._events = 0
        self._wire = threading.Lock()
        self._transaction = threading.Lock()
        if card:
            self.insert(card)

    @property
    def state(self) -> ReaderState:
        """The reader as it is now."""
        return ReaderState(self.name, self._atr, self._events, mute=self._atr == b"")

    @property
    def events(self) -> int:
        """Insertions and removals so far."""
        return self._events

    @property
    def whole_apdus(self) -> bool:
        """Whether the protocol with the card is T=1."""
        return self._t1 and self._atr is not None and offers_t1(self._atr)

    def insert(self, card: Chip) -> None:
        """Put a card in and power it; a card that was there is pulled first."""
        self.remove()
        with self._wire:
            atr = card.power_on()
            self._set(card, atr)

    def remove(self) -> None:
        """Pull the card, if there is one."""
        with self._wire:
            if self._card:
                self._card.power_off()
                self._set(None, None)

    def exchange(self, events: int, apdu: bytes) -> bytes:
        """Pass one APDU to the card that was there at that count of events. Raises CardRemovedError."""
        with self._wire:
            if not self._card or events != self._events:
                raise CardRemovedError
            return self._card.process(apdu)

    def reset(self, events: int) -> None:
        """Reset the card, unless it is gone or another one."""
        with self._wire:
            if self._card and events == self._events:
                self._card.reset()

    def acquire(self, deadline: Deadline) -> None:
        """Wait for the other transactions. Raises CardBusyError at the deadline."""
        while not self._transaction.acquire(timeout=min(LOCK_SLICE_S, deadline.remaining_s)):
            if not deadline.remaining_s:
                raise CardBusyError

    def release(self) -> None:
        """End the transaction."""
        self._transaction.release()

    def _set(self, card: Chip | None, atr: bytes | None) -> None:
        with self._changed:
            self._card, self._atr = card, atr
            self._events += 1
            self._changed.notify_all()


def offers_t1(atr: bytes) -> bool:
    """Whether a TD byte of the ATR names T=1 (ISO 7816-3 §8.2.3)."""
    flags, at = atr[1] >> 4, 2
    while flags & 0x8:
        at += (flags & 0x7).bit_count()
        if atr[at] & 0x0F == 1:
            return True
        flags, at = atr[at] >> 4, at + 1
    return False


class VirtualConnection(Connection):
    """The card of one transaction."""

    def __init__(self, slot: VirtualSlot, reader: VirtualReader, state: ReaderState) -> None:
        if state.atr is None:
            raise CardAbsentError
        if state.mute:
            raise CardMuteError
        self.atr = state.atr
        self._slot = slot
        self._reader = reader
        self.events = state.events
        self.whole_apdus = reader.whole_apdus
        self._wants_reset = False

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """Exchange one APDU. Raises CardRemovedError once the card was pulled, though another may be there."""
        self._slot.exchanges += 1
        return self._reader.exchange(self.events, bytes(apdu))

    def reset_at_end(self, wanted: bool) -> None:  # noqa: FBT001
        """Say whether the card forgets what was verified when the transaction ends."""
        self._wants_reset = wanted

    def end(self) -> None:
        """Reset the card if that was asked."""
        if self._wants_reset:
            self._reader.reset(self.events)


class VirtualPadConnection(VirtualConnection, PinPad):
    """The card of one transaction in a reader with keys."""

    def __init__(self, slot: VirtualSlot, reader: VirtualReader, state: ReaderState, pad: VirtualPad) -> None:
        super().__init__(slot, reader, state)
        self._pad = pad
        self.replaces_codes = pad.replaces_codes

    def verify_on_pad(self, block: bytes) -> bytes:
        """Have somebody type. Raises CardRemovedError."""
        return self._pad.verify(block, self.transmit, self._is_there)

    def modify_on_pad(self, block: bytes) -> bytes:
        """Have somebody type. Raises CardRemovedError."""
        return self._pad.modify(block, self.transmit, self._is_there)

    def _is_there(self) -> bool:
        return self._reader.state == ReaderState(self._reader.name, self.atr, self.events)


class VirtualSlot(CardSlot):
    """One user of a virtual reader; several exclude each other."""

    def __init__(self, reader: VirtualReader) -> None:
        self.name = reader.name
        self.exchanges = 0
        self._reader = reader

    @contextmanager
    def transaction(self, deadline: Deadline) -> Iterator[Connection]:
        """Hold the card until the block ends. Raises CardAbsentError, CardBusyError."""
        self._reader.acquire(deadline)
        try:
            connection = self._connect()
            try:
                yield connection
            finally:
                connection.end()
        finally:
            self._reader.release()

    def _connect(self) -> VirtualConnection:
        if self._reader.pad is not None:
            return VirtualPadConnection(self, self._reader, self._reader.state, self._reader.pad)
        return VirtualConnection(self, self._reader, self._reader.state)


class VirtualReaders(Readers):
    """A reader for each card given; None makes an empty reader. `pad`: the keys that the first reader has."""

    def __init__(
        self, cards: Sequence[Chip | None] = (None,), *, pad: VirtualPad | None = None, t1: bool = True
    ) -> None:
        self._changed = threading.Condition()
        self._stopped = False
        pads = itertools.chain([pad], itertools.repeat(None))
        self._readers = [
            VirtualReader(reader_name(i), self._changed, card, keys, t1=t1)
            for i, (card, keys) in enumerate(zip(cards, pads, strict=False))
        ]

    def insert(self, card: Chip, name: str | None = None) -> None:
        """Put a card into that reader, or into the first one."""
        self._reader(name).insert(card)

    def remove(self, name: str | None = None) -> None:
        """Pull the card out of that reader, or out of the first one."""
        self._reader(name).remove()

    def list_states(self) -> tuple[ReaderState, ...]:
        """Look once."""
        with self._changed:
            return tuple(reader.state for reader in self._readers)

    def wait_for_change(self, known: tuple[ReaderState, ...]) -> tuple[ReaderState, ...]:
        """Block until something differs from `known` or stop() is called."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self.list_states() != known)
            return self.list_states()

    def open_slot(self, name: str) -> CardSlot:
        """Give a fresh slot for that reader. Raises ReaderAbsentError."""
        return VirtualSlot(self._reader(name))

    def stop(self) -> None:
        """End every wait_for_change, now and later."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _reader(self, name: str | None) -> VirtualReader:
        found = next((reader for reader in self._readers if name in (None, reader.name)), None)
        if found is None:
            raise ReaderAbsentError(f"no virtual reader is called {name}")
        return found
