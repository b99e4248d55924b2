"""What a client of p11-kit's remote protocol writes and reads: the other direction of agent/door's codec.

`modern`: as 0.25.6 and later write, else as 0.24.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack, unpack_from

from agent.door.calls import CALLS
from agent.door.letters import split_letters
from agent.door.templates import BOOLEANS, MECHANISM_LISTS, NUMBERS, TEMPLATES
from agent.door.values import (
    Attribute,
    AttributeRoom,
    AttributesAnswer,
    Call,
    Mechanism,
    PssParameters,
    Size,
)

NULL = b"\xff\xff\xff\xff"
NO_PARAMETER = frozenset((*range(0x01, 0x09), 0x40, 0x41, 0x42, 0x46, 0x210, 0x220, 0x250, 0x260, 0x270, 0x1041))
"""Some mechanisms of those that a client never writes a parameter for."""
BY_NAME = {call.name: call for call in CALLS.values()}


@dataclass(frozen=True)
class AttributeSize:
    """In place of an attribute in an answer of the stock server to who asks for its size: `length` in bytes."""

    type: int
    length: int


class RefusedError(Exception):
    """The call ended with this CKR_…"""

    def __init__(self, rv: int) -> None:
        super().__init__(f"0x{rv:X}")
        self.rv = rv


def write_request(call: Call, arguments: tuple[object, ...], *, modern: bool) -> bytes:
    """The body of a request with one argument for each of its letters, as agent.door.values.Request has them."""
    letters = split_letters(call.request)
    parts = (write_argument(letter, value, modern=modern) for letter, value in zip(letters, arguments, strict=True))
    return write_head(call.id, call.request) + b"".join(parts)


def write_head(number: int, signature: str) -> bytes:
    """What a body begins with."""
    return pack(">II", number, len(signature)) + signature.encode()


def write_argument(letter: str, value, *, modern: bool) -> bytes:
    match letter:
        case "y":
            return bytes([value])
        case "u":
            return pack(">Q", value)
        case "ay":
            return _write_bytes(value, modern=modern)
        case "fy":
            return pack(">I", 0 if value is None else value or (0xFFFFFFFF if modern else 0))
        case "fu":
            return pack(">I", value or 0)
        case "aA":
            return pack(">I", len(value)) + b"".join(map(write_attribute, value))
        case "fA":
            return pack(">I", len(value)) + b"".join(_write_room(asked, modern=modern) for asked in value)
        case "M":
            return write_mechanism(value, modern=modern)
    raise ValueError(letter)


def _write_bytes(value: bytes | None, *, modern: bool) -> bytes:
    if value is None:
        return b"\1" + NULL if modern else bytes(5)
    return b"\1" + pack(">I", len(value)) + value


def _write_room(asked: AttributeRoom, *, modern: bool) -> bytes:
    inside = pack(">I", 0) if modern and asked.room and asked.type in TEMPLATES else b""
    return pack(">II", asked.type, asked.room) + inside


def write_attribute(attribute: Attribute) -> bytes:
    kind, value = attribute.type, attribute.value
    if value is None:
        return pack(">IB", kind, 0)
    if kind in BOOLEANS:
        return pack(">IBIB", kind, 1, 1, value)
    if kind in NUMBERS:
        return pack(">IBIQ", kind, 1, 8, value)
    if kind in MECHANISM_LISTS:
        return pack(f">IBII{len(value)}Q", kind, 1, 8 * len(value), len(value), *value)
    return pack(f">IBII{len(value)}s", kind, 1, len(value), len(value), value)


def write_mechanism(mechanism: Mechanism, *, modern: bool) -> bytes:
    kind, parameter = mechanism.type, mechanism.parameter
    if kind is None:
        return NULL
    if kind in NO_PARAMETER and parameter is None:
        return pack(">I", kind) + (b"" if modern else NULL)
    if parameter is None:
        return pack(">I", kind) + (b"\0" if modern else NULL)
    given = b"\1" if modern else b""
    if isinstance(parameter, PssParameters):
        return pack(">I", kind) + given + pack(">3Q", parameter.hash_mechanism, parameter.mgf, parameter.salt_length)
    return pack(">I", kind) + given + parameter


def read_response(call: Call, body: bytes) -> tuple[object, ...]:
    """The values of a response. Raises RefusedError, and AssertionError for what no client would take."""
    number, length = unpack_from(">II", body)
    signature = body[8 : 8 + length].decode()
    values, end = read_values(signature, body, 8 + length)
    assert end == len(body), "bytes after the last value"
    if number == 0:
        assert signature == "u", signature
        assert values[0] != 0, "an error without a number"
        raise RefusedError(values[0])
    assert (number, signature) == (call.id, call.response)
    return values


def read_values(signature: str, body: bytes, at: int) -> tuple[tuple, int]:
    values = []
    for letter in split_letters(signature):
        value, at = _READERS[letter](body, at)
        values.append(value)
    return tuple(values), at


def _read_number(body: bytes, at: int) -> tuple[int, int]:
    return unpack_from(">Q", body, at)[0], at + 8


def _read_version(body: bytes, at: int) -> tuple[tuple[int, ...], int]:
    return unpack_from("BB", body, at), at + 2


def _read_text(body: bytes, at: int) -> tuple[bytes | None, int]:
    if body[at : at + 4] == NULL:
        return None, at + 4
    (length,) = unpack_from(">I", body, at)
    assert len(body) >= at + 4 + length, "a response is cut short"
    return body[at + 4 : at + 4 + length], at + 4 + length


def _read_bytes(body: bytes, at: int) -> tuple[bytes | Size | None, int]:
    valid, length = unpack_from(">BI", body, at)
    return _read_text(body, at + 1) if valid else (Size(length), at + 5)


def _read_numbers(body: bytes, at: int) -> tuple[tuple[int, ...] | Size, int]:
    valid, count = unpack_from(">BI", body, at)
    return (unpack_from(f">{count}Q", body, at + 5), at + 5 + 8 * count) if valid else (Size(count), at + 5)


def _read_answer(body: bytes, at: int) -> tuple[AttributesAnswer, int]:
    (count,) = unpack_from(">I", body, at)
    at += 4
    attributes = []
    for _ in range(count):
        attribute, at = read_attribute(body, at)
        attributes.append(attribute)
    rv, at = _read_number(body, at)
    return AttributesAnswer(tuple(attributes), rv), at


def read_attribute(body: bytes, at: int) -> tuple[Attribute | AttributeSize, int]:
    kind, valid = unpack_from(">IB", body, at)
    if not valid:
        return Attribute(kind, None), at + 5
    (length,) = unpack_from(">I", body, at + 5)
    if kind in BOOLEANS:
        assert length == 1
        return Attribute(kind, bool(body[at + 9])), at + 10
    if kind in NUMBERS:
        assert length == 8
        return Attribute(kind, unpack_from(">Q", body, at + 9)[0]), at + 17
    if kind in MECHANISM_LISTS:
        (count,) = unpack_from(">I", body, at + 9)
        return Attribute(kind, unpack_from(f">{count}Q", body, at + 13)), at + 13 + 8 * count
    value, at = _read_text(body, at + 9)
    return (AttributeSize(kind, length) if value is None else Attribute(kind, value)), at


_READERS = {
    "u": _read_number,
    "v": _read_version,
    "s": _read_text,
    "z": _read_text,
    "ay": _read_bytes,
    "au": _read_numbers,
    "aAu": _read_answer,
}
