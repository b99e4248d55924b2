"""Strings, moments, identifiers and numbers of certificates, in every form that was seen or may be sent to us."""

from __future__ import annotations

import datetime as dt

import pytest

from drivers.card.der import EARLIEST, LATEST, Element, read_bit_numbers, read_integer, read_oid, read_time
from drivers.card.names import read_text
from drivers.card.tlv import encode_tlv
from drivers.errors import CardUnknownError

DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("tag", "content", "text"),
    [
        (0x0C, "Médecin".encode(), "Médecin"),
        (0x0C, "Médecin".encode("latin-1"), "Médecin"),
        (0x14, "Médecin".encode("latin-1"), "Médecin"),
        (0x14, "Médecin".encode(), "Médecin"),
        (0x13, b"Medecin*", "Medecin*"),
        (0x1E, "Médecin".encode("utf-16-be"), "Médecin"),
        (0x1E, b"\xd8\x00\x00A\x00", "\ufffdA\ufffd"),
        (0x1C, "Médecin".encode("utf-32-be"), "Médecin"),
        (0x1C, b"\xff\xff\xff\xff", "\ufffd"),
        (0x0C, b"", ""),
        (0x0C, b"x" * 5000, "x" * 1024),
        (0x1E, b"\0x" * 5000, "x" * 1024),
        (0x03, b"\0x", None),
        (0x30, b"", None),
    ],
)
def test_strings_of_every_type(tag, content, text):
    assert read_text(Element(tag, content, encode_tlv(tag, content))) == text


@pytest.mark.parametrize(
    ("tag", "text", "moment"),
    [
        (0x17, "260101000000Z", DAY),
        (0x17, "2601010000Z", DAY),
        (0x17, "260101020000+0200", DAY),
        (0x17, "251231200000-0400", DAY),
        (0x17, "490101000000Z", dt.datetime(2049, 1, 1, tzinfo=dt.UTC)),
        (0x17, "500101000000Z", dt.datetime(1950, 1, 1, tzinfo=dt.UTC)),
        (0x17, "260101000060Z", DAY + dt.timedelta(seconds=60)),
        (0x18, "20260101000000Z", DAY),
        (0x18, "20260101000000.123Z", DAY),
        (0x18, "20260101000000", DAY),
        (0x18, "99991231235959Z", LATEST),
        (0x18, "99991231235959-9999", LATEST),
        (0x18, "00000101000000Z", EARLIEST),
        (0x18, "00010101000000+9999", EARLIEST),
        (0x18, "18500101000000Z", EARLIEST),
    ],
)
def test_moments(tag, text, moment):
    found = read_time(Element(tag, text.encode(), b""))
    assert found == moment
    found.astimezone(dt.timezone(dt.timedelta(hours=14)))
    found.astimezone(dt.timezone(-dt.timedelta(hours=14)))


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (0x17, ""), (0x17, "20260101000000Z"), (0x18, "260101000000Z"), (0x04, "260101000000Z"), (0x17, "261301000000Z"),
        (0x17, "260230000000Z"), (0x17, "260101250000Z"), (0x17, "260101006000Z"), (0x18, "2026010100000000000Z"),
        (0x17, "\u0662\u0666\u0660\u0661\u0660\u0661000000Z"), (0x17, "-60101000000Z"), (0x17, "260101000000Z\n"),
    ],
)  # fmt: skip
def test_what_is_no_moment(tag, text):
    with pytest.raises(CardUnknownError):
        read_time(Element(tag, text.encode(), b""))


@pytest.mark.parametrize(
    ("content", "dotted"),
    [
        ("550403", "2.5.4.3"),
        ("2A864886F70D010101", "1.2.840.113549.1.1.1"),
        ("8837", "2.999"),
        ("27", "0.39"),
        ("78", "2.40"),
    ],
)
def test_object_identifiers(content, dotted):
    assert read_oid(bytes.fromhex(content)) == dotted


@pytest.mark.parametrize("content", ["", "80", "5504FF", "81" * 32 + "01"])
def test_what_is_no_object_identifier(content):
    with pytest.raises(CardUnknownError):
        read_oid(bytes.fromhex(content))


def test_numbers():
    assert read_integer(b"\xff") == -1
    assert read_integer(b"\x00\xff") == 255
    for content in (b"", b"\1" * 65):
        with pytest.raises(CardUnknownError):
            read_integer(content)
    assert read_bit_numbers(b"\6\xc0") == {0, 1}
    for content in (b"", b"\x08\0"):
        with pytest.raises(CardUnknownError):
            read_bit_numbers(content)
