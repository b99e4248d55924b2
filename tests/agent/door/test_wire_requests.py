"""Requests as p11-kit's clients write them, byte by byte: 0.24.1 (old) and 0.25.6 or later (new) side by side."""

from __future__ import annotations

from struct import pack

import pytest

from agent.door.codec import Codec, UnknownCallError
from agent.door.cryptoki import CKR_FUNCTION_NOT_SUPPORTED
from agent.door.cursor import MAX_ATTRIBUTES, MAX_NUMBERS, WireError
from agent.door.values import Attribute, AttributeRoom, Mechanism, PssParameters, Request

OLD, NEW = Codec(False), Codec(True)
BOTH = pytest.mark.parametrize("codec", [OLD, NEW], ids=["old", "new"])

MAGIC = b"PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1"
SESSION = "00000000 00000007"


def message(number: int, signature: str, *arguments: str | bytes) -> bytes:
    """The body of a request; text is hexadecimal."""
    head = pack(">II", number, len(signature)) + signature.encode()
    return head + b"".join(bytes.fromhex(part) if isinstance(part, str) else part for part in arguments)


def read(codec: Codec, *parts) -> tuple[object, ...]:
    return codec.read_request(message(*parts)).arguments


@BOTH
def test_initialize(codec):
    body = message(1, "ayyay", "01 00000029", MAGIC, "01", "01 00000001 00")
    request = codec.read_request(body)
    assert isinstance(request, Request)
    assert (request.call.id, request.call.name) == (1, "Initialize")
    assert request.arguments == (MAGIC, 1, b"\0")


@BOTH
def test_numbers_and_lists(codec):
    assert read(codec, 2, "") == ()
    assert read(codec, 4, "yfu", "01", "00000000") == (1, None)  # how many slots are there
    assert read(codec, 4, "yfu", "00", "00000010") == (0, 16)
    assert read(codec, 10, "uu", "00000000 00000001 00000000 00000006") == (1, 6)
    assert read(codec, 65, "u", "ffffffff ffffffff") == (0xFFFFFFFFFFFFFFFF,)


@BOTH
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("00 00000000", None),  # a NULL pointer up to 0.24
        ("01 ffffffff", None),  # a NULL pointer from 0.25 on
        ("01 00000000", b""),
        ("01 00000003 616263", b"abc"),
    ],
)
def test_bytes_and_null(codec, written, meant):
    assert read(codec, 44, "uay", SESSION, written) == (7, meant)


@BOTH
def test_room_for_a_signature(codec):
    data = "01 00000001 61"
    assert read(codec, 43, "uayfy", SESSION, data, "00000000") == (7, b"a", None)  # pointer NULL
    assert read(codec, 43, "uayfy", SESSION, data, "00000200") == (7, b"a", 512)
    assert read(codec, 43, "uayfy", SESSION, data, "ffffffff") == (7, b"a", 0)  # 0.25 on: a buffer of no bytes


PSS = "00000000 00000250 00000000 00000002 00000000 00000020"
OAEP = "00000000 00000220 00000000 00000001 00000000 00000001 00000000"


@pytest.mark.parametrize(
    ("old", "new", "meant"),
    [
        ("00000001 ffffffff", "00000001", Mechanism(1)),  # CKM_RSA_PKCS takes no parameter
        ("00000040 ffffffff", "00000040", Mechanism(0x40)),  # CKM_SHA256_RSA_PKCS
        ("0000000d" + PSS, "0000000d 01" + PSS, Mechanism(13, PssParameters(0x250, 2, 32))),
        ("0000000d ffffffff", "0000000d 00", Mechanism(13)),  # PSS without its parameter
        ("00000043 01" + PSS, "00000043 01" + PSS, Mechanism(0x43, PssParameters(0x250, 2, 32))),  # new clients alone
        ("00000009" + OAEP, "00000009" + OAEP, Mechanism(9, bytes.fromhex(OAEP))),
        ("00000009 01" + OAEP, "00000009 01" + OAEP, Mechanism(9, b"\1" + bytes.fromhex(OAEP))),
        ("ffffffff", "ffffffff", Mechanism(None)),  # 0.25.3 on: end the operation
        ("0000000d 01020304", "0000000d 0102", None),  # no PSS: it is for the calls to refuse
    ],
)
@pytest.mark.parametrize("number", [42, 33])
def test_mechanisms(old, new, meant, number):
    for written in (old, new):
        for codec in (OLD, NEW):  # told by the bytes: a client of 0.25.6 that fell back to version 0 is read too
            session, mechanism, key = read(codec, number, "uMu", SESSION, written, "00000000 00000009")
            assert (session, key) == (7, 9)
            assert mechanism == meant or (meant is None and isinstance(mechanism.parameter, bytes))


@BOTH
def test_mechanism_at_the_end(codec):
    assert read(codec, 37, "uM", SESSION, "00000250") == (7, Mechanism(0x250))
    assert read(codec, 37, "uM", SESSION, "00000250 ffffffff") == (7, Mechanism(0x250))


