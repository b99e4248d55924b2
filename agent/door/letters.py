"""The letters of the protocol: what a request gives as arguments, and what a response is made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from struct import pack

from agent.door.cursor import NO_BYTES, U32, U64, Cursor
from agent.door.parameters import read_mechanism
from agent.door.templates import read_attributes, read_rooms, write_answer
from agent.door.values import AttributesAnswer, Size

Reader = Callable[[Cursor], object]
Writer = Callable[[object], bytes]

_LETTERS = re.compile("aAu|[af]?[a-zA-Z]")


@cache
def split_letters(signature: str) -> tuple[str, ...]:
    """The letters `uayfy` are u, ay, fy."""
    return tuple(_LETTERS.findall(signature))


def _read_bytes(cursor: Cursor) -> bytes | None:
    """ay: a NULL pointer is written in one way up to 0.24, in another from 0.25 on."""
    if cursor.flag():
        return cursor.array()
    cursor.u32()
    return None


def _pass_secret(cursor: Cursor) -> bytes | None:
    if cursor.flag():
        return b"" if cursor.skip_array() else None
    cursor.u32()
    return None


def _read_room(cursor: Cursor) -> int | None:
    """fy: from 0.25 on a buffer of no bytes is told from a NULL pointer."""
    room = cursor.u32()
    return 0 if room == NO_BYTES else room or None


def _read_places(cursor: Cursor) -> int | None:
    return cursor.u32() or None


_READERS: dict[str, Reader] = {
    "y": Cursor.byte,
    "u": Cursor.u64,
    "ay": _read_bytes,
    "fy": _read_room,
    "fu": _read_places,
    "aA": read_attributes,
}


def find_readers(signature: str, *, modern: bool, secret: bool) -> tuple[Reader, ...]:
    """What reads the arguments of a request one after the other; `secret`: bytes are passed over, as they are PINs."""
    letters = split_letters(signature)
    return tuple(
        _pass_secret if secret and letter == "ay" else _find_reader(letter, letters[index + 1 :], modern=modern)
        for index, letter in enumerate(letters)
    )


def _find_reader(letter: str, following: tuple[str, ...], *, modern: bool) -> Reader:
    if letter == "M":
        if set(following) - {"u"}:
            raise ValueError("a mechanism is read where only numbers follow")
        return partial(read_mechanism, after=U64.size * len(following))
    if letter == "fA":
        return partial(read_rooms, modern=modern)
    return _READERS[letter]


def _write_number(value: object) -> bytes:
    return U64.pack(value)


def _write_version(value: object) -> bytes:
    if not isinstance(value, tuple):
        raise TypeError("a version is two numbers")
    return bytes(value)


def _write_text(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a text is bytes, padded to the size of its field")
    return U32.pack(len(value)) + value


def _write_bytes(value: object) -> bytes:
    if isinstance(value, Size):
        return b"\0" + U32.pack(value.count)
    return b"\1" + _write_text(value)


def _write_numbers(value: object) -> bytes:
    """au: none at all is written as a list, or a client with a buffer would take it for too small."""
    if isinstance(value, Size):
        return b"\0" + U32.pack(value.count) if value.count else _write_numbers(())
    if not isinstance(value, tuple):
        raise TypeError("a list of numbers is a tuple")
    return pack(f">BI{len(value)}Q", 1, len(value), *value)


def _write_attributes(value: object) -> bytes:
    if not isinstance(value, AttributesAnswer):
        raise TypeError("the answer of C_GetAttributeValue is an AttributesAnswer")
    return write_answer(value)


_WRITERS: dict[str, Writer] = {
    "u": _write_number,
    "v": _write_version,
    "s": _write_text,
    "ay": _write_bytes,
    "au": _write_numbers,
    "aAu": _write_attributes,
}


@cache
def find_writers(signature: str) -> tuple[Writer, ...]:
    """What writes the values of a response one after the other."""
    return tuple(_WRITERS[letter] for letter in split_letters(signature))
