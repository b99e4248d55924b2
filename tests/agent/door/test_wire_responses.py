"""Responses as p11-kit's clients read them, byte by byte."""

from __future__ import annotations

from struct import error, pack

import pytest
from support.p11_letters import BY_NAME

from agent.door.calls import CALLS
from agent.door.codec import Codec
from agent.door.letters import find_readers, find_writers
from agent.door.values import Attribute, AttributesAnswer, Size

CODEC = Codec(False)


def written(name: str, *values) -> bytes:
    return CODEC.write_response(BY_NAME[name], values)


def response(number: int, signature: str, *values: str | bytes) -> bytes:
    head = pack(">II", number, len(signature)) + signature.encode()
    return head + b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in values)


def test_errors():
    assert CODEC.write_error(0x54) == bytes.fromhex("00000000 00000001 75 00000000 00000054")
    assert CODEC.write_error(0x80000001)[-4:] == bytes.fromhex("80000001")
    assert CODEC.write_error(0)[-1] == 5, "a client takes an error of 0 for a broken server"


def test_nothing_numbers_texts_and_versions():
    assert written("Finalize") == response(2, "")
    assert written("OpenSession", 7) == response(10, "u", "00000000 00000007")
    assert written("GetInfo", (2, 40), b"CPS".ljust(32), 0, b"x".ljust(32), (1, 0)) == response(
        3, "vsusv", "02 28", "00000020", b"CPS".ljust(32), "00000000 00000000", "00000020", b"x".ljust(32), "01 00"
    )


def test_lists():
    assert written("GetSlotList", (1, 2)) == response(4, "au", "01 00000002 00000000 00000001 00000000 00000002")
    assert written("GetSlotList", Size(2)) == response(4, "au", "00 00000002")
    for none in ((), Size(0)):  # valid, or a caller with a buffer would see CKR_BUFFER_TOO_SMALL
        assert written("GetSlotList", none) == response(4, "au", "01 00000000")


def test_bytes():
    assert written("Sign", b"ab") == response(43, "ay", "01 00000002 6162")
    assert written("Sign", b"") == response(43, "ay", "01 00000000")
    assert written("Sign", Size(256)) == response(43, "ay", "00 00000100")


def test_attributes_of_every_class():
    attributes = (
        Attribute(0, 3),
        Attribute(1, False),
        Attribute(3, "Clé".encode()),
        Attribute(0x110, b"20261126"),
        Attribute(0x111, b""),
        Attribute(0x40000600, (1, 64)),
        Attribute(0x103, None),
        Attribute(0x40000211, None),
    )
    assert written("GetAttributeValue", AttributesAnswer(attributes, 0x12)) == response(
        24, "aAu", "00000008",
        "00000000 01 00000008 00000000 00000003",
        "00000001 01 00000001 00",
        "00000003 01 00000004 00000004 436cc3a9",
        "00000110 01 00000008 00000008 3230323631313236",
        "00000111 01 00000000 00000000",
        "40000600 01 00000010 00000002 00000000 00000001 00000000 00000040",
        "00000103 00",
        "40000211 00",
        "00000000 00000012",
    )  # fmt: skip


@pytest.mark.parametrize(
    "attribute",
    [
        Attribute(0, b"\0"),
        Attribute(0, True),
        Attribute(1, 1),
        Attribute(1, b"\1"),
        Attribute(3, 5),
        Attribute(0x110, (1,)),
        Attribute(0x40000600, b"secret"),
    ],
)
def test_an_attribute_is_never_written_in_a_class_that_is_not_its_own(attribute):
    """The client would read all that follows wrongly; and what is told of it does not hold the value."""
    with pytest.raises(TypeError) as caught:
        written("GetAttributeValue", AttributesAnswer((attribute,), 0))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("OpenSession", ("7",)),
        ("OpenSession", (-1,)),
        ("OpenSession", (2**64,)),
        ("OpenSession", ()),
        ("OpenSession", (1, 2)),
        ("GetSlotList", (3,)),
        ("Sign", ("ab",)),
        ("Sign", (None,)),
        ("GetInfo", ("2.40", b"", 0, b"", (1, 0))),
        ("GetAttributeValue", ((),)),
    ],
)
def test_values_that_no_response_has(name, values):
    with pytest.raises((TypeError, ValueError, error)):
        written(name, *values)


def test_every_call_can_be_read_and_answered():
    assert all(number == call.id for number, call in CALLS.items())
    for call in CALLS.values():
        assert find_readers(call.request, modern=True, secret=False) is not None
        assert find_writers(call.response) is not None


def test_a_mechanism_that_something_unknown_follows_is_not_read():
    with pytest.raises(ValueError):
        find_readers("uMaA", modern=True, secret=False)
