"""The answer of a dialog as a small binary frame, so that a code never becomes a `str` or `bytes` in the daemon.

Frame: one byte verdict; for a verdict with codes then follows twice: one byte length, ASCII digits (length 0 = none);
for one with passphrases, twice: two bytes length, the higher first, and UTF-8; for a choice, one byte: which one of
those that were shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.errors import PinFormatError
from drivers.pin import Passphrase, Pin, Typed

MAX_FRAME: Final = 1 + 2 * (2 + 4 * 128)


class FrameError(ValueError):
    """The frame is not what a dialog of ours sends."""


class Verdict(IntEnum):
    """First byte of a frame."""

    REFUSED = 0
    ACCEPTED = 1
    CODES = 2
    CODES_AND_SESSION = 3
    ON_PAD = 4
    CHOSEN = 5
    PASSPHRASES = 6
    PASSPHRASES_AND_SESSION = 7


_LENGTH_BYTES: Final = {
    Verdict.CODES: 1,
    Verdict.CODES_AND_SESSION: 1,
    Verdict.PASSPHRASES: 2,
    Verdict.PASSPHRASES_AND_SESSION: 2,
}
_PASSPHRASES: Final = (Verdict.PASSPHRASES, Verdict.PASSPHRASES_AND_SESSION)
WITH_SESSION: Final = (Verdict.CODES_AND_SESSION, Verdict.PASSPHRASES_AND_SESSION)


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame once read; `code` and `new_code` are there for verdicts with codes only, `chosen` for a choice."""

    verdict: Verdict
    code: Typed | None = None
    new_code: Typed | None = None
    chosen: int | None = None


def write_frame(verdict: Verdict, code: bytes | bytearray = b"", new_code: bytes | bytearray = b"") -> bytearray:
    """Build a frame; the caller wipes it once it is sent."""
    frame = bytearray([verdict])
    if verdict in _LENGTH_BYTES:
        for typed in (code, new_code):
            frame += len(typed).to_bytes(_LENGTH_BYTES[verdict], "big")
            frame += typed
    return frame


def write_choice(chosen: int) -> bytearray:
    """Build the frame of a choice."""
    return bytearray([Verdict.CHOSEN, chosen])


def read_frame(frame: memoryview) -> Answer:
    """Read a whole frame; the caller wipes its buffer. Raises FrameError unless every byte is accounted for."""
    if not frame or len(frame) > MAX_FRAME or frame[0] > max(Verdict):
        raise FrameError("no frame of a dialog")
    verdict = Verdict(frame[0])
    if verdict in _LENGTH_BYTES:
        return Answer(verdict, *_read_codes(frame, verdict))
    if verdict is Verdict.CHOSEN:
        if len(frame) != 2:
            raise FrameError("a choice of nothing, or of more than one")
        return Answer(verdict, chosen=frame[1])
    if len(frame) != 1:
        raise FrameError("a bare verdict with a tail")
    return Answer(verdict)


def _read_codes(frame: memoryview, verdict: Verdict) -> tuple[Typed, Typed | None]:
    kind: type[Typed] = Passphrase if verdict in _PASSPHRASES else Pin
    width = _LENGTH_BYTES[verdict]
    first, rest = _split(frame[1:], width)
    second, tail = _split(rest, width)
    if tail or not first:
        raise FrameError("lengths that do not add up")
    code = _read_code(kind, first)
    try:
        return code, _read_code(kind, second) if second else None
    except FrameError:
        code.wipe()
        raise


def _split(rest: memoryview, width: int) -> tuple[memoryview, memoryview]:
    """Take one code with its length off the front."""
    end = width + int.from_bytes(rest[:width], "big")
    if len(rest) < end:
        raise FrameError("lengths that do not add up")
    return rest[width:end], rest[end:]


def _read_code(kind: type[Typed], typed: memoryview) -> Typed:
    try:
        return kind(bytearray(typed))
    except PinFormatError as error:
        raise FrameError("a code of the wrong format") from error
