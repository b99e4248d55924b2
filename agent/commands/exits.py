"""Exit codes of the command line, by what was at fault."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a script can rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    CARD = 4
    PERSON = 5
    GATE = 6
    OTHER_PROGRAM = 7
    CERTIFICATE = 8
    DIRECTORY = 9
    SIGNING = 10
    SERVICE = 11


BY_LAYER = {
    "pcsc": Exit.CARD,
    "reader": Exit.CARD,
    "card": Exit.CARD,
    "middleware": Exit.CARD,
    "person": Exit.PERSON,
    "gate": Exit.GATE,
    "call": Exit.USAGE,
    "other program": Exit.OTHER_PROGRAM,
    "certificate": Exit.CERTIFICATE,
    "directory": Exit.DIRECTORY,
    "document": Exit.SIGNING,
    "time-stamp": Exit.SIGNING,
    "service": Exit.SERVICE,
}
