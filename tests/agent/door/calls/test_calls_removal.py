"""Cards that leave: what was opened with one never reaches another, nor the same one put back."""

from __future__ import annotations

import asyncio

from support.agent import Person
from support.door_desk import Caller, DoorDesk, rooms

from agent.door import cryptoki as ck
from agent.door.sessions import MAX_SESSIONS
from agent.door.values import Mechanism
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import VirtualCard

SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)


async def pull(guest: Caller, readers: VirtualReaders) -> int:
    readers.remove()
    return int(await guest.call("WaitForSlotEvent", 0))


async def put_back(guest: Caller, readers: VirtualReaders, chip: VirtualCard) -> None:
    readers.insert(chip)
    await guest.call("WaitForSlotEvent", 0)


async def test_the_card_is_pulled(guest: Caller, readers: VirtualReaders) -> None:
    session, other = await guest.session(), await guest.session()
    key = await guest.private_key(session)
    await guest.call("SignInit", session, SHA256_RSA, key)
    slot = await pull(guest, readers)
    assert await guest.slots() == []
    assert slot in await guest.slots(present=False)
    assert await guest.refusal("GetTokenInfo", slot) == ck.CKR_TOKEN_NOT_PRESENT
    assert await guest.refusal("OpenSession", slot, ck.CKF_SERIAL_SESSION) == ck.CKR_TOKEN_NOT_PRESENT
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_DEVICE_REMOVED
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_SESSION_HANDLE_INVALID
    assert await guest.refusal("GetSessionInfo", other) == ck.CKR_DEVICE_REMOVED
    assert await guest.refusal("CloseSession", other) == ck.CKR_SESSION_HANDLE_INVALID


async def test_what_was_opened_before_does_not_reach_the_card_put_back(
    guest: Caller, readers: VirtualReaders, chip: VirtualCard, person: Person
) -> None:
    before = await guest.session()
    key = await guest.private_key(before)
    await guest.call("Login", before, 1, b"1234")
    await guest.call("SignInit", before, SHA256_RSA, key)
    slot = await pull(guest, readers)
    await put_back(guest, readers, chip)
    session = await guest.session(slot)
    assert (await guest.call("GetSessionInfo", session))[1] == ck.CKS_RO_PUBLIC_SESSION
    assert await guest.refusal("SignInit", session, SHA256_RSA, key) == ck.CKR_KEY_HANDLE_INVALID
    asked = rooms((ck.CKA_LABEL, 0))
    assert await guest.refusal("GetAttributeValue", session, key, asked) == ck.CKR_OBJECT_HANDLE_INVALID
    assert await guest.refusal("Sign", before, b"text", 256) == ck.CKR_DEVICE_REMOVED
    assert await guest.refusal("Sign", before, b"text", 256) == ck.CKR_SESSION_HANDLE_INVALID
    assert person.asked == []
    assert len(await guest.sign(session, await guest.private_key(session), SHA256_RSA, b"text")) == 256


async def test_the_card_is_pulled_while_the_person_is_asked(
    guest: Caller, readers: VirtualReaders, chip: VirtualCard, person: Person
) -> None:
    session = await guest.session()
    await guest.call("SignInit", session, SHA256_RSA, await guest.private_key(session))

    async def pull_and_wait() -> None:
        readers.remove()
        await asyncio.Event().wait()

    person.on_ask = pull_and_wait
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_DEVICE_REMOVED
    assert await guest.refusal("GetSessionInfo", session) == ck.CKR_SESSION_HANDLE_INVALID


async def test_handles_of_one_program_are_nothing_to_another(desk: DoorDesk, guest: Caller) -> None:
    session = await guest.session()
    key = await guest.private_key(session)
    other = await desk.guest("/usr/bin/other")
    theirs = await other.session()
    assert await other.refusal("GetSessionInfo", session) == ck.CKR_SESSION_HANDLE_INVALID
    assert await other.refusal("SignInit", theirs, SHA256_RSA, key) == ck.CKR_KEY_HANDLE_INVALID


async def test_handles_of_before_a_restart_reach_nothing(desk: DoorDesk, guest: Caller) -> None:
    """The program has called C_Initialize already, and its client does not tell it of the restart."""
    session = await guest.session()
    key = await guest.private_key(session)
    again = desk.program()
    again.application.initialized = True
    assert await again.refusal("GetSessionInfo", session) == ck.CKR_SESSION_HANDLE_INVALID
    slot, *_ = await guest.slots()
    anew = await again.session(slot)
    assert await again.refusal("SignInit", anew, SHA256_RSA, key) == ck.CKR_KEY_HANDLE_INVALID
    assert await again.refusal("WaitForSlotEvent", ck.CKF_DONT_BLOCK) == ck.CKR_NO_EVENT
    assert len(await again.sign(anew, await again.private_key(anew), SHA256_RSA, b"text")) == 256


async def test_sessions_with_cards_that_have_left_leave_room_for_new_ones(
    guest: Caller, readers: VirtualReaders, chip: VirtualCard
) -> None:
    old = [await guest.session() for _ in range(MAX_SESSIONS)]
    slot = await pull(guest, readers)
    await put_back(guest, readers, chip)
    assert await guest.session(slot)
    assert await guest.refusal("GetSessionInfo", old[0]) == ck.CKR_SESSION_HANDLE_INVALID
