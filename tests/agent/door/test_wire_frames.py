"""Frames: cut anywhere by the socket, kept over a restart, and refused before there is much of them."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.door.cursor import WireError
from agent.door.frames import MAX_BODY, MAX_OPTIONS, FrameReader, write_frame


def frame(code: int, body: bytes, options: bytes = b"client") -> bytes:
    return pack(">III", code, len(options), len(body)) + options + body


def test_a_frame_as_a_client_sends_it():
    sent = bytes.fromhex(
        "00000010"  # the client's code
        "00000006"  # options: the module's name
        "00000008"  # a body of eight bytes
        "636c69656e74"  # "client"
        "0000000200000000"  # C_Finalize
    )
    ((code, body),) = FrameReader().feed(sent)
    assert (code, body) == (16, bytes.fromhex("0000000200000000"))


def test_a_frame_as_we_send_it():
    assert write_frame(16, b"abc") == bytes.fromhex("00000010 00000000 00000003 616263")


FRAMES = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=40), st.binary(max_size=8)), max_size=5)


@given(FRAMES, st.lists(st.integers(0, 400)), st.booleans())
def test_frames_however_they_are_cut(frames, cuts, restarting):
    stream = b"".join(frame(*each) for each in frames) + b"\0\0"
    reader, read, start = FrameReader(), [], 0
    for end in (*sorted(cut for cut in cuts if cut < len(stream)), len(stream)):
        read += reader.feed(stream[start:end])
        start = end
        if restarting:
            reader = FrameReader(reader.pending)
    assert read == [(code, body) for code, body, _ in frames]
    assert reader.pending == b"\0\0"


def test_an_empty_body_and_many_frames_at_once():
    assert FrameReader().feed(frame(1, b"", b"") * 1000) == [(1, b"")] * 1000


@pytest.mark.parametrize(("options", "body"), [(MAX_OPTIONS + 1, 0), (0, MAX_BODY + 1), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_too_long_is_refused_by_the_header_alone(options, body):
    reader = FrameReader()
    header = pack(">III", 16, options, body)
    assert reader.feed(header[:11]) == []
    with pytest.raises(WireError):
        reader.feed(header[11:])


def test_the_longest_there_may_be():
    (read,) = FrameReader().feed(frame(16, bytes(MAX_BODY), bytes(MAX_OPTIONS)))
    assert len(read.body) == MAX_BODY


def test_a_long_frame_in_small_parts_costs_no_more_than_once():
    """Each byte is copied a fixed number of times, however slowly they come: else a program could keep the agent busy."""
    reader = FrameReader()
    stream = memoryview(frame(16, bytes(MAX_BODY)))
    read = [found for at in range(0, len(stream), 1000) for found in reader.feed(bytes(stream[at : at + 1000]))]
    assert [len(found.body) for found in read] == [MAX_BODY]
    assert reader.pending == b""
