"""ISO 7816-4 commands over a Connection, in T=0 and T=1: answers gathered, lengths mended, status words named."""

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
SW_CONDITIONS_NOT_SATISFIED = 0x6985
SW_FILE_NOT_FOUND = 0x6A82
SW_WRONG_P1_P2 = 0x6A86
SW_REFERENCE_NOT_FOUND = 0x6A88
SW_WRONG_OFFSET = 0x6B00

CLA_CHAINING = 0x10

MAX_DATA = 255
MAX_PART = 128  # of a chained command: half an RSA block, which the smallest card buffer known (E7) holds
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
    """Send commands of one class byte to a card.

    In T=0 (ISO 7816-3 §12.2) no Le follows data, and GET RESPONSE fetches what 61xx announces; in T=1 a command that
    wants an answer ends with Le, and one with neither data nor answer has no P3.
    No command is begun after the deadline (CardBusyError): whoever wanted its result is gone.
    """

    def __init__(self, connection: Connection, deadline: Deadline, cla: int = 0x00) -> None:
        self.connection = connection
        self.cla = cla
        self._deadline = deadline

    @property
    def time_s(self) -> float:
        """Seconds until the deadline."""
        return self._deadline.remaining_s

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
            data, sw = self._exchange(bytes([self.cla, INS_GET_RESPONSE, 0x00, 0x00, sw & 0xFF]))
            gathered += data
        raise CardError("the card announces an answer that does not end", sw=sw)

    def command(self, ins: int, p1: int, p2: int, data: bytes = b"", *, answers: bool = False) -> Answer:
        """Send a command with or without data. `answers`: data are expected back."""
        if len(data) > MAX_DATA:
            raise CardUnknownError("the card names something longer than a command")
        return self.send(self._encode(bytes([self.cla, ins, p1, p2]), data, answers=answers))

    def command_in_parts(self, ins: int, p1: int, p2: int, data: bytes) -> Answer:
        """Send a command whose data are longer than one holds, chained (ISO 7816-4 §5.3.3), and get its answer."""
        parts = [data[at : at + MAX_PART] for at in range(0, len(data), MAX_PART)]
        for part in parts[:-1]:
            head = bytes([self.cla | CLA_CHAINING, ins, p1, p2])
            self.send(self._encode(head, part, answers=False)).require("a chained command")
        return self.command(ins, p1, p2, parts[-1], answers=True)

    def _encode(self, head: bytes, data: bytes, *, answers: bool) -> bytes:
        if not self.connection.whole_apdus:
            return head + bytes([len(data)]) + data
        return head + (bytes([len(data)]) + data if data else b"") + (b"\x00" if answers else b"")

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
