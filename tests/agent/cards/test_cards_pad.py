"""A reader with keys: the person agrees in the window, types on the reader, and the agent never has the code."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.agent import NONCE, PAGE, Answer, Person, RunningAgent
from support.lines import open_line, page_request, until

from agent.people.prompt import NoticeKind, PinRequest
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.store import open_card

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


@pytest.fixture
def pad() -> VirtualPad:
    return VirtualPad()


@pytest.fixture
def card(folder: Path) -> Iterator[VirtualCard]:
    with open_card(folder) as card:
        yield card


@pytest.fixture
def readers(card: VirtualCard, pad: VirtualPad) -> VirtualReaders:
    return VirtualReaders([card], pad=pad)


def is_closed(card: VirtualCard) -> bool:
    card.process(bytes.fromhex("00A4090C023F00"))
    return card.process(bytes.fromhex("0020000100"))[0] == 0x63


async def log_in(agent: RunningAgent) -> Answer:
    return await agent.page("POST", "/v1/authentications", LOGIN)


async def test_a_login_is_typed_on_the_reader(
    granted: RunningAgent, person: Person, pad: VirtualPad, card: VirtualCard
) -> None:
    pad.type("1234")
    assert (await log_in(granted)).status == 200
    (question,) = person.asked
    assert isinstance(question, PinRequest)
    assert question.on_pad
    assert question.session_minutes is None
    (notice,) = person.told
    assert notice.kind is NoticeKind.TYPE_ON_READER
    assert is_closed(card)


async def test_one_typing_serves_all_the_documents_of_a_call(
    granted: RunningAgent, person: Person, pad: VirtualPad, card: VirtualCard
) -> None:
    documents = [{"name": f"{n}.txt", "content": base64.b64encode(bytes(n)).decode()} for n in range(10)]
    pad.type("1234")
    answer = await granted.page("POST", "/v1/signatures", {"format": "cms", "documents": documents})
    assert answer.status == 200
    assert len(answer.body["signatures"]) == 10
    (question,) = person.asked
    assert isinstance(question, PinRequest)
    assert question.sizes == tuple(range(10))
    assert is_closed(card)


async def test_a_wrong_code_on_the_reader_tells_the_tries(granted: RunningAgent, pad: VirtualPad) -> None:
    pad.type("9999")
    answer = await log_in(granted)
    assert (answer.code, answer.body["triesLeft"]) == ("pin-wrong", 2)


@pytest.mark.parametrize("giving_up", [VirtualPad.cancel, VirtualPad.time_out])
async def test_giving_up_at_the_reader_costs_no_try(
    granted: RunningAgent, pad: VirtualPad, card: VirtualCard, giving_up
) -> None:
    giving_up(pad)
    assert (await log_in(granted)).code == "pin-refused"
    (shown,) = (await granted.page("GET", "/v1/cards")).body["cards"]
    assert shown["pin"]["triesLeft"] == 3
    assert is_closed(card)


async def test_attack_page_that_asks_again_after_a_no_at_the_reader_opens_no_window(
    granted: RunningAgent, pad: VirtualPad, person: Person
) -> None:
    pad.cancel()
    for _ in range(3):
        assert (await log_in(granted)).code == "pin-refused"
    assert len(person.asked) == 1


async def test_codes_are_changed_and_unblocked_on_the_reader(agent: RunningAgent, pad: VirtualPad) -> None:
    pad.type("1234", "4321", "4321")
    assert (await agent.program("POST", "/v1/pin/change", {})).status == 200
    for tries in (2, 1, 0):
        pad.type("1234")
        answer = await agent.program("POST", "/v1/pin/verify", {})
        assert answer.body["triesLeft"] == tries
    pad.type("12345678", "1111", "1111")
    answer = await agent.program("POST", "/v1/pin/unblock", {})
    assert answer.body["pin"] == {"state": "ready", "triesLeft": 3}
    pad.type("1111")
    assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200


async def test_new_codes_that_differ_change_nothing(agent: RunningAgent, pad: VirtualPad) -> None:
    pad.type("1234", "4321", "4322")
    assert (await agent.program("POST", "/v1/pin/change", {})).code == "pin-refused"
    pad.type("1234")
    assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200


async def test_a_reader_that_replaces_no_codes_says_so(
    agent: RunningAgent, pad: VirtualPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pad, "replaces_codes", False)
    assert (await agent.program("POST", "/v1/pin/change", {})).code == "not-supported"


async def test_a_card_pulled_while_the_person_types(
    granted: RunningAgent, pad: VirtualPad, readers: VirtualReaders, person: Person
) -> None:
    answer = asyncio.create_task(log_in(granted))
    await until(pad.waiting.is_set)
    readers.remove()
    assert (await answer).code in ("card-removed", "card-absent")


async def test_attack_a_caller_that_leaves_while_the_person_types_gets_no_signature(
    granted: RunningAgent, pad: VirtualPad, card: VirtualCard, person: Person
) -> None:
    body = f'{{"format": "web-eid:1.0", "challengeNonce": "{NONCE}"}}'.encode()
    with open_line(granted.port, page_request(granted.port, "/v1/authentications", body, PAGE)):
        await until(pad.waiting.is_set)
    pad.type("1234")
    await until(lambda: not pad.waiting.is_set())
    pad.type("1234")
    assert (await log_in(granted)).status == 200
    assert is_closed(card)
    outcomes = [
        entry["outcome"]
        for entry in (await granted.program("GET", "/v1/journal")).body["entries"]
        if entry["action"] == "authenticate"
    ]
    assert outcomes == ["ok", "cancelled"]
