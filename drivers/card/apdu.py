"""ISO 7816-4 commands over a Connection: T=0 answers gathered (61xx), lengths mended (6Cxx), status words named."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.base import Connection, Deadline
from drivers.errors import CardError, CardUnknownError

INS_VERIFY = 0x20
INS_MANAGE_SECURITY_ENVIRONMENT = 0x22
INS_CHANGE_REFERENCE_DATA = 0x24
INS_PERFORM_SECURITY_OPERATION = 0x2A
INS_RESET_RETRY_COUNTER = 0x2C
INS_INTERNAL_AUTHENTICATE = 0x88
INS_SELECT = 0xA4
INS_READ_BINARY = 0xB0
INS_GET_RESPONSE = 0xC0

SW1_MORE_DATA, SW1_WRONG_LE = 0x61, 0x6C
SW_OK = 0x9000
SW_END_OF_FILE = 0x6282
SW_WRONG_LENGTH = 0x6700
SW_AUTH_BLOCKED = 0x6983
SW_DATA_INVALIDATED = 0x6984
SW_FILE_NOT_FOUND = 0x6A82
SW_WRONG_P1_P2 = 0x6A86
SW_REFERENCE_NOT_FOUND = 0x6A88
SW_WRONG_OFFSET = 0x6B00

MAX_DATA = 255
MAX_ANSWER = 256
MAX_PARTS = 16  # GET RESPONSE commands for one answer; a card whose buffer holds 32 bytes needs 8 for a signature


@dataclass(frozen=True, slots=True)
class Answer:
    """Data and status word of one command."""

    data: bytes
    sw: int

    def require(self, what: str, *others: int) -> bytes:
        """Give the data of a 9000 answer, or of one of the other status words. Raises CardError otherwise."""
        if self.sw != SW_OK and self.sw not in others:
            raise CardError(f"{what}: the card answered {self.sw:04X}", sw=self.sw)
        return self.data


class Channel:
    """Send commands to a card in T=0 terms (ISO 7816-3 §10.3): no Le in case 4, GET RESPONSE after 61xx.

    No command is begun after the deadline (CardBusyError): whoever wanted its result is gone.
    """

    def __init__(self, connection: Connection, deadline: Deadline) -> None:
        self.connection = connection
        self._deadline = deadline

    def require_time(self) -> None:
        """Raise CardBusyError once the deadline has passed."""
        self._deadline.check()

    def send(self, apdu: bytes | bytearray) -> Answer:
        """Exchange one command and gather its whole answer."""
        self.require_time()
        data, sw = self._exchange(apdu)
        gathered = bytearray(data)
        for _ in range(MAX_PARTS):
            if sw >> 8 != SW1_MORE_DATA:
                return Answer(bytes(gathered), sw)
            data, sw = self._exchange(bytes([0x00, INS_GET_RESPONSE, 0x00, 0x00, sw & 0xFF]))
            gathered += data
        raise CardError("the card announces an answer that does not end", sw=sw)

    def command(self, ins: int, p1: int, p2: int, data: bytes | bytearray = b"") -> Answer:
        """Send a command with data (case 3 or 4) or with none (P3 = 00)."""
        if len(data) > MAX_DATA:
            raise CardUnknownError("the card names something longer than a command")
        return self.send(bytearray([0x00, ins, p1, p2, len(data)]) + data)

    def _exchange(self, apdu: bytes | bytearray) -> tuple[bytes, int]:
        """One command, sent again with the right Le after 6Cxx (ISO 7816-3 §12.2.3)."""
        data, sw = self._transmit(apdu)
        if sw >> 8 == SW1_WRONG_LE and apdu[1] in (INS_READ_BINARY, INS_GET_RESPONSE):
            return self._transmit(bytes(apdu[:4]) + bytes([sw & 0xFF]))
        return data, sw

    def _transmit(self, apdu: bytes | bytearray) -> tuple[bytes, int]:
        answer = self.connection.transmit(apdu)
        if len(answer) < 2:
            raise CardError("the card answered less than a status word")
        if len(answer) - 2 > _asked(apdu):
            raise CardError("the card answered more than was asked for")
        return answer[:-2], int.from_bytes(answer[-2:])


def _asked(apdu: bytes | bytearray) -> int:
    """How much data may come back: Le where P3 is one, else what a short answer holds (ISO 7816-3 §12.1.1)."""
    return apdu[4] or MAX_ANSWER if apdu[1] in (INS_READ_BINARY, INS_GET_RESPONSE) else MAX_ANSWER
