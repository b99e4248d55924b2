"""The contactless CPS3 as a terminal meets it, and what ATRs say of protocols."""

from __future__ import annotations

import pytest

from drivers.virtual.contactless import VirtualContactlessCps3
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import offers_t1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kinds")


@pytest.mark.parametrize(
    ("atr", "offered"),
    [
        ("3BAC00402A001225006480000310009000", False),
        ("3B9B188001001225006480040100009044", True),
        ("3BDC18FF000012250064800004010090 00", False),
        ("3B8F80010031B86404B0ECC173940180829000 0E", True),
        ("3B00", False),
        ("3B8101", True),
    ],
)
def test_whether_an_atr_offers_t1(atr, offered):
    assert offers_t1(bytes.fromhex(atr)) is offered


@pytest.fixture
def contactless(folder):
    with open_card_of_kind(folder, "cps3-contactless") as card:
        assert isinstance(card, VirtualContactlessCps3)
        card.power_on()
        yield card


def say(card, *commands):
    return [card.process(bytes.fromhex(command)).hex().upper() for command in commands][-1]


@pytest.mark.parametrize("command", ["0020000100", "00200001 04 31323334", "00240001 04 31323334", "002C0201 04 31323334"])  # fmt: skip
def test_near_a_reader_codes_are_refused(contactless, command):
    assert say(contactless, command) == "6982"
    assert contactless.codes_sent == 1


def test_near_a_reader_only_one_application_is_there(contactless):
    assert say(contactless, "00A4090C 04 3F000001") == "6A82"
    assert say(contactless, "00A4090C 04 3F000002") == "9000"
    assert say(contactless, "00A4040C 0D E828BD080F8025000001FF0020") == "9000"


def test_the_technical_key_is_seen_from_its_application(contactless):
    choose, sign = "002241A4 06 840183 800102", "00880000 33" + "00" * 51
    assert say(contactless, choose) == "6A88"
    assert say(contactless, "00A4090C 04 3F000002", "002241A4 06 840182 800102") == "6A88", "a key of the contact side"
    assert say(contactless, choose, sign) == "6100"
    assert say(contactless, sign + "00")[-4:] == "9000"
    assert say(contactless, "002A9E9A 20" + "00" * 32) == "6D00"
