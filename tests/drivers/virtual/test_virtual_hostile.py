"""Whatever bytes arrive, the card answers with a status word."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.virtual.apdu import parse_command
from drivers.virtual.status import StatusError

INSTRUCTIONS = (0x20, 0x22, 0x24, 0x2A, 0x2C, 0x84, 0x88, 0xA4, 0xB0, 0xC0, 0xCB, 0xD6)
OPENINGS = ("", "002000010431323334", "00A4000C020001", "00A4090C063F000001D107", "002241AA03800140",
            "002241B606840181800142", "002241B80684018280011A", "002241A406840182800102")  # fmt: skip


@st.composite
def plausible_commands(draw):
    """Known instructions with parameters near the right ones, so that handlers are reached."""
    cla = draw(st.sampled_from((0x00, 0x10, 0x0C, 0x80)))
    p1 = draw(st.sampled_from((0x00, 0x02, 0x04, 0x09, 0x3F, 0x41, 0x80, 0x90, 0x9C, 0x9E)) | st.integers(0, 255))
    p2 = draw(st.sampled_from((0x00, 0x01, 0x02, 0x04, 0x0C, 0x86, 0x9A, 0xA0, 0xA4, 0xAA, 0xFF)) | st.integers(0, 255))
    data = draw(st.binary(max_size=260))
    length = draw(st.sampled_from((len(data) & 0xFF, 0, 1, 255)))
    return bytes([cla, draw(st.sampled_from(INSTRUCTIONS)), p1, p2, length]) + data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
@given(
    apdus=st.lists(st.binary(max_size=300) | plausible_commands(), min_size=1, max_size=6),
    opening=st.sampled_from(OPENINGS),
)
def test_every_command_is_answered(terminal, apdus, opening):
    if opening:
        terminal.raw(opening)
    for apdu in apdus:
        answer = terminal.card.process(apdu)
        assert 2 <= len(answer) <= 258
        assert answer[-2] in (0x61, 0x63, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x90)


def test_every_header_is_answered(terminal):
    for ins, p2 in itertools.product(range(256), (0x00, 0x04, 0x0C, 0xA0)):
        assert len(terminal.card.process(bytes([0x00, ins, 0x00, p2, 0x00]))) >= 2


@pytest.mark.parametrize("apdu", [b"", b"\x00", b"\x00\xa4\x00", bytes(70000)])
def test_parse_command_refuses_other_lengths(apdu):
    with pytest.raises(StatusError, match="6700"):
        parse_command(apdu)
