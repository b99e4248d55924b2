"""Several cards could do what is asked: the person chooses, unless the caller has named one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent import NONCE, PAGE, Person, RunningAgent, running_agent

from agent.people.prompt import Action, CardChoice, PinRequest, PromptRefusedError, PromptUnavailableError
from agent.people.scripted import ScriptedPrompt
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
OTHER = replace(DEFAULT, serial="99900002", card_number="2900000025")


@pytest.fixture
def readers(folder: Path):
    with ExitStack() as stack:
        yield VirtualReaders([stack.enter_context(open_card(folder, card)) for card in (DEFAULT, OTHER)])


async def test_the_person_chooses_and_the_code_is_for_that_card(granted: RunningAgent, person: Person) -> None:
    person.chooses = OTHER.serial
    answer = await granted.page("POST", "/v1/authentications", LOGIN)
    assert answer.status == 200
    choice, question = person.asked
    assert isinstance(choice, CardChoice)
    assert isinstance(question, PinRequest)
    assert (choice.asker.caller, choice.action) == (PAGE, Action.AUTHENTICATE)
    assert {card.number for card in choice.cards} == {DEFAULT.serial, OTHER.serial}
    assert len({card.reader for card in choice.cards}) == 2
    assert question.card.number == OTHER.serial
    entries = (await granted.program("GET", "/v1/journal")).body["entries"]
    assert [entry["cardNumber"] for entry in entries if entry["action"] == "authenticate"] == [OTHER.serial]


async def test_a_card_that_was_named_is_not_chosen(granted: RunningAgent, person: Person) -> None:
    answer = await granted.page("POST", "/v1/authentications", {**LOGIN, "cardNumber": OTHER.serial})
    assert answer.status == 200
    (question,) = person.asked
    assert isinstance(question, PinRequest)


async def test_a_person_who_refuses_to_choose_is_asked_no_code(
    granted: RunningAgent, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(choice: CardChoice) -> str:
        raise PromptRefusedError

    monkeypatch.setattr(person, "choose_card", refuse)
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"
    assert person.asked == []
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "pin-refused"


async def test_where_nobody_can_be_asked_the_caller_has_to_name_one(
    granted: RunningAgent, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(choice: CardChoice) -> str:
        raise PromptUnavailableError

    monkeypatch.setattr(person, "choose_card", fail)
    answer = await granted.page("POST", "/v1/authentications", LOGIN)
    assert answer.code == "bad-request"
    assert "cardNumber" in answer.body["detail"]


async def test_a_choice_that_names_no_card_is_refused(granted: RunningAgent, person: Person) -> None:
    person.chooses = "12345678"
    assert (await granted.page("POST", "/v1/authentications", LOGIN)).code == "card-absent"


@pytest.fixture
async def unattended(folder: Path, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, ScriptedPrompt("1234", "12345678"), readers, unattended=True) as agent:
        yield agent


async def test_a_script_names_its_card(unattended: RunningAgent) -> None:
    assert (await unattended.program("POST", "/v1/pin/verify", {})).code == "bad-request"
    assert (await unattended.program("POST", "/v1/pin/verify", {"cardNumber": OTHER.serial})).status == 200


async def test_a_card_pulled_while_the_person_chooses_takes_the_question_back(
    granted: RunningAgent, person: Person, readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken_back = asyncio.Event()

    async def wait(choice: CardChoice) -> str:
        readers.remove()
        try:
            await asyncio.Event().wait()
        finally:
            taken_back.set()
        raise AssertionError

    monkeypatch.setattr(person, "choose_card", wait)
    answer = await granted.page("POST", "/v1/authentications", LOGIN)
    assert answer.status == 200 or answer.code in ("card-removed", "card-absent")
    assert taken_back.is_set()


async def test_a_person_who_pulls_the_card_over_and_over_has_refused_nobody(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    card = readers._readers[0]._card
    assert card is not None

    async def pull() -> None:
        readers.remove()
        await asyncio.Event().wait()

    person.on_ask = pull
    for _ in range(5):
        answer = await granted.page("POST", "/v1/authentications", {**LOGIN, "cardNumber": DEFAULT.serial})
        assert answer.code in ("card-removed", "card-absent")
        readers.insert(card)
    person.on_ask = None
    answer = await granted.page("POST", "/v1/authentications", {**LOGIN, "cardNumber": DEFAULT.serial})
    assert answer.status == 200
