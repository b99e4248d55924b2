"""DER of the few types that we write (ITU-T X.690), over the TLV encoder."""

from __future__ import annotations

from drivers.card.tlv import encode_tlv

TAG_INTEGER = 0x02
TAG_BIT_STRING = 0x03
TAG_OCTET_STRING = 0x04
TAG_NULL = 0x05
TAG_OID = 0x06
TAG_ENUMERATED = 0x0A
TAG_UTF8_STRING = 0x0C
TAG_PRINTABLE_STRING = 0x13
TAG_SEQUENCE = 0x30


def sequence(*values: bytes) -> bytes:
    """SEQUENCE and SEQUENCE OF."""
    return encode_tlv(TAG_SEQUENCE, *values)


def context(number: int, *values: bytes) -> bytes:
    """Constructed context-specific tag."""
    return encode_tlv(0xA0 | number, *values)


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return encode_tlv(TAG_OCTET_STRING, value)


def utf8(text: str) -> bytes:
    """UTF8String."""
    return encode_tlv(TAG_UTF8_STRING, text.encode())


def printable(text: str) -> bytes:
    """PrintableString."""
    return encode_tlv(TAG_PRINTABLE_STRING, text.encode("ascii"))


def integer(number: int) -> bytes:
    """INTEGER, not negative: with a leading zero where the first bit is set (X.690 §8.3)."""
    return encode_tlv(TAG_INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def enumerated(number: int) -> bytes:
    """ENUMERATED."""
    return encode_tlv(TAG_ENUMERATED, bytes([number]))


def null() -> bytes:
    """NULL."""
    return encode_tlv(TAG_NULL)


def bits(*numbers: int) -> bytes:
    """Named BIT STRING with these bits set, trailing zeroes dropped (X.690 §11.2.2)."""
    if not numbers:
        return encode_tlv(TAG_BIT_STRING, b"\0")
    size = max(numbers) // 8 + 1
    value = sum(1 << (8 * size - 1 - number) for number in set(numbers))
    return encode_tlv(TAG_BIT_STRING, bytes([7 - max(numbers) % 8]), value.to_bytes(size))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER (X.690 §8.19)."""
    first, second, *others = map(int, dotted.split("."))
    return encode_tlv(TAG_OID, b"".join(map(_base128, [40 * first + second, *others])))


def _base128(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(0x80 | number & 0x7F)
    return bytes(reversed(groups))