TEMPLATE = (
    "00000009",
    "00000000 01 00000008 00000000 00000003",  # CKA_CLASS = CKO_PRIVATE_KEY
    "00000001 01 00000001 01",  # CKA_TOKEN
    "00000002 01 00000000 00",  # CKA_PRIVATE without a value
    "00000102 01 00000002 00000002 abcd",  # CKA_ID
    "00000003 00",  # CKA_LABEL, not given
    "00000110 01 00000008 00000008 3230323631313236",  # CKA_START_DATE
    "40000600 01 00000010 00000002 00000000 00000001 00000000 00000040",  # CKA_ALLOWED_MECHANISMS
    "40000211 01 00000018 00000001 00000103 01 00000001 01",  # CKA_WRAP_TEMPLATE
    "ce534353 01 00000004 00000004 00000001",  # CKA_NSS_…: bytes, whatever it means
)


@BOTH
def test_a_template(codec):
    session, template = read(codec, 26, "uaA", SESSION, *TEMPLATE)
    assert session == 7
    assert template == (
        Attribute(0, 3),
        Attribute(1, True),
        Attribute(2, None),
        Attribute(0x102, b"\xab\xcd"),
        Attribute(3, None),
        Attribute(0x110, b"20261126"),
        Attribute(0x40000600, (1, 64)),
        Attribute(0x40000211, None),
        Attribute(0xCE534353, b"\0\0\0\1"),
    )


@BOTH
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("00000003 01 00000000 ffffffff", b""),  # a NULL pointer and no length
        ("00000003 01 00000005 ffffffff", None),  # a NULL pointer that claims a length
        ("00000003 01 00000000 00000000", b""),
        ("00000110 01 00000000 ffffffff", b""),
        ("00000000 01 00000004 00000000 00000002", 2),  # a program of 32 bits
        ("00000000 01 00000000 00000000 00000000", None),
        ("00000000 01 00000002 00000000 00000000", None),
        ("00000001 01 00000001 ff", True),
    ],
)
def test_values_that_are_odd(codec, written, meant):
    (attribute,) = read(codec, 26, "uaA", SESSION, "00000001", written)[1]
    assert attribute.value == meant
    assert type(attribute.value) is type(meant)


@BOTH
@pytest.mark.parametrize(
    "written",
    [
        "00000001 01 00000002 01",  # a CK_BBOOL of two bytes
        "00000000 01 00000010 00000000 00000002",  # a CK_ULONG of sixteen
        "00000110 01 00000005 00000005 3230323631",  # a date of five
        "00000003 01 00000002 00000003 616263",  # two lengths
        "00000003 01 00000003 00000002 6162",
        "00000003 02 00000001 00000001 61",  # neither valid nor not
        "00000003 01 fffffffe fffffffe 61",
    ],
)
def test_values_that_cannot_be(codec, written):
    with pytest.raises(WireError):
        read(codec, 26, "uaA", SESSION, "00000001", written)


@BOTH
def test_what_is_asked_of_an_object(codec):
    asked = ("00000002", "00000102 00000000", "00000003 00000040")
    arguments = read(codec, 24, "uufA", SESSION, SESSION, *asked)
    assert arguments == (7, 7, (AttributeRoom(0x102, 0), AttributeRoom(3, 64)))


@pytest.mark.parametrize(
    ("codec", "written"),
    [
        (OLD, "40000211 00000030"),  # 0.24
        (OLD, "40000211 00000030 00000002 00000103 00000001 00000000 00000008"),  # 0.25.4 and 0.25.5
        (NEW, "40000211 00000030 00000002 00000103 00000001 00000000 00000008"),
        (NEW, "40000211 00000000"),  # a size query has nothing inside, in either
        (OLD, "40000211 00000000"),
    ],
)
def test_a_template_that_is_asked_of_an_object(codec, written):
    room = int(written.split()[1], 16)
    arguments = read(codec, 24, "uufA", SESSION, SESSION, "00000002", written, "00000003 00000040")
    assert arguments[2] == (AttributeRoom(0x40000211, room), AttributeRoom(3, 64))


@BOTH
@pytest.mark.parametrize("number", [14, 15, 18, 66])
def test_a_pin_is_not_read_and_wiped(codec, number):
    signature = {14: "uay", 15: "uayay", 18: "uuay", 66: "uuayay"}[number]
    pins = signature.count("ay")
    body = bytearray(
        message(number, signature, SESSION * signature.replace("ay", "").count("u"), "01 00000004 31323334" * pins)
    )
    arguments = codec.read_request(body).arguments
    assert arguments[-pins:] == (b"",) * pins
    assert not any(body)


@BOTH
def test_no_pin_at_all(codec):
    for written in ("00 00000000", "01 ffffffff"):
        assert read(codec, 18, "uuay", SESSION, "00000000 00000001", written) == (7, 1, None)


