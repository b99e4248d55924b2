"""One PC/SC reader slot: connect shared, one short transaction, give the card back closed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager

from smartcard import scard

from drivers.base import CardSlot, Connection, Deadline, PinPad
from drivers.errors import CardMuteError, CardRemovedError, NotSupportedError, ServiceStoppedError
from drivers.pcsc.features import CM_IOCTL_GET_FEATURE_REQUEST, PadFeatures, parse_features
from drivers.pcsc.results import (
    ERRORS,
    PAD_REFUSALS,
    SCARD_E_NOT_TRANSACTED,
    SCARD_E_PROTO_MISMATCH,
    SCARD_S_SUCCESS,
    SCARD_W_RESET_CARD,
    SERVICE_GONE,
    code_of,
    raise_result,
    require,
)

GAP_S = 0.15
"""Between two transactions of ours: without it another program waiting for the card starves (measured)."""

PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1

GET_RESPONSE = bytes.fromhex("00C0000000")
"""A command that any card answers and that changes nothing."""

_epochs = itertools.count(1)


class PcscSlot(CardSlot):
    """A reader by its PC/SC name, with a context of its own; made for one thread, which these calls may block for good.

    A PC/SC context goes stale when the service restarts: it is made anew once before ServiceStoppedError is raised.
    `use_pads` False: keys of the reader are left alone, as if it had none.
    """

    def __init__(self, name: str, *, use_pads: bool = True) -> None:
        self.name = name
        self._use_pads = use_pads
        self._context: int | None = None
        self._features: PadFeatures | None = None
        self._epoch = 0
        self._last_end = 0.0

    def __del__(self) -> None:
        self._release_context()

    @contextmanager
    def transaction(self, deadline: Deadline) -> Iterator[Connection]:
        """See CardSlot. On the way out the card is reset if reset_at_end was asked for, else left as it is."""
        self._leave_a_gap(deadline)
        handle, protocol = self._connect()
        try:
            connection = PcscConnection(self, handle, protocol)
            self._begin(handle, deadline)
            try:
                features = self._find_features(handle)
                if features.verify is not None:
                    connection = PcscPadConnection(self, handle, protocol, features)
                connection.atr, connection.events = self._look()
                yield connection
            finally:
                connection.end()
        finally:
            scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
            self._last_end = time.monotonic()

    def _leave_a_gap(self, deadline: Deadline) -> None:
        wait_s = self._last_end + GAP_S - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, deadline.remaining_s))
        deadline.check()

    def _connect(self) -> tuple[int, int]:
        fresh = self._context is None
        hresult, handle, protocol = self._try_connect()
        if code_of(hresult) in SERVICE_GONE and not fresh:
            self._release_context()
            hresult, handle, protocol = self._try_connect()
        if code_of(hresult) in SERVICE_GONE:
            self._release_context()
        require(hresult, "SCardConnect")
        return handle, protocol

    def _try_connect(self) -> tuple[int, int, int]:
        if self._context is None:
            hresult, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            if code_of(hresult) != SCARD_S_SUCCESS:
                raise ServiceStoppedError(f"SCardEstablishContext: {code_of(hresult):08X}", native=code_of(hresult))
            self._context, self._epoch = context, next(_epochs)
        result: tuple[int, int, int] = scard.SCardConnect(self._context, self.name, scard.SCARD_SHARE_SHARED, PROTOCOLS)
        return result

    def _release_context(self) -> None:
        """The service gives each program a small number of contexts."""
        context, self._context, self._features = self._context, None, None
        if context is not None:
            scard.SCardReleaseContext(context)

    def _begin(self, handle: int, deadline: Deadline) -> None:
        """Wait for the card. Each program that ends its own transaction with a reset sends us back to the start."""
        while code_of(hresult := scard.SCardBeginTransaction(handle)) == SCARD_W_RESET_CARD:
            deadline.check()
            hresult, _ = scard.SCardReconnect(handle, scard.SCARD_SHARE_SHARED, PROTOCOLS, scard.SCARD_LEAVE_CARD)
            require(hresult, "SCardReconnect")
        require(hresult, "SCardBeginTransaction")
        if not deadline.remaining_s:
            scard.SCardEndTransaction(handle, scard.SCARD_LEAVE_CARD)
            deadline.check()

    def _find_features(self, handle: int) -> PadFeatures:
        """What the reader can do, asked once for each context; most readers and all virtual ones have no such list."""
        if not self._use_pads:
            return PadFeatures()
        if self._features is not None:
            return self._features
        hresult, answer = scard.SCardControl(handle, CM_IOCTL_GET_FEATURE_REQUEST, [])
        code = code_of(hresult)
        features = parse_features(_as_bytes(answer)) if code == SCARD_S_SUCCESS else PadFeatures()
        if code == SCARD_E_NOT_TRANSACTED or code not in ERRORS:
            self._features = features  # else it says nothing: a card has just left
        return features

    def _look(self) -> tuple[bytes, int]:
        """ATR and event counter of the reader; asks the service alone, not the card.

        The service counts from zero when it restarts, so the number of our context stands above its count.
        """
        states = [(self.name, scard.SCARD_STATE_UNAWARE)]
        hresult, states = scard.SCardGetStatusChange(self._context, 0, states)
        require(hresult, "SCardGetStatusChange")
        _, state, atr = states[0]
        return bytes(atr), self._epoch << 16 | state >> 16 & 0xFFFF


class PcscConnection(Connection):
    """A card inside a transaction of PcscSlot."""

    def __init__(self, slot: PcscSlot, handle: int, protocol: int) -> None:
        self.atr = b""
        self.events = 0
        self._slot = slot
        self._handle = handle
        self._reset = False
        self.whole_apdus = protocol == scard.SCARD_PROTOCOL_T1
        if protocol == scard.SCARD_PROTOCOL_T0:
            self._pci = scard.SCARD_PCI_T0
        elif protocol == scard.SCARD_PROTOCOL_T1:
            self._pci = scard.SCARD_PCI_T1
        else:
            raise CardMuteError(native=SCARD_E_PROTO_MISMATCH)

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        """See Connection. pyscard takes a list of numbers: that copy of a code lives until the call returns."""
        self._slot.exchanges += 1
        hresult, answer = scard.SCardTransmit(self._handle, self._pci, list(apdu))
        if code_of(hresult) != SCARD_S_SUCCESS:
            raise_result(hresult, "SCardTransmit")
        if not answer:  # a card says at least a status word: vpcd 3.3 calls it a success when the card is torn out
            raise CardRemovedError("the reader gave no answer of the card")
        return _as_bytes(answer)

    def reset_at_end(self, wanted: bool) -> None:  # noqa: FBT001
        """See Connection."""
        self._reset = wanted

    def end(self) -> None:
        """End the transaction; where the reset is refused, disconnecting with a reset is the second way to close."""
        disposition = scard.SCARD_RESET_CARD if self._reset else scard.SCARD_LEAVE_CARD
        hresult = scard.SCardEndTransaction(self._handle, disposition)
        if self._reset and code_of(hresult) != SCARD_S_SUCCESS:
            scard.SCardDisconnect(self._handle, scard.SCARD_RESET_CARD)


class PcscPadConnection(PcscConnection, PinPad):
    """A card in a reader with keys."""

    def __init__(self, slot: PcscSlot, handle: int, protocol: int, features: PadFeatures) -> None:
        super().__init__(slot, handle, protocol)
        self._features = features
        self.replaces_codes = features.modify is not None

    def verify_on_pad(self, block: bytes) -> bytes:
        """See PinPad."""
        return self._control(self._features.verify, block)

    def modify_on_pad(self, block: bytes) -> bytes:
        """See PinPad."""
        return self._control(self._features.modify, block)

    def _control(self, control_code: int | None, block: bytes) -> bytes:
        if control_code is None:
            raise NotSupportedError("the reader cannot do that on its keys")
        self._slot.exchanges += 1
        hresult, answer = scard.SCardControl(self._handle, control_code, list(block))
        code = code_of(hresult)
        if code == SCARD_S_SUCCESS:
            return _as_bytes(answer)
        if code in PAD_REFUSALS:
            raise PAD_REFUSALS[code](native=code)
        if code != SCARD_E_NOT_TRANSACTED and code in ERRORS:
            raise_result(hresult, "SCardControl")
        self.transmit(GET_RESPONSE)  # raises when the card is gone, which readers tell by the same general code
        raise NotSupportedError("the reader announces keys for codes, but did not do what it announces", native=code)


def _as_bytes(numbers: list[int]) -> bytes:
    """What pyscard gives: numbers that may be signed."""
    return bytes(number & 0xFF for number in numbers)
