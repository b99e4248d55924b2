"""Slots and tokens: which there are, what they say, and when they come and go (PKCS #11 v2.40 §5.4, §5.5)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person
from support.door_desk import HANDSHAKE, Caller, DoorDesk, door_desk
from support.lines import until

from agent.access.database import Database
from agent.cards.opening import CardOpener
from agent.door import cryptoki as ck
from agent.door import slots
from agent.door.slotnumbers import SlotNumbers
from agent.door.texts import padded
from agent.door.values import Size
from drivers.errors import ServiceStoppedError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import VirtualCard

SOFTWARE = 1
READER = "CPS virtuel 00 00"


async def flags(guest: Caller, slot: int) -> int:
    return int((await guest.call("GetSlotInfo", slot))[2])


async def test_nothing_is_answered_before_initialize_and_nothing_after_finalize(desk: DoorDesk) -> None:
    guest = desk.program()
    assert await guest.refusal("GetInfo") == ck.CKR_CRYPTOKI_NOT_INITIALIZED
    await guest.initialize()
    assert await guest.refusal("Initialize", HANDSHAKE, 0, None) == ck.CKR_CRYPTOKI_ALREADY_INITIALIZED
    session = await guest.session()
    assert await guest.call("Finalize") == ()
    assert await guest.refusal("Finalize") == ck.CKR_CRYPTOKI_NOT_INITIALIZED
    await guest.initialize()
    assert await guest.refusal("GetSessionInfo", session) == ck.CKR_SESSION_HANDLE_INVALID


async def test_another_protocol_is_refused(desk: DoorDesk) -> None:
    assert await desk.program().refusal("Initialize", b"something else", 0, None) == ck.CKR_ARGUMENTS_BAD


async def test_the_library_tells_what_it_is(guest: Caller) -> None:
    version, manufacturer, flags, description, _ = await guest.call("GetInfo")
    assert (version, flags) == ((2, 40), 0)
    assert (len(manufacturer), len(description)) == (32, 32)
    assert manufacturer.startswith(b"CPS agent ")


async def test_a_call_that_no_card_can_do(guest: Caller) -> None:
    session = await guest.session()
    assert await guest.refusal("CreateObject", session, ()) == ck.CKR_FUNCTION_NOT_SUPPORTED
    assert await guest.refusal("GenerateRandom", session, 16) == ck.CKR_FUNCTION_NOT_SUPPORTED


async def test_a_slot_for_the_reader_and_one_for_software_certificates(guest: Caller) -> None:
    assert await guest.call("GetSlotList", 0, None) == Size(2)
    assert await guest.call("GetSlotList", 0, 1) == Size(2)
    every = await guest.slots(present=False)
    assert await guest.slots() == [slot for slot in every if slot != SOFTWARE]
    description, manufacturer, told, *_ = await guest.call("GetSlotInfo", every[0])
    assert description == READER.encode().ljust(64)
    assert len(manufacturer) == 32
    assert told == ck.CKF_TOKEN_PRESENT | ck.CKF_REMOVABLE_DEVICE | ck.CKF_HW_SLOT
    assert await flags(guest, SOFTWARE) == ck.CKF_REMOVABLE_DEVICE
    assert await guest.refusal("GetTokenInfo", SOFTWARE) == ck.CKR_TOKEN_NOT_PRESENT
    assert await guest.refusal("GetSlotInfo", 99) == ck.CKR_SLOT_ID_INVALID
    assert await guest.refusal("OpenSession", 1 << 63, ck.CKF_SERIAL_SESSION) == ck.CKR_SLOT_ID_INVALID


async def test_what_a_token_says_of_itself(guest: Caller) -> None:
    (slot,) = await guest.slots()
    label, _, model, serial, told, most, _, _, _, _, shortest, *_ = await guest.call("GetTokenInfo", slot)
    assert label.rstrip() == b"CPS3v3-2900000017"
    assert (model, serial) == (b"CPS3".ljust(16), b"99900001".ljust(16))
    assert told == ck.CKF_TOKEN_INITIALIZED | ck.CKF_USER_PIN_INITIALIZED | ck.CKF_WRITE_PROTECTED
    assert (most, shortest) == (256, 0)


def test_a_text_of_a_token_is_cut_between_characters_and_shows_nothing_hidden() -> None:
    assert padded("é" * 20, 32) == ("é" * 16).encode()
    assert padded("ab\x1b[31m\u202e", 16) == b"ab[31m".ljust(16)
    assert padded("a" * 31 + "é", 32) == b"a" * 31 + b" "


async def test_numbers_of_slots_outlast_the_agent(tmp_path: Path) -> None:
    """A program may keep them in its settings."""
    async with database(tmp_path) as opened:
        assert await SlotNumbers(opened).number(["", "B", "A"]) == [1, 2, 3]
    async with database(tmp_path) as opened:
        numbers = SlotNumbers(opened)
        assert await numbers.number(["A"]) == [3]
        assert await numbers.reader(2) == "B"
        assert await numbers.number(["C", ""]) == [4, 1]
        assert await numbers.reader(5) is None


async def test_two_programs_that_see_a_reader_first_give_it_one_number(tmp_path: Path) -> None:
    async with database(tmp_path) as opened:
        both = [SlotNumbers(opened), SlotNumbers(opened)]
        assert await asyncio.gather(*(one.number(["B", "A"]) for one in both)) == [[2, 3], [2, 3]]


@asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Database]:
    opened = Database(folder / "slots.db")
    await opened.open()
    yield opened
    await opened.close()


async def test_a_reader_that_is_unplugged_stays_a_slot_without_a_token(
    desk: DoorDesk, guest: Caller, readers: VirtualReaders
) -> None:
    before = await guest.slots(present=False)
    session = await guest.session()
    with readers._changed:
        readers._readers = []
        readers._changed.notify_all()
    await until(lambda: not desk.served.cards.places)
    assert await guest.slots(present=False) == before
    assert await guest.slots() == []
    assert await flags(guest, before[0]) == ck.CKF_REMOVABLE_DEVICE | ck.CKF_HW_SLOT
    assert await guest.refusal("GetTokenInfo", before[0]) == ck.CKR_TOKEN_NOT_PRESENT
    assert await guest.refusal("GetSessionInfo", session) == ck.CKR_DEVICE_REMOVED
    assert await (await desk.guest()).slots(present=False) == [SOFTWARE]


async def test_without_the_smart_card_service_there_are_slots_and_no_error(
    folder: Path, person: Person, readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(_self: VirtualReaders) -> tuple[()]:
        raise ServiceStoppedError

    monkeypatch.setattr(VirtualReaders, "list_states", stopped)
    monkeypatch.setattr(VirtualReaders, "wait_for_change", lambda self, known: stopped(self))
    async with door_desk(folder, person, readers) as desk:
        guest = await desk.guest()
        assert await guest.slots(present=False) == [SOFTWARE]
        assert await guest.slots() == []


async def test_a_card_is_waited_for_while_it_is_read(guest: Caller, readers: VirtualReaders, chip: VirtualCard) -> None:
    (slot,) = await guest.slots()
    readers.remove()
    assert await guest.call("WaitForSlotEvent", 0) == slot
    readers.insert(chip)
    assert await guest.call("WaitForSlotEvent", 0) == slot
    assert await flags(guest, slot) & ck.CKF_TOKEN_PRESENT
    assert (await guest.call("GetTokenInfo", slot))[0].startswith(b"CPS3v3")


async def test_an_event_is_told_once_to_each_program(
    desk: DoorDesk, guest: Caller, readers: VirtualReaders, chip: VirtualCard
) -> None:
    (slot,) = await guest.slots()
    assert await guest.refusal("WaitForSlotEvent", ck.CKF_DONT_BLOCK) == ck.CKR_NO_EVENT
    other = await desk.guest("/usr/bin/other")
    waiting = asyncio.create_task(other.call("WaitForSlotEvent", 0))
    await asyncio.sleep(0)
    readers.remove()
    assert await waiting == slot
    assert await guest.call("WaitForSlotEvent", ck.CKF_DONT_BLOCK) == slot
    assert await guest.refusal("WaitForSlotEvent", ck.CKF_DONT_BLOCK) == ck.CKR_NO_EVENT
    readers.insert(chip)
    assert await guest.call("WaitForSlotEvent", 0) == slot
    assert await other.call("WaitForSlotEvent", 0) == slot


async def test_finalize_ends_a_wait(guest: Caller) -> None:
    waiting = asyncio.create_task(guest.refusal("WaitForSlotEvent", 0))
    await asyncio.sleep(0)
    await guest.call("Finalize")
    assert await waiting == ck.CKR_CRYPTOKI_NOT_INITIALIZED


class SlowCard:
    """A card that does not let itself be read until the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_answer = threading.Event()
        self.begun = threading.Event()
        opener, open_card = self, CardOpener.open

        def wait_and_open(self: CardOpener, *arguments: Any) -> Any:
            opener.begun.set()
            opener.may_answer.wait()
            return open_card(self, *arguments)

        monkeypatch.setattr(CardOpener, "open", wait_and_open)


async def test_a_card_that_takes_too_long_is_waited_for_once(
    folder: Path, person: Person, readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowCard(monkeypatch)
    monkeypatch.setattr(slots, "SETTLE_S", 0.2)
    async with door_desk(folder, person, readers) as desk:
        guest = await desk.guest()
        began = time.monotonic()
        assert await guest.slots() == []
        assert time.monotonic() - began >= 0.2
        monkeypatch.setattr(slots, "SETTLE_S", 3600.0)
        slot, *_ = await guest.slots(present=False)
        assert await guest.refusal("OpenSession", slot, ck.CKF_SERIAL_SESSION) == ck.CKR_TOKEN_NOT_PRESENT
        assert await flags(guest, slot) & ck.CKF_TOKEN_PRESENT
        slow.may_answer.set()
        await desk.served.cards.list_cards()
        assert await guest.slots() == [slot]


async def test_a_wait_for_events_ends_with_the_agent(folder: Path, person: Person, readers: VirtualReaders) -> None:
    async with door_desk(folder, person, readers) as desk:
        guest = await desk.guest()
        waiting = asyncio.create_task(guest.refusal("WaitForSlotEvent", 0))
        await asyncio.sleep(0)
    assert await waiting == ck.CKR_FUNCTION_CANCELED