@BOTH
@pytest.mark.parametrize("signature", ["uayay", "uayayy", "uay"])
def test_a_pin_in_a_request_that_is_none_is_wiped_too(codec, signature):
    body = bytearray(message(15, signature, SESSION, "01 00000004 31323334", "01 00000004 31"))
    with pytest.raises((WireError, UnknownCallError)):
        codec.read_request(body)
    assert not any(body)


@BOTH
@pytest.mark.parametrize(
    ("number", "signature"), [(0, "u"), (9, "uayz"), (58, "uMaA"), (89, "uMuaA"), (4, "yfy"), (4, "yf"), (4, "")]
)
def test_a_call_that_is_not_taken(codec, number, signature):
    with pytest.raises(UnknownCallError) as caught:
        read(codec, number, signature, b"whatever follows")
    assert caught.value.rv == CKR_FUNCTION_NOT_SUPPORTED


WHOLE = [
    message(1, "ayyay", "01 00000029", MAGIC, "01", "01 00000001 00"),
    message(4, "yfu", "01", "00000010"),
    message(18, "uuay", SESSION, "00000000 00000001", "01 00000004 31323334"),
    message(24, "uufA", SESSION, SESSION, "00000002", "00000102 00000000", "00000003 00000040"),
    message(26, "uaA", SESSION, *TEMPLATE),
    message(43, "uayfy", SESSION, "01 00000001 61", "00000200"),
]


@BOTH
@pytest.mark.parametrize("body", WHOLE, ids=lambda body: str(body[3]))
def test_every_byte_counts(codec, body):
    codec.read_request(body)
    for length in range(len(body)):
        with pytest.raises((WireError, UnknownCallError)):
            codec.read_request(body[:length])
    with pytest.raises(WireError):
        codec.read_request(body + b"\0")


@BOTH
def test_every_byte_counts_beside_a_mechanism(codec):
    """What follows a mechanism tells where its parameter ends: a message without its end may be another message."""
    body = message(42, "uMu", SESSION, "00000001", "00000000 00000009")
    for length in range(len(body)):
        with pytest.raises((WireError, UnknownCallError)):
            codec.read_request(body[:length])


@BOTH
@pytest.mark.parametrize(
    "arguments",
    [
        (26, "uaA", SESSION, pack(">I", MAX_ATTRIBUTES + 1) + b"\0\0\0\3\0" * (MAX_ATTRIBUTES + 1)),
        (24, "uufA", SESSION, SESSION, pack(">I", MAX_ATTRIBUTES + 1) + bytes(8) * (MAX_ATTRIBUTES + 1)),
        # Many in a few, in a few: 20 000 in all, none of whose lists is long
        (26, "uaA", SESSION, pack(">I", 100) + b"\x40\0\2\x11\1\0\0\0\0" + pack(">I", 200) + b"\0\0\0\3\0" * 200),
        (26, "uaA", SESSION, "00000001 40000600 01 00008008", pack(">I", MAX_NUMBERS + 1) + bytes(8) * (MAX_NUMBERS + 1)),
        (26, "uaA", SESSION, "ffffffff"),
        (26, "uaA", SESSION, "00000001 40000600 01 00000008 ffffffff"),
        (44, "uay", SESSION, "01 fffffffe"),
    ],
)  # fmt: skip
def test_too_many(codec, arguments):
    with pytest.raises(WireError):
        read(codec, *arguments)


@BOTH
def test_as_many_as_may_be(codec):
    body = (26, "uaA", SESSION, pack(">I", MAX_ATTRIBUTES) + b"\0\0\0\3\0" * MAX_ATTRIBUTES)
    assert len(read(codec, *body)[1]) == MAX_ATTRIBUTES
    numbers = pack(">I", MAX_NUMBERS) + bytes(8) * MAX_NUMBERS
    ((attribute,),) = read(codec, 26, "uaA", SESSION, "00000001 40000600 01 00008000", numbers)[1:]
    assert len(attribute.value) == MAX_NUMBERS


def nested(kind: str, depth: int) -> str:
    """A template in a template in a template…"""
    return ("00000001 40000211" + kind) * depth + "00000000"


@pytest.mark.parametrize("depth", [3, 4, 1000])
@pytest.mark.parametrize(
    ("number", "signature", "head", "kind"),
    [(26, "uaA", SESSION, "01 00000018"), (24, "uufA", SESSION * 2, "00000018")],
)
def test_templates_too_deep(number, signature, head, kind, depth):
    assert read(NEW, number, signature, head, nested(kind, 2))
    with pytest.raises(WireError):
        read(NEW, number, signature, head, nested(kind, depth))


@BOTH
def test_a_signature_that_is_too_long(codec):
    with pytest.raises(WireError):
        codec.read_request(pack(">II", 4, 65) + b"u" * 65)
    with pytest.raises(UnknownCallError):
        codec.read_request(pack(">II", 4, 64) + b"u" * 64)


def test_nothing_of_a_call_is_in_what_goes_wrong():
    """A journal or a log that quotes these errors quotes nothing that a program sent."""
    with pytest.raises(UnknownCallError) as caught:
        NEW.read_request(pack(">II", 18, 6) + b"secret")
    assert "secret" not in str(caught.value)
