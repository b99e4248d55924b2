"""A program that wants signatures behind the person's back, or more of them than were agreed to."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent import Person
from support.door_desk import Caller, DoorDesk, Guest, door_desk, rooms
from support.lines import until

from agent.access.errors import AbilityRefusedError, GrantRefusedError
from agent.cards.card import Card
from agent.door import cryptoki as ck
from agent.door.uses import MOST_AT_ONCE
from agent.door.values import Mechanism
from agent.people.desk import MAX_WITHDRAWN
from agent.people.prompt import ConfirmRequest, PinRequest, PromptRefusedError
from drivers.base import Digest, KeyRole
from drivers.errors import CardRemovedError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import DEFAULT, VirtualCard, open_card

AUTHENTICATION, SIGNATURE = KeyRole.AUTHENTICATION, KeyRole.SIGNATURE
SHA256_RSA = Mechanism(ck.CKM_SHA256_RSA_PKCS)
VERIFY = b"\x00\x20"


def digest(number: int = 0) -> Digest:
    return Digest("sha256", hashlib.sha256(str(number).encode()).digest())


@pytest.fixture
async def card(desk: DoorDesk) -> Card:
    return await desk.served.cards.find()


def codes_asked(person: Person) -> list[PinRequest]:
    return [question for question in person.asked if isinstance(question, PinRequest)]


async def outcomes(desk: DoorDesk) -> list[tuple[str, str, int]]:
    told = await desk.agent.ask(lambda client: client.journal(200))
    return [(one["caller"], one["outcome"], one["count"]) for one in reversed(told) if one["action"].startswith("use-")]


async def test_a_flood_for_the_signature_key_ends_with_one_no(desk: DoorDesk, card: Card, person: Person) -> None:
    """Two hundred at once, and a person who has had enough at the third question: there is no fourth."""
    guest, enough = Guest(), 3

    def tire() -> None:
        person.refuses = PromptRefusedError() if len(codes_asked(person)) == enough else None

    person.on_ask = tire
    wanted = [desk.served.keys.sign(guest, card, SIGNATURE, digest(number)) for number in range(200)]
    made = await asyncio.gather(*wanted, return_exceptions=True)
    assert sum(isinstance(one, bytes) for one in made) == enough - 1
    assert {type(one) for one in made if not isinstance(one, bytes)} == {PromptRefusedError}
    assert (len(codes_asked(person)), len(person.asked)) == (enough, enough + 1)
    assert await outcomes(desk) == [(guest.path, "ok", 1)] * 2 + [(guest.path, "PromptRefusedError", 198)]


async def test_a_question_counts_what_is_signed_and_what_comes_later_is_asked_for(
    desk: DoorDesk, card: Card, person: Person
) -> None:
    """While a window says how many, more are asked for: not one of them is signed under that answer."""
    guest, later = Guest(), []

    def sneak() -> None:
        if len(codes_asked(person)) == 1:
            later.extend(asyncio.ensure_future(ask(number)) for number in range(1, 31))

    async def ask(number: int) -> bytes:
        return await desk.served.keys.sign(guest, card, AUTHENTICATION, digest(number))

    person.on_ask = sneak
    await ask(0)
    assert len(await asyncio.gather(*later)) == 30
    counted = [len(question.subjects) for question in codes_asked(person)]
    assert (counted[0], sum(counted)) == (1, 31)
    assert max(counted) <= MOST_AT_ONCE


async def test_programs_that_ask_together_share_no_question(desk: DoorDesk, card: Card, person: Person) -> None:
    programs = [Guest(f"/usr/bin/{name}") for name in ("one", "two")]
    wanted = [(program, number) for number in range(4) for program in programs]
    await asyncio.gather(*(desk.served.keys.sign(who, card, AUTHENTICATION, digest(n)) for who, n in wanted))
    for program in programs:
        own = [question for question in person.asked if question.asker == program.asker()]
        assert next(type(question) for question in own) is ConfirmRequest
        assert sum(len(question.subjects) for question in own[1:]) == 4


async def test_a_program_that_takes_its_questions_back_again_and_again_may_ask_no_more(
    desk: DoorDesk, guest: Caller, person: Person
) -> None:
    """Windows that open and close are no way to wear somebody down."""
    person.on_ask = asyncio.Event().wait
    session = await guest.session()
    key = await guest.private_key(session)
    for _ in range(MAX_WITHDRAWN + 1):
        shown = len(person.asked)
        await guest.call("SignInit", session, SHA256_RSA, key)
        signing = asyncio.create_task(guest.refusal("Sign", session, b"text", 256))
        await until(lambda shown=shown: len(person.asked) > shown and isinstance(person.asked[-1], PinRequest))
        await guest.call("SessionCancel", session, ck.CKF_SIGN)
        assert await signing == ck.CKR_FUNCTION_CANCELED
    await until(lambda: desk.services.desk.denials)
    shown = len(person.asked)
    await guest.call("SignInit", session, SHA256_RSA, key)
    assert await guest.refusal("Sign", session, b"text", 256) == ck.CKR_FUNCTION_REJECTED
    assert len(person.asked) == shown


async def test_one_value_that_is_asked_for_a_hundred_times_is_one_question(guest: Caller, person: Person) -> None:
    session = await guest.session()
    await guest.call("Login", session, ck.CKU_USER, None)
    (handle,) = await guest.find(session, CLASS=ck.CKO_DATA, LABEL=b"CPS_ACTIVITY_01_PS")
    asked = rooms(*[(ck.CKA_VALUE, 4096)] * 100)
    answers = await asyncio.gather(*(guest.call("GetAttributeValue", session, handle, asked) for _ in range(10)))
    assert all(len(answer.attributes) == 100 for answer in answers)
    assert [type(question) for question in person.asked] == [ConfirmRequest, PinRequest]


async def test_a_program_without_a_name_is_refused_and_written_down(desk: DoorDesk, card: Card) -> None:
    for role in KeyRole:
        with pytest.raises(AbilityRefusedError):
            await desk.served.keys.sign(Guest(""), card, role, digest())
    assert await outcomes(desk) == [("unknown program", "AbilityRefusedError", 1)] * 2


@pytest.mark.parametrize("becomes", ["", "/usr/bin/other"])
async def test_a_program_that_becomes_another_while_the_person_thinks_gets_nothing(
    desk: DoorDesk, card: Card, person: Person, becomes: str
) -> None:
    guest = Guest()
    person.on_ask = lambda: setattr(guest, "path", becomes)
    with pytest.raises(AbilityRefusedError):
        await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    guest.path = Guest.path
    private = next(each for each in await desk.served.keys.list_data(card) if each.private)
    with pytest.raises(AbilityRefusedError):
        await desk.served.keys.read_data(guest, card, private)


async def test_a_card_exchanged_while_the_person_types_gets_no_code(
    desk: DoorDesk, card: Card, person: Person, readers: VirtualReaders, tmp_path: Path
) -> None:
    """Another card, or the same one put back: the code was typed for what stood in the window."""
    commands: list[bytes] = []
    with open_card(tmp_path / "other") as other:
        listen(other, commands)

        async def exchange() -> None:
            readers.remove()
            readers.insert(other)

        person.on_ask = exchange
        with pytest.raises(CardRemovedError):
            await desk.served.keys.sign(Guest(), card, AUTHENTICATION, digest())
        readers.remove()
    assert not [command for command in commands if command[:2] == VERIFY and len(command) > 5]


def listen(chip: VirtualCard, commands: list[bytes]) -> None:
    process = chip.process
    chip.process = lambda command: (commands.append(command), process(command))[1]  # type: ignore[method-assign]


async def test_who_was_refused_is_not_told_of_when_the_card_leaves(
    desk: DoorDesk, card: Card, person: Person, readers: VirtualReaders
) -> None:
    """The notice says that a program was logged in: of one that never was it would be a lie, and a way to be named."""
    person.agrees = False
    with pytest.raises(GrantRefusedError):
        await desk.served.keys.sign(Guest("/usr/bin/refused"), card, AUTHENTICATION, digest())
    person.agrees = True
    await desk.served.keys.sign(Guest(), card, AUTHENTICATION, digest())
    readers.remove()
    await until(lambda: person.told)
    assert [notice.program for notice in person.told] == [Guest().path]


async def test_a_consent_for_one_card_is_none_for_another(folder: Path, chip: VirtualCard, person: Person) -> None:
    with open_card(folder, replace(DEFAULT, serial="99900042")) as second:
        async with door_desk(folder, person, VirtualReaders([chip, second])) as desk:
            cards = await desk.served.cards.list_cards()
            for each in (*cards, *cards):
                await desk.served.keys.sign(Guest(), each, AUTHENTICATION, digest())
    asked = [question.card for question in person.asked if isinstance(question, ConfirmRequest)]
    assert asked == [each.summary() for each in cards]
    assert len({each.number for each in cards}) == 2
