"""Attributes on the wire: how a value stands there follows from its type, and from nothing else.

The classes are those that p11-kit 0.24 and 0.26 give to the types of PKCS #11 v2.40 and v3.0. A type that is not
listed, a vendor's above all, is an array of bytes.
"""

from __future__ import annotations

from struct import Struct, pack

from agent.door.cursor import U32, U64, Cursor, WireError
from agent.door.values import Attribute, AttributeRoom, AttributesAnswer, AttributeValue

BOOLEANS = frozenset(
    (
        *(0x01, 0x02, 0x86, *range(0x103, 0x10D), *range(0x162, 0x166)),
        *(0x170, 0x171, 0x200, 0x202, 0x210, 0x301, 0x302, 0x405),
    )
)
NUMBERS = frozenset(
    (
        *(0x00, 0x80, 0x87, 0x88, 0x100, 0x121, 0x133, 0x134, 0x160, 0x161, 0x166),
        *(0x201, 0x300, *range(0x400, 0x405), 0x406, 0x500),
    )
)
DATES = frozenset((0x110, 0x111))
MECHANISM_LISTS = frozenset((0x40000600,))
TEMPLATES = frozenset((0x40000211, 0x40000212, 0x40000213))
"""CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE: no object of a card has them."""
_NO_OCTETS = BOOLEANS | NUMBERS | MECHANISM_LISTS | TEMPLATES

MAX_DEPTH = 2
"""Of templates in a template: PKCS #11 describes one level."""
DATE_LENGTHS = (0, 8)
ULONG_LENGTHS = (4, 8)
"""A program of 32 bits says 4, and sends eight bytes all the same."""

_HEAD = Struct(">IBI")


def read_attributes(cursor: Cursor, depth: int = 0) -> tuple[Attribute, ...]:
    """aA: a template. An attribute without a value, or with a template as its value, has the value None."""
    _check_depth(depth)
    return tuple(_read_attribute(cursor, depth) for _ in range(cursor.attribute_count()))


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise WireError("templates too deep in one another")


def _read_attribute(cursor: Cursor, depth: int) -> Attribute:
    kind = cursor.u32()
    if not cursor.flag():
        return Attribute(kind, None)
    length = cursor.u32()
    if kind in TEMPLATES:
        read_attributes(cursor, depth + 1)
        return Attribute(kind, None)
    return Attribute(kind, _read_value(cursor, kind, length))


def _read_value(cursor: Cursor, kind: int, length: int) -> AttributeValue | None:
    if kind in BOOLEANS:
        _check_length(0 <= length <= 1)
        value = cursor.byte()
        return bool(value) if length else None
    if kind in NUMBERS:
        _check_length(length <= ULONG_LENGTHS[-1])
        number = cursor.u64()
        return number if length in ULONG_LENGTHS else None
    if kind in MECHANISM_LISTS:
        return cursor.numbers(cursor.u32())
    return _read_octets(cursor, kind, length)


def _read_octets(cursor: Cursor, kind: int, length: int) -> bytes | None:
    value = cursor.array()
    if value is None:
        return None if length else b""
    _check_length(len(value) == length and (kind not in DATES or length in DATE_LENGTHS))
    return value


def _check_length(right: bool) -> None:  # noqa: FBT001 - what is checked reads as a sentence where it is called
    if not right:
        raise WireError("an attribute with a length that its type cannot have")


def read_rooms(cursor: Cursor, *, modern: bool) -> tuple[AttributeRoom, ...]:
    """fA, which ends its message: what is asked for, and the room for it.

    From 0.25.4 on a template is followed by what is asked for in it. A client of 0.25.4 or 0.25.5 cannot be told from
    older ones by its version, but by what is left.
    """
    start = cursor.at
    rooms = _read_rooms(cursor, 0, nested=modern)
    if cursor.left and not modern:
        again = cursor.again(start)
        rooms = _read_rooms(again, 0, nested=True)
        cursor.at = again.at
    return rooms


def _read_rooms(cursor: Cursor, depth: int, *, nested: bool) -> tuple[AttributeRoom, ...]:
    _check_depth(depth)
    return tuple(_read_room(cursor, depth, nested=nested) for _ in range(cursor.attribute_count()))


def _read_room(cursor: Cursor, depth: int, *, nested: bool) -> AttributeRoom:
    kind, room = cursor.u32(), cursor.u32()
    if nested and room and kind in TEMPLATES:
        _read_rooms(cursor, depth + 1, nested=True)
    return AttributeRoom(kind, room)


def write_answer(answer: AttributesAnswer) -> bytes:
    """aAu: the attributes in the order in which they were asked for, then the return value."""
    return b"".join((U32.pack(len(answer.attributes)), *map(_write_attribute, answer.attributes), U64.pack(answer.rv)))


def _write_attribute(attribute: Attribute) -> bytes:
    kind, value = attribute.type, attribute.value
    if value is None or kind in TEMPLATES:  # a client before 0.25 takes no template
        return U32.pack(kind) + b"\0"
    return _write_value(kind, value)


def _write_value(kind: int, value: AttributeValue) -> bytes:
    if kind in BOOLEANS and isinstance(value, bool):
        return _HEAD.pack(kind, 1, 1) + bytes((value,))
    if kind in NUMBERS and type(value) is int:
        return _HEAD.pack(kind, 1, 8) + U64.pack(value)
    if kind in MECHANISM_LISTS and isinstance(value, tuple):
        return _HEAD.pack(kind, 1, 8 * len(value)) + pack(f">I{len(value)}Q", len(value), *value)
    if kind not in _NO_OCTETS and isinstance(value, bytes):
        return _HEAD.pack(kind, 1, len(value)) + U32.pack(len(value)) + value
    raise TypeError(f"attribute 0x{kind:X} cannot be of type {type(value).__name__}")
