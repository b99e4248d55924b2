"""DER read one element after the other, as certificates need it (ITU-T X.690); loosely: BER lengths and order pass."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from drivers.card.tlv import read_header
from drivers.errors import CardUnknownError

TAG_BOOLEAN, TAG_INTEGER, TAG_BIT_STRING, TAG_OCTET_STRING, TAG_OID = 0x01, 0x02, 0x03, 0x04, 0x06
TAG_UTC_TIME, TAG_GENERALIZED_TIME = 0x17, 0x18
TAG_SEQUENCE, TAG_SET = 0x30, 0x31

MAX_OID = 32  # bytes; the longest in use has 20
MAX_INTEGER = 64  # bytes; RFC 5280 §4.1.2.2 gives a serial number 20

EARLIEST = datetime(1950, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 1, tzinfo=UTC)
"""Moments beyond are brought to these, from where days can be added and any time zone be shown."""

TIME = re.compile(
    rb"(?P<year>\d{2}|\d{4})(?P<month>\d\d)(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)"
    rb"(?:(?P<second>\d\d)(?:[.,]\d{1,9})?)?(?:Z|(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d))?"
)


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its tag, its content and all of its bytes."""

    tag: int
    value: bytes
    der: bytes


class Elements:
    """The elements within some content, taken in order; `what` names them in errors, which are CardUnknownError."""

    def __init__(self, content: bytes, what: str) -> None:
        self._content = content
        self._what = what
        self._offset = 0

    @property
    def ended(self) -> bool:
        """Whether all were taken."""
        return self._offset >= len(self._content)

    def take(self, tag: int) -> Element:
        """Take the next one, which must have this tag."""
        found = self.take_any()
        if found.tag != tag:
            raise CardUnknownError(f"{self._what}: tag {found.tag:02X} where {tag:02X} belongs")
        return found

    def take_if(self, tag: int) -> Element | None:
        """Take the next one if it has this tag."""
        if self.ended or read_header(self._content, self._offset)[0] != tag:
            return None
        return self.take_any()

    def take_any(self) -> Element:
        """Take the next one, whatever its tag."""
        start = self._offset
        tag, header, length = read_header(self._content, start)
        end = start + header + length
        if end > len(self._content):
            raise CardUnknownError(f"{self._what}: an element runs past its end")
        self._offset = end
        return Element(tag, self._content[start + header : end], self._content[start:end])

    def take_all(self, tag: int, at_most: int) -> list[Element]:
        """Take all that are left, each of this tag; more than `at_most` are refused."""
        found: list[Element] = []
        while not self.ended:
            if len(found) == at_most:
                raise CardUnknownError(f"{self._what}: more than {at_most} elements")
            found.append(self.take(tag))
        return found


def read_whole(der: bytes, tag: int, what: str) -> Element:
    """The one element that these bytes are, nothing after it. Raises CardUnknownError."""
    elements = Elements(der, what)
    found = elements.take(tag)
    if not elements.ended:
        raise CardUnknownError(f"{what}: bytes after its end")
    return found


def read_oid(content: bytes) -> str:
    """An object identifier in dotted form (X.690 §8.19). Raises CardUnknownError."""
    if not content or len(content) > MAX_OID or content[-1] & 0x80:
        raise CardUnknownError("an object identifier that is none")
    arcs, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(number)
            number = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def read_integer(content: bytes) -> int:
    """An INTEGER, which may be negative (X.690 §8.3). Raises CardUnknownError."""
    if not content or len(content) > MAX_INTEGER:
        raise CardUnknownError("an integer that is none, or longer than any")
    return int.from_bytes(content, signed=True)


def read_bits(content: bytes) -> bytes:
    """The whole bytes of a BIT STRING that holds bytes (X.690 §8.6). Raises CardUnknownError."""
    if not content or content[0] != 0:
        raise CardUnknownError("a bit string that does not hold bytes")
    return content[1:]


def read_bit_numbers(content: bytes) -> frozenset[int]:
    """Numbers of the bits that are set in the first four bytes of a named BIT STRING. Raises CardUnknownError."""
    if not content or content[0] > 7:
        raise CardUnknownError("a bit string that is none")
    bits = content[1:5]
    return frozenset(n for n in range(8 * len(bits)) if bits[n // 8] >> (7 - n % 8) & 1)


def read_time(element: Element) -> datetime:
    """A Time (RFC 5280 §4.1.2.5) in UTC, between EARLIEST and LATEST.

    Seconds may be absent and an offset may stand, as BER allows. Raises CardUnknownError for what is no moment.
    """
    found = TIME.fullmatch(element.value[:40])
    if found is None or len(found["year"]) != {TAG_UTC_TIME: 2, TAG_GENERALIZED_TIME: 4}.get(element.tag):
        raise CardUnknownError("a date that is none")
    try:
        day = datetime(_year(found), int(found["month"]), int(found["day"]), tzinfo=UTC)
        moment = day.replace(hour=int(found["hour"]), minute=int(found["minute"]))
    except ValueError as error:
        raise CardUnknownError("a date that is none") from error
    return _within(_within(moment) + timedelta(seconds=int(found["second"] or 0)) - _offset(found))


def _year(found: re.Match[bytes]) -> int:
    """Two digits are of 1950 to 2049; year 0 is as early as any before 1950."""
    year = int(found["year"])
    if len(found["year"]) == 2:
        return year + (1900 if year >= 50 else 2000)
    return max(year, 1)


def _offset(found: re.Match[bytes]) -> timedelta:
    if found["sign"] is None:
        return timedelta()
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return -offset if found["sign"] == b"-" else offset


def _within(moment: datetime) -> datetime:
    return min(max(moment, EARLIEST), LATEST)
