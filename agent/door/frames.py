"""Frames of p11-kit's remote protocol, both ways: three numbers, options, and a body that is one message."""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from agent.door.cursor import Octets, WireError

HEADER = Struct(">III")
"""The code that the client chose and the answer repeats, the length of the options, the length of the body."""

MAX_OPTIONS = 4 * 1024
"""Bytes. A client sends the name of its module there, and nothing has ever been done with it."""
MAX_BODY = 4 * 1024 * 1024
"""Bytes. A program that signs more than this sends it in parts, or hashes it itself."""

LONGEST = HEADER.size + MAX_OPTIONS + MAX_BODY


class Frame(NamedTuple):
    """A message and the number that its answer must bear; `body` is the only copy, so that it can be wiped."""

    code: int
    body: bytearray


class Held:
    """Bytes that wait for more. Nothing of them is left in memory that was given back: a program's PIN may be there."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.length = 0

    def append(self, data: Octets | memoryview) -> None:
        """Copy what came behind what there is; room grows by doubling, so that each byte moves a few times at most."""
        end = self.length + len(data)
        if end > len(self.data):
            self._move(bytearray(max(end, min(2 * self.length, LONGEST))))
        memoryview(self.data)[self.length : end] = data  # a slice of the bytearray would make a copy first
        self.length = end

    def drop(self, count: int) -> None:
        """Forget the first `count` bytes."""
        if count == self.length:
            self._move(bytearray())
        else:
            memoryview(self.data)[: self.length - count] = memoryview(self.data)[count : self.length]
            wipe(self.data, self.length - count)
        self.length -= count

    def _move(self, room: bytearray) -> None:
        kept = min(len(room), self.length)
        memoryview(room)[:kept] = memoryview(self.data)[:kept]
        wipe(self.data)
        self.data = room


def wipe(data: bytearray, start: int = 0) -> None:
    """Set what stands there to zero."""
    data[start:] = bytes(len(data) - start)


def wipe_frames(frames: Iterable[Frame]) -> None:
    """Of messages that nobody is going to read, too."""
    for frame in frames:
        wipe(frame.body)


class FrameReader:
    """Puts frames together from what a socket gives. `pending`: what another reader held, before a restart."""

    def __init__(self, pending: bytes = b"") -> None:
        self._held = Held()
        self._held.append(pending)

    @property
    def pending(self) -> bytes:
        """What is held of a frame that is not whole yet."""
        return bytes(memoryview(self._held.data)[: self._held.length])

    @property
    def room(self) -> int:
        """Bytes of memory that are taken by it."""
        return len(self._held.data)

    def feed(self, data: Octets | memoryview) -> list[Frame]:
        """Copy what came, give the frames that are whole now. Raises WireError as soon as a header passes the caps."""
        held = self._held
        held.append(data)
        frames: list[Frame] = []
        try:
            start = _take_frames(held, frames)
        except WireError:
            wipe_frames(frames)
            raise
        if start:
            held.drop(start)
        return frames

    def forget(self) -> None:
        """Leave nothing of a frame that will never be whole."""
        self._held.drop(self._held.length)


def _take_frames(held: Held, frames: list[Frame]) -> int:
    """Copy the frames that are whole; where the rest begins. Raises WireError."""
    start = 0
    while (found := _find_frame(held, start)) is not None:
        code, body, start = found
        frames.append(Frame(code, held.data[body:start]))
    return start


def _find_frame(held: Held, start: int) -> tuple[int, int, int] | None:
    """Code, beginning and end of the body of the frame at `start`; None when it is not whole."""
    if held.length - start < HEADER.size:
        return None
    code, options, length = HEADER.unpack_from(held.data, start)
    if options > MAX_OPTIONS or length > MAX_BODY:
        raise WireError("a frame that is too long")
    body = start + HEADER.size + options
    return (code, body, body + length) if held.length >= body + length else None


def write_frame(code: int, body: Octets) -> bytes:
    """The frame of an answer: without options, as no client looks at them."""
    return HEADER.pack(code, 0, len(body)) + body
