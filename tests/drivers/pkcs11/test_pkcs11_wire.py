"""The frames between agent and worker: what is written is read again, codes are never text, lies are errors."""

from __future__ import annotations

import contextlib
import io
import json
import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DriverError, PinFormatError
from drivers.pin import Pin
from drivers.pkcs11 import wire

KINDS = [
    wire.ListSlots, wire.OpenToken, wire.ReadStatus, wire.CheckPin, wire.ChangePin, wire.UnblockPin, wire.Sign,
    wire.ReadData,
]  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=16)
values = st.binary(max_size=300)
slots = st.integers(0, 2**64 - 1)
statuses = st.builds(wire.TokenStatus, *[st.booleans()] * 4)
states = st.builds(wire.SlotState, slots, texts, st.booleans(), texts, st.none() | texts)
answers = st.one_of(
    statuses,
    st.builds(wire.Slots, texts, st.lists(states, max_size=5)),
    st.builds(
        wire.Opened, texts, texts, texts, st.booleans(),
        st.lists(st.builds(wire.CertificateObject, values, texts, values), max_size=3),
    ),
    st.builds(wire.Signatures, st.lists(values, min_size=1, max_size=wire.MAX_SIGNATURES)),
    st.builds(wire.Data, st.lists(st.builds(wire.DataItem, texts, texts, values, st.booleans()), max_size=3)),
    st.just(wire.Done()),
    st.builds(wire.Failed, texts, texts, st.none() | statuses),
)  # fmt: skip
requests = st.one_of(
    st.just(wire.ListSlots()),
    st.sampled_from([kind for kind in KINDS if kind not in (wire.ListSlots, wire.Sign)]).flatmap(
        lambda kind: st.builds(kind, slots)
    ),
    st.builds(wire.Sign, slots, values, st.lists(values, min_size=1, max_size=wire.MAX_SIGNATURES)),
)
digits = st.text("0123456789", min_size=4, max_size=8).filter(lambda text: any(digit != "0" for digit in text))


def pin(text: str) -> Pin:
    return Pin(bytearray(text.encode()))


def stream(content: bytes) -> io.FileIO:
    """A pipe with that in it, and nothing after it."""
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return io.FileIO(reading)


def read_request(content: bytes):
    with stream(content) as pipe:
        return wire.read_request(pipe)


def frame(text: bytes, codes: bytes = b"") -> bytes:
    return len(text).to_bytes(4) + bytes([len(codes)]) + text + codes


@given(requests, st.lists(digits, max_size=2))
def test_a_request_arrives_with_its_codes(request_made, codes):
    written = wire.write_frame(request_made, [pin(code) for code in codes])
    assert read_request(bytes(written)) == (request_made, [bytearray(code.encode()) for code in codes])


@given(answers)
def test_an_answer_arrives(answer):
    written = wire.write_frame(answer)
    length, codes_length = wire.read_header(written[: wire.HEADER_LENGTH])
    assert (length, codes_length) == (len(written) - wire.HEADER_LENGTH, 0)
    assert wire.read_answer(written[wire.HEADER_LENGTH :]) == answer


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_is_in_no_json(kind):
    message = kind() if kind is wire.ListSlots else kind(*(7, b"id", b"data")[: len(kind.__struct_fields__)])
    written = wire.write_frame(message, [pin("739146"), pin("84026357")])
    length, codes_length = wire.read_header(written)
    text = written[wire.HEADER_LENGTH :][:length]
    assert b"739146" not in text
    assert b"84026357" not in text
    assert written[wire.HEADER_LENGTH + length :] == b"\x06739146\x0884026357"
    assert codes_length == 16
    json.loads(text)


def test_a_wiped_code_makes_no_frame():
    wiped = pin("1234")
    wiped.wipe()
    with pytest.raises(PinFormatError):
        wire.write_frame(wire.CheckPin(1), [wiped])


def test_the_end_of_the_stream_is_no_request():
    assert read_request(b"") is None


@given(requests, st.lists(digits, max_size=2), st.data())
def test_a_request_cut_short_is_none(request_made, codes, data):
    written = bytes(wire.write_frame(request_made, [pin(code) for code in codes]))
    assert read_request(written[: data.draw(st.integers(0, len(written) - 1))]) is None


