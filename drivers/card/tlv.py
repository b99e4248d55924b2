"""BER-TLV with one- and two-byte tags and definite lengths (ISO 7816-4 §5.2.2, ITU-T X.690 §8.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.errors import CardUnknownError


@dataclass(frozen=True, slots=True)
class Tlv:
    """One data object: the tag as an integer (0x7F41 for two bytes) and its value."""

    tag: int
    value: bytes

    def children(self) -> Iterator[Tlv]:
        """Parse the value as data objects."""
        return read_tlvs(self.value)

    def find(self, *path: int) -> Tlv | None:
        """First object reached by following the tags, or None."""
        here: Tlv | None = self
        for tag in path:
            here = next((child for child in here.children() if child.tag == tag), None) if here else None
        return here


def read_header(data: bytes | memoryview, offset: int = 0) -> tuple[int, int, int]:
    """Tag, header length and value length of the object at `offset`. Raises CardUnknownError when cut short."""
    try:
        tag, at = data[offset], offset + 1
        if tag & 0x1F == 0x1F:
            tag, at = tag << 8 | data[at], at + 1
            if tag & 0x80:
                raise CardUnknownError("a tag of more than two bytes")
        length, at = data[at], at + 1
        if length > 0x80:
            count = length & 0x7F
            if count > 3 or at + count > len(data):
                raise CardUnknownError("a length that no card file has")
            length, at = int.from_bytes(data[at : at + count]), at + count
        elif length == 0x80:
            raise CardUnknownError("an indefinite length")
    except IndexError as error:
        raise CardUnknownError("a data object is cut short") from error
    return tag, at - offset, length


def read_tlvs(data: bytes) -> Iterator[Tlv]:
    """Yield the data objects one after the other; 00 and FF between them are padding (ISO 7816-4 §5.2.2.1).

    Raises CardUnknownError when an object runs past the end.
    """
    offset = 0
    while offset < len(data):
        if data[offset] in (0x00, 0xFF):
            offset += 1
            continue
        tag, header, length = read_header(data, offset)
        end = offset + header + length
        if end > len(data):
            raise CardUnknownError("a data object runs past its end")
        yield Tlv(tag, data[offset + header : end])
        offset = end


def find_tlv(data: bytes, *path: int) -> Tlv | None:
    """First object reached by following the tags from the top, or None."""
    return Tlv(0, data).find(*path)


def encode_tlv(tag: int, *values: bytes) -> bytes:
    """Encode one data object around the joined values."""
    value = b"".join(values)
    head = tag.to_bytes(2 if tag > 0xFF else 1)
    length = len(value)
    if length < 0x80:
        return head + bytes([length]) + value
    size = (length.bit_length() + 7) // 8
    return head + bytes([0x80 | size]) + length.to_bytes(size) + value
