"""PC/SC result codes and the errors they mean; the codes are the same unsigned numbers on every system."""

from __future__ import annotations

from typing import NoReturn

from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardMuteError,
    CardRemovedError,
    DriverError,
    PadCancelledError,
    PadRefusedError,
    ReaderAbsentError,
    ReaderExclusiveError,
    ReaderRemovedError,
    RetriableError,
    ServiceStoppedError,
)

SCARD_S_SUCCESS = 0x00000000
SCARD_E_CANCELLED = 0x80100002
SCARD_E_INVALID_HANDLE = 0x80100003
SCARD_E_UNKNOWN_READER = 0x80100009
SCARD_E_TIMEOUT = 0x8010000A
SCARD_E_SHARING_VIOLATION = 0x8010000B
SCARD_E_NO_SMARTCARD = 0x8010000C
SCARD_E_PROTO_MISMATCH = 0x8010000F
SCARD_E_NOT_READY = 0x80100010
SCARD_F_COMM_ERROR = 0x80100013
SCARD_E_NOT_TRANSACTED = 0x80100016
SCARD_E_READER_UNAVAILABLE = 0x80100017
SCARD_E_CARD_UNSUPPORTED = 0x8010001C
SCARD_E_NO_SERVICE = 0x8010001D
SCARD_E_SERVICE_STOPPED = 0x8010001E
SCARD_E_NO_READERS_AVAILABLE = 0x8010002E
SCARD_W_UNSUPPORTED_CARD = 0x80100065
SCARD_W_UNRESPONSIVE_CARD = 0x80100066
SCARD_W_UNPOWERED_CARD = 0x80100067
SCARD_W_RESET_CARD = 0x80100068
SCARD_W_REMOVED_CARD = 0x80100069
SCARD_W_SECURITY_VIOLATION = 0x8010006A
SCARD_W_CANCELLED_BY_USER = 0x8010006E

SERVICE_GONE = frozenset(
    {
        SCARD_E_NO_SERVICE,
        SCARD_E_SERVICE_STOPPED,
        SCARD_E_INVALID_HANDLE,
        SCARD_F_COMM_ERROR,
        SCARD_W_SECURITY_VIOLATION,
    }
)
"""After these the context is stale: pcsc-lite answers so on old contexts after a restart, and with the last one when
pcscd closes the connection, because it stops or because polkit denies it (1.9.9)."""

PAD_REFUSALS: dict[int, type[PadRefusedError]] = {
    SCARD_E_CANCELLED: PadCancelledError,
    SCARD_E_TIMEOUT: PadRefusedError,
    SCARD_W_CANCELLED_BY_USER: PadCancelledError,
}
"""What drivers of other systems than pcsc-lite's say of a person who cancels at the reader's keys, or types nothing."""

ERRORS: dict[int, type[RetriableError]] = {
    **dict.fromkeys(SERVICE_GONE, ServiceStoppedError),
    SCARD_E_UNKNOWN_READER: ReaderAbsentError,
    SCARD_E_NO_READERS_AVAILABLE: ReaderAbsentError,
    SCARD_E_READER_UNAVAILABLE: ReaderRemovedError,
    SCARD_E_SHARING_VIOLATION: ReaderExclusiveError,
    SCARD_E_NO_SMARTCARD: CardAbsentError,
    SCARD_E_NOT_TRANSACTED: CardRemovedError,
    SCARD_W_REMOVED_CARD: CardRemovedError,
    SCARD_W_RESET_CARD: CardBusyError,  # within a transaction: the system took an idle card from us (Windows, 5 s)
    SCARD_W_UNRESPONSIVE_CARD: CardMuteError,
    SCARD_W_UNPOWERED_CARD: CardMuteError,
    SCARD_W_UNSUPPORTED_CARD: CardMuteError,
    SCARD_E_PROTO_MISMATCH: CardMuteError,
    SCARD_E_NOT_READY: CardMuteError,
    SCARD_E_CARD_UNSUPPORTED: CardMuteError,
}


def code_of(hresult: int) -> int:
    """The result as the unsigned number that the PC/SC specification lists."""
    return hresult & 0xFFFFFFFF


def raise_result(hresult: int, call: str) -> NoReturn:
    """Raise the error that a failed PC/SC call means."""
    code = code_of(hresult)
    raise ERRORS.get(code, DriverError)(f"{call}: PC/SC answered 0x{code:08X}", native=code)


def require(hresult: int, call: str) -> None:
    """Raise unless the call succeeded."""
    if code_of(hresult) != SCARD_S_SUCCESS:
        raise_result(hresult, call)
