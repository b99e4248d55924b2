"""A card under observation."""

import time

import pytest

from drivers.virtual.trace import TracedCard, describe_command


def test_codes_are_hidden_and_the_rest_is_shown(card):
    lines = []
    traced = TracedCard(card, lines.append)
    assert traced.atr == card.atr
    for command in ("002000010431323334", "002400010831323334 39383736", "0020000100", "0084000001"):
        traced.process(bytes.fromhex(command))
    assert lines[:6] == [
        "> 00 20 00 01 04 ****",
        "< 90 00",
        "> 00 24 00 01 08 ****",
        "< 90 00",
        "> 00 20 00 01 00",
        "< 90 00",
    ]
    assert traced.exchanges == 4
    assert traced.bytes_to_card == 9 + 13 + 5 + 5
    assert traced.bytes_from_card == 2 + 2 + 2 + 3
    assert not any("31 32 33" in line for line in lines)
    traced.reset()
    traced.power_off()
    assert traced.power_on() == card.atr
    assert lines[-3:] == ["# reset", "# power off", "# power on"]


@pytest.mark.parametrize("cla", ["00", "10", "80", "0C"])
@pytest.mark.parametrize("ins", ["20", "24", "2C"])
def test_no_form_of_a_code_command_shows_a_code(cla, ins):
    for tail in ("0001 04 31323334", "0201 08 3132333435363738", "0001 31323334", "0001 000004 31323334"):
        assert "32 33" not in describe_command(bytes.fromhex(cla + ins + tail))
        assert "33 34" not in describe_command(bytes.fromhex(cla + ins + tail))


def test_delay(card):
    traced = TracedCard(card, delay_s=0.05)
    start = time.monotonic()
    traced.process(bytes.fromhex("0084000008"))
    assert time.monotonic() - start >= 0.05
