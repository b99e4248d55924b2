"""What a client of either kind writes is what is read, and what is answered is what it reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.p11_letters import BY_NAME, read_response, write_request

from agent.door.codec import Codec
from agent.door.templates import BOOLEANS, DATES, MECHANISM_LISTS, NUMBERS, TEMPLATES
from agent.door.values import (
    Attribute,
    AttributeRoom,
    AttributesAnswer,
    Mechanism,
    PssParameters,
    Size,
)

MODERN = st.booleans()
ULONG = st.integers(0, 2**64 - 1)
SHORT = st.integers(0, 2**32 - 1)
NUMBER_LIST = st.lists(ULONG, max_size=20).map(tuple)
OPTIONAL_BYTES = st.none() | st.binary(max_size=80)
PLAIN = SHORT.filter(lambda kind: kind not in BOOLEANS | NUMBERS | DATES | MECHANISM_LISTS | TEMPLATES)
VALUES = st.one_of(
    st.tuples(st.sampled_from(sorted(BOOLEANS)), st.booleans()),
    st.tuples(st.sampled_from(sorted(NUMBERS)), ULONG),
    st.tuples(st.sampled_from(sorted(DATES)), st.sampled_from([b"", b"20261126"])),
    st.tuples(st.sampled_from(sorted(MECHANISM_LISTS)), NUMBER_LIST),
    st.tuples(PLAIN, st.binary(max_size=80)),
    st.tuples(SHORT, st.none()),
).map(lambda pair: Attribute(*pair))
TEMPLATE = st.lists(VALUES, max_size=12).map(tuple)
ROOMS = st.lists(st.builds(AttributeRoom, SHORT | st.sampled_from(sorted(TEMPLATES)), SHORT), max_size=12).map(tuple)
MECHANISMS = st.one_of(
    st.builds(Mechanism, st.none() | st.sampled_from([1, 3, 13, 0x40, 0x43, 0x250])),
    st.builds(Mechanism, st.sampled_from([13, 14, 0x43]), st.builds(PssParameters, ULONG, ULONG, ULONG)),
)


def check(name: str, arguments: tuple, *, modern: bool) -> None:
    call = BY_NAME[name]
    request = Codec(modern).read_request(write_request(call, arguments, modern=modern))
    assert (request.call, request.arguments) == (call, arguments)


@given(ULONG, TEMPLATE, MODERN)
def test_templates(session, template, modern):
    check("FindObjectsInit", (session, template), modern=modern)


@given(ULONG, ULONG, ROOMS, MODERN)
def test_rooms(session, found, rooms, modern):
    check("GetAttributeValue", (session, found, rooms), modern=modern)


@given(ULONG, MECHANISMS, ULONG, MODERN)
def test_mechanisms(session, mechanism, key, modern):
    check("SignInit", (session, mechanism, key), modern=modern)


@given(ULONG, OPTIONAL_BYTES, st.none() | st.integers(1, 2**32 - 2), MODERN)
def test_operations(session, data, room, modern):
    check("Sign", (session, data, room), modern=modern)


@given(st.binary(max_size=60), st.integers(0, 255), OPTIONAL_BYTES, MODERN)
def test_initialize(magic, given, reserved, modern):
    check("Initialize", (magic, given, reserved), modern=modern)


@given(TEMPLATE, ULONG)
def test_answers_of_attributes(attributes, rv):
    answer = AttributesAnswer(attributes, rv)
    call = BY_NAME["GetAttributeValue"]
    assert read_response(call, Codec(False).write_response(call, (answer,))) == (answer,)


@given(NUMBER_LIST | st.builds(Size, st.integers(1, 2**32 - 1)))
def test_answers_of_numbers(numbers):
    call = BY_NAME["GetMechanismList"]
    assert read_response(call, Codec(False).write_response(call, (numbers,))) == (numbers,)


@given(st.binary(max_size=600) | st.builds(Size, SHORT))
def test_answers_of_bytes(data):
    call = BY_NAME["Sign"]
    assert read_response(call, Codec(False).write_response(call, (data,))) == (data,)
