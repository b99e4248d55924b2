"""Programs and cards that mean harm, against the calls of PKCS#11."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from support.agent import Person
from support.door_desk import Caller, DoorDesk, rooms

from agent.cards.card import Card
from agent.door import cryptoki as ck
from agent.door.handles import new_handles
from agent.door.objects import MAX_DATA, CardObjects
from agent.door.sessions import MAX_SESSIONS
from agent.door.values import Attribute, Mechanism
from drivers.base import DataEntry

SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)


async def key_of(guest: Caller) -> tuple[int, int]:
    session = await guest.session()
    return session, await guest.private_key(session)


async def test_handles_near_those_of_others_reach_nothing(desk: DoorDesk, guest: Caller) -> None:
    session, key = await key_of(guest)
    thief = await desk.guest("/usr/bin/thief")
    own, _ = await key_of(thief)
    for step in range(-50, 50):
        assert await thief.refusal("GetSessionInfo", session + step) == ck.CKR_SESSION_HANDLE_INVALID
        assert await thief.refusal("SignInit", own, SHA256_RSA, key + step) == ck.CKR_KEY_HANDLE_INVALID


async def test_who_was_refused_asks_the_person_no_more(guest: Caller, person: Person) -> None:
    """In other sessions, after another C_Initialize, by another key's size: a no stands for ten minutes."""
    person.agrees = False
    for _ in range(3):
        for _ in range(3):
            session, key = await key_of(guest)
            await guest.call("SignInit", session, SHA256_RSA, key)
            assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_FUNCTION_REJECTED
        await guest.call("Finalize")
        await guest.initialize()
    assert len(person.asked) == 1


async def test_a_consent_for_one_key_or_program_is_none_for_another(
    desk: DoorDesk, guest: Caller, person: Person
) -> None:
    session, key = await key_of(guest)
    await guest.sign(session, key, SHA256_RSA, b"text")
    person.agrees = False
    other = await guest.private_key(session, "CPS_PRIV_SIG")
    await guest.call("SignInit", session, SHA256_RSA, other)
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_FUNCTION_REJECTED
    thief = await desk.guest("/usr/bin/thief")
    session, key = await key_of(thief)
    await thief.call("SignInit", session, SHA256_RSA, key)
    assert await thief.refusal("Sign", session, b"text", 256) == ck.CKR_FUNCTION_REJECTED


async def test_a_program_that_the_system_does_not_name_may_look_and_not_sign(desk: DoorDesk, person: Person) -> None:
    nobody = await desk.guest("")
    session, key = await key_of(nobody)
    await nobody.call("SignInit", session, SHA256_RSA, key)
    assert await nobody.refusal("Sign", session, b"text", 256) == ck.CKR_FUNCTION_REJECTED
    assert person.asked == []


async def test_a_flood_of_sessions_and_searches_of_one_costs_others_nothing(desk: DoorDesk, guest: Caller) -> None:
    slot, *_ = await guest.slots()
    sessions = [await guest.session(slot) for _ in range(MAX_SESSIONS)]
    await asyncio.gather(*(guest.call("FindObjectsInit", session, ()) for session in sessions))
    other = await desk.guest("/usr/bin/other")
    session, key = await key_of(other)
    assert len(await other.sign(session, key, SHA256_RSA, b"text")) == 256


async def test_twice_at_once_in_one_session_signs_once(guest: Caller, person: Person) -> None:
    session, key = await key_of(guest)
    await guest.call("SignInit", session, SHA256_RSA, key)
    ended = await asyncio.gather(*(guest.refusal("Sign", session, b"text", 256) for _ in range(5)))
    assert sorted(ended) == [ck.CKR_OK, *[ck.CKR_OPERATION_NOT_INITIALIZED] * 4]
    assert len(person.asked) == 2


async def test_a_search_cannot_guess_what_is_secret(guest: Caller) -> None:
    session = await guest.session()
    for kind in (ck.CKA_PRIVATE_EXPONENT, ck.CKA_PRIME_1):
        for value in (b"", b"\x01", None):
            await guest.call("FindObjectsInit", session, (Attribute(kind, value),))
            assert await guest.call("FindObjects", session, 9) == ()
            await guest.call("FindObjectsFinal", session)


async def test_nothing_can_be_written(guest: Caller) -> None:
    session, key = await key_of(guest)
    for name, arguments in {
        "DestroyObject": (session, key),
        "SetAttributeValue": (session, key, (Attribute(ck.CKA_LABEL, b"x"),)),
        "CopyObject": (session, key, ()),
        "SetPIN": (session, b"1234", b"0000"),
        "InitPIN": (session, b"1234"),
    }.items():
        assert await guest.refusal(name, *arguments) == ck.CKR_FUNCTION_NOT_SUPPORTED
    assert (await guest.call("GetAttributeValue", session, key, rooms((ck.CKA_LABEL, 0)))).rv == ck.CKR_OK


@pytest.fixture
async def card(desk: DoorDesk) -> Card:
    (card,) = await desk.served.cards.list_cards()
    return card


class Token:
    """A card's token with other keys than it has."""

    def __init__(self, token: Any, keys: tuple[Any, ...]) -> None:
        self.token = token
        self.keys = keys

    def __getattr__(self, name: str) -> Any:
        return getattr(self.token, name)


def test_a_certificate_that_is_none_costs_its_own_key_alone(card: Card) -> None:
    first, second = card.token.keys
    for damaged in (b"", first.certificate_der[:-1], first.certificate_der[:200], b"\x30\x80" * 50):
        token: Any = Token(card.token, (replace(first, certificate_der=damaged), second))
        shown = CardObjects(replace(card, token=token), new_handles()).handles.values()
        assert [each.attributes[ck.CKA_ID] for each in shown] == [second.key_id] * 3


def test_a_directory_of_any_length_and_of_the_same_names(card: Card) -> None:
    objects = CardObjects(card, new_handles())
    before = len(objects.handles)
    entries = [DataEntry("\x1b[31m" * 9, "", private=True)] * (MAX_DATA + 9)
    objects.take_data(entries)
    data = [each for each in objects.handles.values() if each.entry is not None]
    assert len(data) == MAX_DATA
    assert len({each.attributes[ck.CKA_UNIQUE_ID] for each in data}) == MAX_DATA
    kept = dict(objects.handles)
    objects.take_data(entries)
    assert objects.handles == kept
    objects.take_data([])
    assert len(objects.handles) == before
