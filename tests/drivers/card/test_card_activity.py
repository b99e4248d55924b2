"""Activity situations out of a card's bytes: as practice knows them, with gaps, damaged, and hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.card.activity import (
    MAX_NAME,
    Activity,
    activity_number,
    is_private,
    parse_activities,
    parse_activity,
    parse_speciality,
)
from drivers.card.tlv import encode_tlv
from drivers.virtual.image import encode_situation
from drivers.virtual.personalisation import Situation

PRACTICE = bytes.fromhex("EE25 840C 434142494E45542054455354 850F 343939373030373335373431303038 8604 53413037")
"""A container as practice describes it: name, `4` with an RPPS, its rank and a key, and the sector SA07."""


def test_one_situation():
    content = encode_situation(Situation(1, "CABINET DU DR ESSAI", "499700735741008", "SA07"))
    assert parse_activity(1, content) == Activity(1, "CABINET DU DR ESSAI", "499700735741008", "SA07")


def test_bytes_written_by_hand():
    assert parse_activity(2, PRACTICE) == Activity(2, "CABINET TEST", "499700735741008", "SA07")


@pytest.mark.parametrize(
    ("label", "number"),
    [
        ("CPS_ACTIVITY_01_PS", 1),
        ("CPS_ACTIVITY_16_PS", 16),
        ("CPS_ACTIVITY_00_PS", None),
        ("CPS_ACTIVITY_17_PS", None),
        ("CPS_ACTIVITY_1_PS", None),
        ("CPS_ACTIVITY_01_PS\n", None),
        ("CPS2TER_ACTIVITY_01_PS", None),
        ("CPS_INFO_PS", None),
        ("", None),
    ],
)
def test_labels(label, number):
    assert activity_number(label) == number


@pytest.mark.parametrize(
    "label", ["CPS_ACTIVITY_01_PS", "CPS_ACTIVITY_99_PS", "CPS2TER_ACTIVITY_16_PS", "CPS_SIT_FACT"]
)
def test_private_labels(label):
    assert is_private(label)


@pytest.mark.parametrize("label", ["CPS_INFO_PS", "CPS_DATA", "CPS2TER_NAME", "", "CPS_SIT_FACT2"])
def test_labels_that_are_not(label):
    assert not is_private(label)


def test_gaps_are_kept_and_the_order_is_that_of_the_numbers():
    objects = [(f"CPS_ACTIVITY_{number:02}_PS", encode_tlv(0xEE, encode_tlv(0x86, b"SA01"))) for number in (16, 3, 1)]
    found = parse_activities([("CPS_SIT_FACT", b"\xef\x00"), *objects, ("CPS_INFO_PS", b"SM26")])
    assert [each.number for each in found] == [1, 3, 16]
    assert found[0] == Activity(1, None, None, "SA01")


def test_of_two_with_one_number_the_first_counts_and_padding_is_none():
    name = "CPS_ACTIVITY_05_PS"
    first, second = (encode_tlv(0xEE, encode_tlv(0x84, text)) for text in (b"FIRST", b"SECOND"))
    assert [each.name for each in parse_activities([(name, b"\0\xff"), (name, first), (name, second)])] == ["FIRST"]
    assert parse_activities([(name, bytes(64)), (name, b"")]) == ()


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("MAISON DE SANTÉ".encode(), "MAISON DE SANTÉ"),
        ("HÔPITAL".encode("latin-1"), "HÔPITAL"),
        (b"CABINET\0\0\0", "CABINET"),
        (b"   ", None),
        (b"", None),
        (b"x" * 4000, "x" * MAX_NAME),
    ],
)
def test_names(stored, shown):
    assert parse_activity(1, encode_tlv(0xEE, encode_tlv(0x84, stored))).name == shown


@pytest.mark.parametrize(
    ("content", "name", "structure_id"),
    [
        ("EE820BB8 8404454C4142", "ELAB", None),  # the container promises more than there is
        ("EE07 84504142434445", "ABCDE", None),  # so does the name
        ("EE80 8403414243 0000", None, None),  # a length without end
        ("EE84FFFFFFFF 8403414243", None, None),  # one that no file has
        ("8403414243 8504313233", "ABC", "123"),  # no container
        ("EE 00 8403414243", None, None),  # nothing in it
        ("1F", None, None),
        ("EE", None, None),
    ],
)
def test_sizes_that_lie(content, name, structure_id):
    assert parse_activity(9, bytes.fromhex(content)) == Activity(9, name, structure_id, None)


def test_elements_without_end_are_bounded():
    endless = encode_tlv(0xEE, b"\x30\x00" * 20_000 + encode_tlv(0x84, b"LATE"))
    assert parse_activity(1, endless).name is None


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (encode_tlv(0xEA, encode_tlv(0x80, b"899700002712"), encode_tlv(0x86, b"SM26")), "SM26"),
        (b"....SM54\0\0\xff", "SM54"),
        (b"SM2", None),
        (b"....sm26", None),
        (b"", None),
        (b"\xee\xff\0", None),
    ],
)
def test_the_speciality_is_what_the_object_ends_with(content, code):
    assert parse_speciality(content) == code


@given(st.integers(1, 16), st.binary(max_size=600))
def test_any_bytes_are_a_situation(number, content):
    activity = parse_activity(number, content)
    assert activity.number == number
    assert all(text is None or text == text.strip() for text in (activity.name, activity.structure_id, activity.sector))
    parse_speciality(content)


@given(st.lists(st.tuples(st.sampled_from(["CPS_ACTIVITY_01_PS", "CPS_ACTIVITY_16_PS", "X"]), st.binary(max_size=80))))
def test_any_objects_give_each_number_once(objects):
    numbers = [each.number for each in parse_activities(objects)]
    assert numbers == sorted(set(numbers))
