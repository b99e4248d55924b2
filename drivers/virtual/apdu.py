"""Command APDUs as cards receive them in T=0 and T=1 (ISO 7816-3 §12.1, §12.2)."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.virtual.status import SW_WRONG_LENGTH, StatusError

CLA_CHAINING = 0x10

INS_VERIFY = 0x20
INS_MANAGE_SECURITY_ENVIRONMENT = 0x22
INS_CHANGE_REFERENCE_DATA = 0x24
INS_PERFORM_SECURITY_OPERATION = 0x2A
INS_RESET_RETRY_COUNTER = 0x2C
INS_GET_CHALLENGE = 0x84
INS_INTERNAL_AUTHENTICATE = 0x88
INS_SELECT = 0xA4
INS_READ_BINARY = 0xB0
INS_GET_RESPONSE = 0xC0
INS_GET_DATA = 0xCB
INS_UPDATE_BINARY = 0xD6

HEADER_LENGTH = 4


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `p3` is Lc when `data` is there and Le when it is not: in T=0 the instruction decides which.

    `le` stands behind the data in T=1 alone.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    p3: int
    data: bytes
    le: int | None = None

    @property
    def p1p2(self) -> int:
        """Both parameters as one number."""
        return self.p1 << 8 | self.p2

    @property
    def expected(self) -> int:
        """Le: how many bytes the terminal wants, 256 for P3=00 (ISO 7816-3 §12.2.3)."""
        return self.p3 or 256


def parse_command(apdu: bytes, *, whole: bool = False) -> Command:
    """Read a command. Raises StatusError(6700) for extended lengths and any other length than P3 says.

    `whole`: Le may follow data, as in T=1.
    """
    if len(apdu) < HEADER_LENGTH:
        raise StatusError(SW_WRONG_LENGTH)
    cla, ins, p1, p2 = apdu[:HEADER_LENGTH]
    p3 = apdu[HEADER_LENGTH] if len(apdu) > HEADER_LENGTH else 0
    data = apdu[HEADER_LENGTH + 1 :]
    if whole and p3 and len(data) == p3 + 1:
        return Command(cla, ins, p1, p2, p3, data[:-1], data[-1] or 256)
    if data and len(data) != p3:
        raise StatusError(SW_WRONG_LENGTH)
    return Command(cla, ins, p1, p2, p3, data)
