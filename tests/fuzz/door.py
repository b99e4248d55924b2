"""What a program may send to the door: any bytes at all, as requests or as a stream of frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import pack

from support.p11_letters import write_head, write_request

from agent.door.calls import CALLS
from agent.door.codec import Codec, UnknownCallError
from agent.door.cursor import WireError
from agent.door.frames import Frame, FrameReader
from agent.door.letters import split_letters
from agent.door.values import Attribute, AttributeRoom, Call, Mechanism, PssParameters, Request

MODERN, STREAM = 1, 2
"""Bits of the first byte: the encodings of the client, and frames instead of one request."""

_TEMPLATE = (
    *(
        Attribute(0, 3),
        Attribute(1, True),
        Attribute(3, b"label"),
        Attribute(0x102, None),
        Attribute(0x110, b"20261126"),
    ),
    *(Attribute(0x40000600, (1, 64)), Attribute(0xCE534353, b"\0")),
)
_ARGUMENTS = {
    "y": 1,
    "u": 7,
    "ay": b"data",
    "fy": 512,
    "fu": 16,
    "aA": _TEMPLATE,
    "fA": (AttributeRoom(0x102, 0), AttributeRoom(0x40000211, 48), AttributeRoom(3, 64)),
    "M": Mechanism(1),
}
_WRAPPED = bytes.fromhex("00000001 40000211 01 00000018 00000001 40000212 01 00000018 00000001 00000103 01 00000001 01")


def run_door(data: bytes) -> None:
    """Whatever is read means the same when it is written again, and however a stream is cut, its frames are the same."""
    kind, sent = data[:1], data[1:]
    flags = kind[0] if kind else 0
    if not flags & STREAM:
        _run_request(bytearray(sent), modern=bool(flags & MODERN))
        return
    for frame in _read_frames(sent, [len(sent)]) or []:
        _run_request(frame.body, modern=bool(flags & MODERN))
    assert _read_frames(sent, [len(sent) // 2, len(sent)]) == _read_frames(sent, [len(sent)])
    if len(sent) < 256:
        assert _read_frames(sent, range(len(sent) + 1)) == _read_frames(sent, [len(sent)])


def _read_frames(sent: bytes, ends: Iterable[int]) -> list[Frame] | None:
    """None when there is one that is too long."""
    reader, frames, start = FrameReader(), [], 0
    for end in ends:
        reader = FrameReader(reader.pending)
        try:
            frames += reader.feed(sent[start:end])
        except WireError:
            return None
        start = end
    return frames


def _run_request(body: bytearray, *, modern: bool) -> None:
    try:
        request = Codec(modern).read_request(body)
    except (WireError, UnknownCallError):
        return
    finally:
        assert not any(body)
    assert len(request.arguments) == len(split_letters(request.call.request))
    _write_again(request)


def _write_again(request: Request) -> None:
    if any(isinstance(value, Mechanism) and isinstance(value.parameter, bytes) for value in request.arguments):
        return  # what is not understood stays as one kind of client wrote it
    again = write_request(request.call, request.arguments, modern=True)
    assert Codec(modern=True).read_request(again) == request


def door() -> Iterator[bytes]:
    """Every call as old and new clients write it, and a stream of them."""
    for modern in (False, True):
        bodies = [body for call in CALLS.values() for body in _bodies(call, modern=modern)]
        for body in bodies:
            yield bytes([modern]) + body
        yield bytes([modern | STREAM]) + b"".join(_frame(16 + index, body) for index, body in enumerate(bodies[:6]))
    yield b"\1" + write_head(26, "uaA") + bytes(8) + _WRAPPED


def _bodies(call: Call, *, modern: bool) -> Iterator[bytes]:
    letters = split_letters(call.request)
    arguments = tuple(_ARGUMENTS[letter] for letter in letters)
    yield write_request(call, arguments, modern=modern)
    if call.name == "SignInit":
        for mechanism in (
            Mechanism(None),
            Mechanism(13),
            Mechanism(13, PssParameters(0x250, 2, 32)),
            Mechanism(9, bytes(28)),
        ):
            yield write_request(call, (7, mechanism, 9), modern=modern)
    if "ay" in letters:
        yield write_request(call, tuple(None if value == b"data" else value for value in arguments), modern=modern)


def _frame(code: int, body: bytes) -> bytes:
    return pack(">III", code, 6, len(body)) + b"client" + body
