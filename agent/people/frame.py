"""The answer of a dialog as a small binary frame, so that a code never becomes a `str` or `bytes` in the daemon.

Frame: one byte verdict; for a verdict with codes then follows twice: one byte length, ASCII digits (length 0 = none);
for a choice, one byte: which one of those that were shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from drivers.errors import PinFormatError
from drivers.pin import Pin

MAX_FRAME: Final = 1 + 2 * (1 + 8)


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


_WITH_CODES: Final = (Verdict.CODES, Verdict.CODES_AND_SESSION)


@dataclass(frozen=True, slots=True)
class Answer:
    """A frame once read; `code` and `new_code` are there for verdicts with codes only, `chosen` for a choice."""

    verdict: Verdict
    code: Pin | None = None
    new_code: Pin | None = None
    chosen: int | None = None


def write_frame(verdict: Verdict, code: bytes | bytearray = b"", new_code: bytes | bytearray = b"") -> bytearray:
    """Build a frame; the caller wipes it once it is sent."""
    frame = bytearray([verdict])
    if verdict in _WITH_CODES:
        for digits in (code, new_code):
            frame.append(len(digits))
            frame += digits
    return frame


def write_choice(chosen: int) -> bytearray:
    """Build the frame of a choice."""
    return bytearray([Verdict.CHOSEN, chosen])


def read_frame(frame: memoryview) -> Answer:
    """Read a whole frame; the caller wipes its buffer. Raises FrameError unless every byte is accounted for."""
    if not frame or len(frame) > MAX_FRAME or frame[0] > max(Verdict):
        raise FrameError("no frame of a dialog")
    verdict = Verdict(frame[0])
    if verdict in _WITH_CODES:
        return Answer(verdict, *_read_codes(frame))
    if verdict is Verdict.CHOSEN:
        if len(frame) != 2:
            raise FrameError("a choice of nothing, or of more than one")
        return Answer(verdict, chosen=frame[1])
    if len(frame) != 1:
        raise FrameError("a bare verdict with a tail")
    return Answer(verdict)


def _read_codes(frame: memoryview) -> tuple[Pin, Pin | None]:
    first, second = _read_lengths(frame)
    code = _read_code(frame[2 : 2 + first])
    try:
        return code, _read_code(frame[3 + first :]) if second else None
    except FrameError:
        code.wipe()
        raise


def _read_lengths(frame: memoryview) -> tuple[int, int]:
    first = frame[1] if len(frame) > 1 else 0
    second = frame[2 + first] if len(frame) > 2 + first else 0
    if not first or len(frame) != 3 + first + second:
        raise FrameError("lengths that do not add up")
    return first, second


def _read_code(digits: memoryview) -> Pin:
    try:
        return Pin(bytearray(digits))
    except PinFormatError as error:
        raise FrameError("a code of the wrong format") from error
