"""What a person is asked for uses by PKCS#11, what is remembered of it, and what the journal says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.agent import DeskPresence, Person
from support.door_desk import DoorDesk, Guest, door_desk
from support.lines import until

from agent.access.callers import Ability, Caller, CallerKind, CardAbility
from agent.access.errors import AbilityRefusedError, GrantRefusedError, GrantRequiredError
from agent.cards.card import Card
from agent.cards.errors import CertificateExpiredError, KeyRefusedError
from agent.door import uses
from agent.people.prompt import Action, ConfirmRequest, NoticeKind, PinRequest, PromptRefusedError
from drivers.base import DataEntry, Digest, KeyRole, Padding
from drivers.card.signatures import is_signature_of
from drivers.errors import CardRemovedError, PinWrongError
from drivers.virtual.store import VirtualCard

AUTHENTICATION, SIGNATURE = KeyRole.AUTHENTICATION, KeyRole.SIGNATURE
EIGHT = 8


def owner(program: Guest) -> Caller:
    """The program as it has grants and PIN sessions."""
    return Caller(CallerKind.PROGRAM, program.path, "PKCS#11")


def digest(text: str = "content") -> Digest:
    return Digest("sha256", hashlib.sha256(text.encode()).digest())


@pytest.fixture
async def card(desk: DoorDesk) -> Card:
    return await desk.served.cards.find()


@pytest.fixture
def guest() -> Guest:
    return Guest()


async def entries(desk: DoorDesk, action: str | None = None) -> list[dict]:
    """The journal, oldest first."""
    told = await desk.agent.ask(lambda client: client.journal(200))
    return [entry for entry in reversed(told) if action in (None, entry["action"])]


def kinds(person: Person) -> list[type]:
    return [type(question) for question in person.asked]


@pytest.mark.parametrize("role", [AUTHENTICATION, SIGNATURE])
async def test_each_key_is_consented_to_once_and_its_code_asked_each_time(desk, card, guest, person, role):
    signed = [await desk.served.keys.sign(guest, card, role, digest()) for _ in range(2)]
    assert all(is_signature_of(card.key(role).certificate_der, digest(), each) for each in signed)
    assert kinds(person) == [ConfirmRequest, PinRequest, PinRequest]
    assert person.asked[0].abilities == (f"use-{role}-key",)
    assert person.asked[0].key == person.asked[1].key == card.key(role).label
    assert person.asked[0].card == person.asked[1].card == card.summary()
    assert {question.asker for question in person.asked} == {guest.asker()}
    used = await entries(desk, f"use-{role}-key")
    assert [(each["outcome"], each["exchanges"], each["through"]) for each in used] == [("ok", EIGHT, "PKCS#11")] * 2
    assert {each["caller"] for each in used} == {guest.path}


async def test_one_key_is_not_the_other_and_one_program_not_another(desk, card, guest, person):
    await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    for program, role in ((guest, SIGNATURE), (Guest("/usr/bin/other"), AUTHENTICATION)):
        person.asked.clear()
        await desk.served.keys.sign(program, card, role, digest())
        assert kinds(person) == [ConfirmRequest, PinRequest]


async def test_a_consent_stands_among_the_grants_and_can_be_taken_back(desk, card, guest, person):
    await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    (grant,) = await desk.agent.ask(lambda client: client.grants())
    assert grant["abilities"] == ["use-authentication-key"]
    assert grant["cards"] == [{"cardNumber": card.number, "ability": "use-authentication-key"}]
    await desk.agent.ask(lambda client: client.revoke(grant["id"]))
    person.asked.clear()
    await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    assert kinds(person) == [ConfirmRequest, PinRequest]


async def test_a_consent_taken_back_while_the_code_is_asked_gives_nothing(desk, card, guest, person):
    async def revoke() -> None:
        (grant,) = desk.services.grants.list_for(owner(guest))
        await desk.services.grants.revoke(grant.id, owner(guest))

    person.on_ask = revoke
    with pytest.raises(GrantRequiredError):
        await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())


async def test_a_no_holds_for_that_key_and_keeps_nobody_else(desk, card, guest, person):
    person.agrees = False
    with pytest.raises(GrantRefusedError):
        await desk.served.keys.sign(guest, card, SIGNATURE, digest())
    person.agrees = True
    with pytest.raises(GrantRefusedError):
        await desk.served.keys.sign(guest, card, SIGNATURE, digest())
    assert len(person.asked) == 1
    await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    await desk.served.keys.sign(Guest("/usr/bin/other"), card, SIGNATURE, digest())
    assert [each["count"] for each in await entries(desk, "use-signature-key")] == [2, 1]


async def test_a_code_refused_is_a_no_as_well(desk, card, guest, person):
    person.refuses = PromptRefusedError()
    for _ in range(2):
        with pytest.raises(PromptRefusedError):
            await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    assert kinds(person) == [ConfirmRequest, PinRequest]


async def test_a_wrong_code_is_told_and_not_tried_again(desk, card, guest, person):
    person.pin = "9999"
    with pytest.raises(PinWrongError):
        await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    assert len([each for each in person.asked if isinstance(each, PinRequest)]) == 1


async def test_what_waits_for_the_authentication_key_shares_a_question(desk, card, guest, person):
    texts = [str(number) for number in range(9)]
    signed = await asyncio.gather(*(desk.served.keys.sign(guest, card, AUTHENTICATION, digest(text)) for text in texts))
    certificate = card.key(AUTHENTICATION).certificate_der
    assert all(is_signature_of(certificate, digest(text), each) for text, each in zip(texts, signed, strict=True))
    assert [len(each.subjects) for each in person.asked if isinstance(each, PinRequest)] == [9]
    (entry,) = await entries(desk, "use-authentication-key")
    assert (entry["subject"], entry["outcome"]) == ("CPS_PRIV_AUT (9)", "ok")


async def test_the_signature_key_is_asked_for_each_time(desk, card, guest, person):
    await asyncio.gather(*(desk.served.keys.sign(guest, card, SIGNATURE, digest(str(n))) for n in range(3)))
    assert [len(each.subjects) for each in person.asked if isinstance(each, PinRequest)] == [1, 1, 1]


async def test_a_person_who_thinks_delays_no_other_program(desk, card, guest, person):
    """One question at a time for the whole desk; what needs none goes on."""
    thinking = asyncio.Event()
    await desk.served.keys.sign(Guest("/usr/bin/other"), card, AUTHENTICATION, digest())
    person.on_ask = thinking.wait
    slow = asyncio.create_task(desk.served.keys.sign(guest, card, AUTHENTICATION, digest()))
    await until(lambda: isinstance(person.asked[-1], PinRequest) and person.asked[-1].asker == guest.asker())
    other = await desk.guest("/usr/bin/other")
    session = await other.session()
    assert await other.find(session, CLASS=3)
    thinking.set()
    assert await slow


async def test_a_program_that_leaves_takes_its_question_away(desk, card, guest, person):
    person.on_ask = asyncio.Event().wait
    asking = asyncio.create_task(desk.served.keys.sign(guest, card, AUTHENTICATION, digest()))
    await until(lambda: PinRequest in kinds(person))
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: not desk.services.uses._asker._prompt._callers)
    assert [each["outcome"] for each in await entries(desk, "use-authentication-key")] == ["cancelled"]


async def test_a_pulled_card_ends_the_question_and_is_told(desk, card, guest, person, readers):
    async def pull() -> None:
        readers.remove()
        await asyncio.sleep(60)

    person.on_ask = pull
    with pytest.raises(CardRemovedError):
        await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    await until(lambda: person.told)
    assert (person.told[0].kind, person.told[0].program) == (NoticeKind.CARD_PULLED, guest.path)
    (entry,) = await entries(desk, "card-pulled")
    assert (entry["caller"], entry["cardNumber"]) == (guest.path, card.number)


async def test_a_card_pulled_after_a_login_is_told_once_for_each_program_that_runs(
    desk, card, guest, person, readers, chip
):
    gone, quiet = Guest("/usr/bin/gone"), Guest("/usr/bin/quiet")
    for program in (guest, guest, gone):
        await desk.served.keys.sign(program, card, AUTHENTICATION, digest())
    await desk.served.keys.sign(quiet, card, SIGNATURE, digest())
    gone.path = ""
    readers.remove()
    await until(lambda: person.told)
    readers.insert(chip)
    await until(lambda: desk.served.cards.places[card.reader].card)
    readers.remove()
    await until(lambda: not desk.served.cards.places[card.reader].card)
    assert [notice.program for notice in person.told] == [guest.path]


async def test_private_data_is_consented_to_apart(desk, card, guest, person):
    await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    listed = await desk.served.keys.list_data(card)
    assert person.asked[1:] == person.asked[1:2]
    entry = DataEntry("CPS_ACTIVITY_01_PS", next(each.application for each in listed if each.private), private=True)
    person.asked.clear()
    assert b"CABINET DU DR VIRTUEL" in await desk.served.keys.read_data(guest, card, entry)
    assert [type(each) for each in person.asked] == [ConfirmRequest, PinRequest]
    assert (person.asked[0].abilities, person.asked[1].action) == (("read-private-data",), Action.READ_PRIVATE_DATA)
    assert person.asked[1].key == entry.label
    public = next(each for each in listed if each.label == "CPS_INFO_PS")
    person.asked.clear()
    assert await desk.served.keys.read_data(guest, card, public)
    assert not person.asked


async def test_a_program_that_sends_codes_is_named_once(desk, guest):
    for _ in range(3):
        desk.served.keys.note_ignored_pin(guest)
    desk.served.keys.note_ignored_pin(Guest("/usr/bin/other"))
    await until(lambda: not desk.served.keys._telling)
    told = await entries(desk, uses.IGNORED_PIN)
    assert [(each["caller"], each["count"]) for each in told] == [(guest.path, 1), ("/usr/bin/other", 1)]


async def test_reading_who_the_holder_is_is_noted_once_in_a_while(desk, card):
    for path in ("/usr/bin/guest", "/usr/bin/guest", "/usr/bin/other"):
        caller = await desk.guest(path)
        session = await caller.session()
        assert not await caller.find(session, ID=b"no such key")
        assert await caller.find(session, CLASS=1)
        assert await caller.find(session, CLASS=3)
    await until(lambda: not desk.served.keys._telling)
    noted = [each for each in await entries(desk, "read-card") if each["through"] == "PKCS#11"]
    assert [(each["caller"], each["cardNumber"]) for each in noted] == [
        ("/usr/bin/guest", card.number),
        ("/usr/bin/other", card.number),
    ]


async def test_attack_a_program_without_a_name_gets_nothing(desk, card, person):
    for role in KeyRole:
        with pytest.raises(AbilityRefusedError):
            await desk.served.keys.sign(Guest(""), card, role, digest())
    assert not person.asked


async def test_what_a_key_cannot_sign_is_refused_before_anybody_is_asked(desk, card, guest, person):
    with pytest.raises(KeyRefusedError):
        await desk.served.keys.sign(guest, card, SIGNATURE, Digest("sha512", bytes(64)))
    with pytest.raises(KeyRefusedError):
        await desk.served.keys.sign(guest, card, AUTHENTICATION, Digest("sha256", bytes(32), Padding.PSS))
    assert not person.asked


async def test_an_expired_certificate_signs_nothing(desk, card, guest, person, monkeypatch):
    def expired(_key: object) -> None:
        raise CertificateExpiredError

    monkeypatch.setattr("agent.cards.uses.require_valid", expired)
    with pytest.raises(CertificateExpiredError):
        await desk.served.keys.sign(guest, card, AUTHENTICATION, digest())
    assert PinRequest not in kinds(person)


@pytest.fixture
async def watched(folder: Path, person: Person, readers) -> AsyncIterator[DoorDesk]:
    """A desk where a locked screen would be noticed, so that codes may be kept."""
    person.session = True
    async with door_desk(folder, person, readers, presence=DeskPresence()) as running:
        yield running


async def test_a_kept_code_serves_the_authentication_key_alone(watched, guest, person):
    card = await watched.served.cards.find()
    await watched.served.keys.sign(guest, card, SIGNATURE, digest())
    assert person.asked[-1].session_minutes is None
    await watched.served.keys.sign(guest, card, AUTHENTICATION, digest())
    assert person.asked[-1].session_minutes is not None
    person.asked.clear()
    for _ in range(3):
        await watched.served.keys.sign(guest, card, AUTHENTICATION, digest())
    assert not person.asked
    await watched.served.keys.sign(guest, card, SIGNATURE, digest())
    assert kinds(person) == [PinRequest]


async def test_a_code_kept_for_the_door_is_not_kept_for_the_api_nor_for_another_program(watched, guest, person):
    card = await watched.served.cards.find()
    await watched.served.keys.sign(guest, card, AUTHENTICATION, digest())
    (kept,) = watched.services.sessions.list_for(owner(guest))
    assert (kept.caller.name, kept.caller.through) == (guest.path, "PKCS#11")
    person.asked.clear()
    person.session = False
    await watched.served.keys.sign(Guest("/usr/bin/other"), card, AUTHENTICATION, digest())
    assert kinds(person) == [ConfirmRequest, PinRequest]


async def test_a_consent_taken_back_ends_the_kept_code(watched, guest, person):
    card = await watched.served.cards.find()
    await watched.served.keys.sign(guest, card, AUTHENTICATION, digest())
    (grant,) = watched.services.grants.list_for(owner(guest))
    assert CardAbility(Ability.USE_AUTHENTICATION_KEY, card.number) in grant.cards
    await watched.services.grants.revoke(grant.id, owner(guest))
    assert not watched.services.sessions.list_for(owner(guest))


async def test_the_card_is_left_closed_after_each_of_these(desk, card, guest, person, chip: VirtualCard):
    def stands_verified() -> bool:
        chip.process(bytes.fromhex("00A4090C023F00"))
        return chip.process(bytes.fromhex("0020000100")) == b"\x90\x00"

    private = next(each for each in await desk.served.keys.list_data(card) if each.private)
    person.pin = "9999"
    with pytest.raises(PinWrongError):
        await desk.served.keys.sign(guest, card, SIGNATURE, digest())
    assert not stands_verified()
    person.pin = "1234"
    for use in (
        lambda: desk.served.keys.sign(guest, card, SIGNATURE, digest()),
        lambda: desk.served.keys.sign(guest, card, AUTHENTICATION, digest()),
        lambda: desk.served.keys.read_data(guest, card, private),
    ):
        await use()
        assert not stands_verified()
