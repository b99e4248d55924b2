"""The binary answer of a dialog: every malformed form is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people_values import digits

from agent.people.frame import Answer, FrameError, Verdict, read_frame, write_choice, write_frame


def test_bare_verdicts():
    assert read_frame(memoryview(b"\x00")) == Answer(Verdict.REFUSED)
    assert read_frame(memoryview(b"\x01")) == Answer(Verdict.ACCEPTED)


def test_pad_and_choice_carry_no_code():
    assert read_frame(memoryview(write_frame(Verdict.ON_PAD))) == Answer(Verdict.ON_PAD)
    assert read_frame(memoryview(write_choice(7))) == Answer(Verdict.CHOSEN, chosen=7)


def test_codes_travel():
    answer = read_frame(memoryview(b"\x02\x041234\x00"))
    assert (answer.verdict, digits(answer.code), answer.new_code) == (Verdict.CODES, "1234", None)
    answer = read_frame(memoryview(write_frame(Verdict.CODES_AND_SESSION, b"12345678", b"87654321")))
    assert answer.verdict is Verdict.CODES_AND_SESSION
    assert (digits(answer.code), digits(answer.new_code)) == ("12345678", "87654321")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x06",
        b"\xff",
        b"\x04\x00",
        b"\x04\x041234\x00",
        b"\x05",
        b"\x05\x00\x00",
        b"\x00\x00",
        b"\x01\x041234\x00",
        b"\x02",
        b"\x02\x00",
        b"\x02\x00\x00",
        b"\x02\x00\x041234",
        b"\x02\x04",
        b"\x02\x04123",
        b"\x02\x041234",
        b"\x02\x041234\x00\x00",
        b"\x02\x041234\x01",
        b"\x02\x041234\x045678\x00",
        b"\x02\x03123\x00",
        b"\x02\x0412a4\x00",
        b"\x02\x041234\x04567a",
        b"\x02\x041234\x03567",
        b"\x02\x09123456789\x00",
        b"\x02\x0812345678\x09123456789",
        b"\x02\xff1234",
        b"1234",
    ],
)
def test_malformed_frames_are_refused(frame):
    with pytest.raises(FrameError):
        read_frame(memoryview(frame))


@given(st.binary(max_size=24))
def test_any_bytes_give_an_answer_or_a_frame_error(frame):
    try:
        answer = read_frame(memoryview(frame))
    except FrameError:
        return
    if answer.verdict is Verdict.CHOSEN:
        assert write_choice(answer.chosen) == frame
        return
    codes = [b"" if pin is None else digits(pin).encode() for pin in (answer.code, answer.new_code)]
    assert write_frame(answer.verdict, *codes) == frame
