"""Bytes to values: data objects, DigestInfo, codes, deadlines."""

import copy
import pickle

import pytest
from asn1crypto import algos
from card_fakes import digest_of
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Deadline, Digest, PinStatus
from drivers.card.signatures import HASHES, encode_digest_info
from drivers.card.tlv import encode_tlv, find_tlv, read_header, read_tlvs
from drivers.errors import CardBusyError, CardUnknownError, PinFormatError
from drivers.pin import Pin


@given(st.lists(st.tuples(st.sampled_from([0x04, 0x30, 0x61, 0x7F41, 0x5F2D]), st.binary(max_size=400)), max_size=6))
def test_data_objects_come_back(objects):
    content = b"".join(encode_tlv(tag, value) + b"\0\xff" for tag, value in objects)
    assert [(item.tag, item.value) for item in read_tlvs(content)] == objects


def test_a_path_of_tags():
    content = encode_tlv(0x61, encode_tlv(0x4F, b"A"), encode_tlv(0x73, encode_tlv(0x30, b"\x04\x01B")))
    assert find_tlv(content, 0x61, 0x73, 0x30, 0x04).value == b"B"
    assert find_tlv(content, 0x61, 0x50) is None
    assert find_tlv(content, 0x62, 0x50) is None
    assert find_tlv(b"") is not None


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535])
def test_lengths(length):
    encoded = encode_tlv(0x30, bytes(length))
    tag, header, value = read_header(encoded)
    assert (tag, value, header + value) == (0x30, length, len(encoded))


@pytest.mark.parametrize("text", ["", "30", "3081", "308201", "30800000", "3085", "1F8101", "3084000000", "7F"])
def test_headers_that_are_none(text):
    with pytest.raises(CardUnknownError):
        read_header(bytes.fromhex(text))


@pytest.mark.parametrize("algorithm", HASHES)
def test_digest_info_as_asn1crypto_makes_it(algorithm):
    digest = Digest(algorithm, bytes(range(HASHES[algorithm].digest_size)))
    parsed = algos.DigestInfo({"digest_algorithm": {"algorithm": algorithm}, "digest": digest.value})
    assert encode_digest_info(digest) == parsed.dump()


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 31), ("sha1", 0), ("md5", 16), ("", 0)])
def test_digests_of_no_length(algorithm, length):
    with pytest.raises(ValueError):
        Digest(algorithm, bytes(length))
    assert digest_of(b"x").algorithm == "sha256"


def test_a_code_is_shown_by_nothing_and_copied_by_nothing():
    pin = Pin(bytearray(b"1234"))
    assert "1234" not in repr(pin) + str(pin) + f"{pin!r}"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(pin)
    with pytest.raises(AttributeError):
        pin.other = 1


def test_a_code_is_wiped_in_its_own_memory():
    digits = bytearray(b"1234")
    with Pin(digits) as pin:
        assert len(pin) == 4
    assert digits == bytes(4)
    command = bytearray()
    with pytest.raises(PinFormatError):
        pin.append_to(command)
    assert command == b""


def test_a_deadline_can_be_brought_forward():
    deadline = Deadline(60)
    deadline.check()
    assert 0 < deadline.remaining_s <= 60
    deadline.cancel()
    assert deadline.remaining_s == 0
    for passed in (deadline, Deadline(0), Deadline(-1)):
        with pytest.raises(CardBusyError):
            passed.check()


def test_a_blocked_code():
    assert PinStatus(0, verified=False).blocked
    assert not PinStatus(None, verified=True).blocked
