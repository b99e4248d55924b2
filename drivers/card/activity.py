"""What a card tells of its holder's work, once its data objects are read: activity situations, and a speciality.

Of these objects' format no document is public: CPS_ACTIVITY_nn_PS is known from practice, `EE { 84 name of the
structure, 85 its IdNat_Struct, 86 sector (nomenclature R02) }`, and the rest is kept as it is. Nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from drivers.card.tlv import read_header
from drivers.errors import CardUnknownError

ACTIVITY_LABEL = re.compile(r"CPS_ACTIVITY_(0[1-9]|1[0-6])_PS")
INFO_LABEL = "CPS_INFO_PS"
PRIVATE_LABEL = re.compile(r"CPS(2TER)?_ACTIVITY_.*|CPS_SIT_FACT")
"""What the official library reads after the code alone, whatever a card's directory says of it."""

TAG_ACTIVITY, TAG_NAME, TAG_STRUCTURE, TAG_SECTOR = 0xEE, 0x84, 0x85, 0x86
SPECIALITY = re.compile(rb"[A-Z]{2}[0-9]{2}")
SPECIALITY_LENGTH = 4

PADDING = b"\x00\xff"
MAX_NAME, MAX_STRUCTURE_ID, MAX_SECTOR = 255, 64, 16
MAX_ELEMENTS = 32


@dataclass(frozen=True, slots=True)
class Activity:
    """One situation: `number` is the nn of its label, 1 to 16; numbers may be skipped.

    `structure_id` (IdNat_Struct) and `sector` (R02) are as the card has them, unchecked; None where it tells nothing.
    """

    number: int
    name: str | None
    structure_id: str | None
    sector: str | None


def activity_number(label: str) -> int | None:
    """The number of a CPS_ACTIVITY_nn_PS; None for any other label."""
    found = ACTIVITY_LABEL.fullmatch(label)
    return int(found[1]) if found else None


def is_private(label: str) -> bool:
    """Whether an object of that label is private, also where the card does not say so: it is never kept on a disk."""
    return PRIVATE_LABEL.fullmatch(label) is not None


def parse_activities(objects: Iterable[tuple[str, bytes]]) -> tuple[Activity, ...]:
    """The situations among labelled data objects, by their numbers; of two with one number the first counts.

    A file that holds nothing but padding is none.
    """
    contents: dict[int, bytes] = {}
    for label, content in objects:
        number = activity_number(label)
        if number is not None and content.strip(PADDING):
            contents.setdefault(number, content)
    return tuple(parse_activity(number, contents[number]) for number in sorted(contents))


def parse_activity(number: int, content: bytes) -> Activity:
    """One situation out of its bytes, as far as they can be understood."""
    outer = _elements(content)
    inner = _elements(outer[TAG_ACTIVITY]) if TAG_ACTIVITY in outer else outer
    return Activity(
        number,
        _text(inner.get(TAG_NAME), MAX_NAME),
        _text(inner.get(TAG_STRUCTURE), MAX_STRUCTURE_ID),
        _text(inner.get(TAG_SECTOR), MAX_SECTOR),
    )


def parse_speciality(content: bytes) -> str | None:
    """The code (R01) that CPS_INFO_PS ends with, as practice has it; None where it ends with anything else."""
    end = content.rstrip(PADDING)[-SPECIALITY_LENGTH:]
    return end.decode("ascii") if SPECIALITY.fullmatch(end) else None


def _elements(content: bytes) -> dict[int, bytes]:
    """First value of each tag."""
    found: dict[int, bytes] = {}
    for tag, value in _walk(content):
        found.setdefault(tag, value)
    return found


def _walk(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values up to what is no data object any more; one that runs past the end gives what is there."""
    offset = 0
    for _ in range(MAX_ELEMENTS):
        offset = len(content) - len(content[offset:].lstrip(PADDING))
        try:
            tag, header, length = read_header(content, offset)
        except CardUnknownError:
            return
        start, offset = offset + header, offset + header + length
        yield tag, content[start:offset]


def _text(value: bytes | None, limit: int) -> str | None:
    """UTF-8, or else Latin-1, which reads every byte; without padding, and none where nothing is left."""
    if value is None:
        return None
    kept = value.strip(PADDING)
    try:
        text = kept.decode("utf-8")
    except UnicodeDecodeError:
        text = kept.decode("latin-1")
    return text.strip()[:limit].strip() or None