@pytest.mark.parametrize(
    "header",
    [
        (wire.MAX_JSON + 1).to_bytes(4) + b"\x00",
        b"\xff\xff\xff\xff\x00",
        b"\x00\x00\x00\x02" + bytes([wire.MAX_CODES + 1]),
        b"\x00\x00\x00\x02\xff",
    ],
)
def test_lengths_are_capped_before_anything_is_read(header):
    with pytest.raises(wire.WireError):
        wire.read_header(header)
    with pytest.raises(wire.WireError):
        read_request(header + b"{}")


def test_what_is_too_long_is_not_written():
    item = wire.DataItem("", "", bytes(wire.MAX_JSON), private=False)
    with pytest.raises(wire.WireError):
        wire.write_frame(wire.Data([item]))


@pytest.mark.parametrize(
    "codes",
    [
        b"\x03123",
        b"\x09123456789",
        b"\x00",
        b"\x05" + b"1234",
        b"\x041234\x01",
        b"\x041234\x04123",
    ],
)
def test_codes_that_do_not_add_up_are_refused(codes):
    with pytest.raises(wire.WireError):
        read_request(frame(b'{"message":"check-pin","slot":1}', codes))


DEEP = b"[" * 20_000  # less than a pipe holds
HOSTILE_REQUESTS = [
    b"", b"{}", b"null", b"[]", b"\xff", b'{"message":"done"}', b'{"message":"check-pin"}', DEEP,
    b'{"message":"check-pin","slot":1,"pin":"1234"}',
    b'{"message":"check-pin","slot":"1"}',
    b'{"message":"check-pin","slot":1.5}',
    b'{"message":"sign","slot":1,"key_id":"not base64!","data":""}',
    b'{"message":"no-such","slot":1}',
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_REQUESTS, ids=lambda text: text[:60].decode("ascii", "replace"))
def test_a_worker_refuses_what_it_does_not_know(text):
    with pytest.raises(wire.WireError):
        read_request(frame(text, b"\x041234"))


LONG = "x" * 100_000
HOSTILE_ANSWERS = [
    *(text for text in HOSTILE_REQUESTS if text != b'{"message":"done"}'),
    b'{"message":"done","pin":"1234"}',
    b'{"message":"check-pin","slot":1}',
    b'{"message":"signatures","values":[1,2]}',
    b'{"message":"signatures","values":[]}',
    b'{"message":"signatures","values":["","","","","","","","",""]}',
    b'{"message":"signatures","values":["====="]}',
    b'{"message":"signatures","values":["AA=="],"value2":"AA=="}',
    b'{"message":"token-status","count_low":1,"final_try":0,"locked":0,"initialized":1}',
    b'{"message":"token-status","count_low":true}',
    b'{"message":"slots","manufacturer":"x","slots":{}}',
    b'{"message":"slots","manufacturer":"x","slots":[{"slot":1,"description":"","removable":false,"x":1}]}',
    b'{"message":"slots","manufacturer":"x","slots":[{"slot":1e99,"description":"","removable":false}]}',
    b'{"message":"failed","error":["PinIncorrect"]}',
    b'{"message":"failed","error":"PinIncorrect","status":{"tries":2}}',
    json.dumps({"message": "failed", "error": LONG}).encode(),
    json.dumps({"message": "failed", "error": "x", "step": LONG}).encode(),
    json.dumps({"message": "opened", "label": LONG, "serial": "", "model": "", "signs": True, "certificates": []}).encode(),
    json.dumps({"message": "opened", "label": "", "serial": LONG, "model": "", "signs": True, "certificates": []}).encode(),
    json.dumps({"message": "slots", "manufacturer": "", "slots": [{"slot": 1, "description": LONG, "removable": False}]}).encode(),
    json.dumps({"message": "slots", "manufacturer": "", "slots": [{"slot": n, "description": "", "removable": False} for n in range(5000)]}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE_ANSWERS, ids=lambda text: text[:60].decode("ascii", "replace"))
def test_an_agent_refuses_what_it_does_not_know(text):
    with pytest.raises(wire.WireError):
        wire.read_answer(text)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(msgspec.json.encode))
def test_no_answer_breaks_the_agent(text):
    with contextlib.suppress(DriverError):
        wire.read_answer(text)
