"""Frames of p11-kit's remote protocol, both ways: three numbers, options, and a body that is one message."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from agent.door.cursor import Octets, WireError

HEADER = Struct(">III")
"""The code that the client chose and the answer repeats, the length of the options, the length of the body."""

MAX_OPTIONS = 4 * 1024
"""Bytes. A client sends the name of its module there, and nothing has ever been done with it."""
MAX_BODY = 4 * 1024 * 1024
"""Bytes. A program that signs more than this sends it in parts, or hashes it itself."""


class Frame(NamedTuple):
    """A message and the number that its answer must bear; `body` is the only copy, so that it can be wiped."""

    code: int
    body: bytearray


class FrameReader:
    """Puts frames together from what a socket gives. `pending`: what another reader held, before a restart."""

    def __init__(self, pending: bytes = b"") -> None:
        self._held = bytearray(pending)

    @property
    def pending(self) -> bytes:
        """What is held of a frame that is not whole yet."""
        return bytes(self._held)

    def feed(self, data: Octets) -> list[Frame]:
        """Take what came, give the frames that are whole now. Raises WireError as soon as a header passes the caps."""
        held = self._held
        held += data
        frames = []
        start = 0
        while (found := _find_frame(held, start)) is not None:
            code, body, end = found
            frames.append(Frame(code, held[body:end]))
            start = end
        self._drop(start)
        return frames

    def _drop(self, count: int) -> None:
        self._held[:count] = bytes(count)  # a program's PIN may have stood there
        del self._held[:count]


def _find_frame(held: bytearray, start: int) -> tuple[int, int, int] | None:
    """Code, beginning and end of the body of the frame at `start`; None when it is not whole."""
    if len(held) - start < HEADER.size:
        return None
    code, options, length = HEADER.unpack_from(held, start)
    if options > MAX_OPTIONS or length > MAX_BODY:
        raise WireError("a frame that is too long")
    body = start + HEADER.size + options
    return (code, body, body + length) if len(held) >= body + length else None


def write_frame(code: int, body: Octets) -> bytes:
    """The frame of an answer: without options, as no client looks at them."""
    return HEADER.pack(code, 0, len(body)) + body
