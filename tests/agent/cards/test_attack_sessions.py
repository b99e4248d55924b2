"""Attacks on a kept code: kept although the person has gone, used by another program, spent on the last try."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.agent import NONCE, PAGE, Answer, DeskPresence, Person, RunningAgent

from agent.access.callers import Caller, CallerKind
from agent.cards.asking import CardAsker, CodeQuestion
from agent.cards.sessions import PinSessions
from agent.cards.uses import UseRecord, UseRequest
from agent.people.prompt import Action, Asker, PinAnswer, PinKind, PinRequest, PromptRefusedError
from drivers.base import PinStatus
from drivers.pin import Pin
from drivers.virtual.chip import Chip
from drivers.virtual.link import VirtualReaders

PROGRAM = Caller(CallerKind.PROGRAM, "/usr/bin/tray")
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
SIGN: dict[str, Any] = {
    "format": "cms",
    "documents": [{"name": "d.txt", "content": base64.b64encode(b"content").decode()}],
}
Deed = Callable[[RunningAgent, DeskPresence], Awaitable[None]]


def sessions_of(agent: RunningAgent) -> PinSessions:
    sessions: PinSessions = agent.daemon.sessions  # type: ignore[attr-defined]
    return sessions


def card_in(readers: VirtualReaders) -> Chip:
    card = readers._readers[0]._card
    assert card is not None
    return card


def tries_left(card: Chip) -> int:
    card.process(bytes.fromhex("00A4090C023F00"))
    return card.process(bytes.fromhex("0020000100"))[1] & 0x0F


def codes_asked(person: Person) -> int:
    return sum(isinstance(question, PinRequest) for question in person.asked)


async def log_in(agent: RunningAgent) -> Answer:
    return await agent.page("POST", "/v1/authentications", LOGIN)


async def walk_away(_agent: RunningAgent, presence: DeskPresence) -> None:
    presence.leave()


async def lock(agent: RunningAgent, _presence: DeskPresence) -> None:
    assert (await agent.program("POST", "/v1/pin/lock", {})).status == 200


async def lock_as_page(agent: RunningAgent, _presence: DeskPresence) -> None:
    assert (await agent.page("POST", "/v1/pin/lock", {})).status == 200


async def revoke(agent: RunningAgent, _presence: DeskPresence) -> None:
    (grant,) = (await agent.page("GET", "/v1/grants")).body["grants"]
    assert (await agent.program("DELETE", f"/v1/grants/{grant['id']}")).status == 204


@pytest.mark.parametrize("end", [walk_away, lock, lock_as_page, revoke])
async def test_attack_no_code_is_kept_of_a_question_that_the_end_came_upon(
    granted: RunningAgent, person: Person, presence: DeskPresence, end: Deed
) -> None:
    """The screen is locked, or the grant taken back, between the question and the card's answer."""
    person.on_ask = lambda: end(granted, presence)
    assert (await granted.page("POST", "/v1/pin/verify", {})).status == 200
    assert isinstance(person.asked[-1], PinRequest)
    assert person.asked[-1].session_minutes is not None
    assert sessions_of(granted).list_for(PROGRAM) == []


async def test_attack_lock_of_another_page_takes_nobody_s_session(granted: RunningAgent, person: Person) -> None:
    async def lock_elsewhere() -> None:
        assert (await granted.page("POST", "/v1/pin/lock", {}, "https://other.example")).body == {"ended": 0}

    person.on_ask = lock_elsewhere
    assert (await log_in(granted)).status == 200
    assert len(sessions_of(granted).list_for(PROGRAM)) == 1


@pytest.mark.parametrize("through", ["/tmp/other", None])
async def test_attack_program_that_calls_itself_the_page_gets_no_kept_code(
    granted: RunningAgent, through: str | None
) -> None:
    """It needs no token for that, and no window would tell which program signs."""
    assert (await log_in(granted)).status == 200
    sessions = sessions_of(granted)
    (session,) = sessions.list_for(PROGRAM)
    assert session.caller.through is not None
    assert sessions.borrow(Caller(CallerKind.PAGE, PAGE, through), session.card, 3, 1) is None
    assert sessions.borrow(session.caller, session.card, 3, 1) is session.pin


async def test_attack_page_through_a_program_without_a_name_is_offered_no_session(granted: RunningAgent) -> None:
    assert sessions_of(granted).offer_to(Caller(CallerKind.PAGE, PAGE)) is None


async def test_attack_grant_that_promises_to_ask_the_code_asks_it(agent: RunningAgent, person: Person) -> None:
    """A page has the code checked, and kept, and is allowed only then to have documents signed."""
    assert (await agent.page("POST", "/v1/grants", {"abilities": ["identity"]})).status == 201
    assert (await agent.page("POST", "/v1/pin/verify", {})).status == 200
    assert (await agent.page("POST", "/v1/grants", {"abilities": ["sign"]})).status == 201
    assert sessions_of(agent).list_for(PROGRAM) == []
    assert (await agent.page("POST", "/v1/signatures", SIGN)).status == 200
    assert codes_asked(person) == 2


async def test_attack_caller_that_was_refused_much_does_not_take_less_with_a_kept_code(
    granted: RunningAgent, person: Person
) -> None:
    assert (await log_in(granted)).status == 200
    person.refuses = PromptRefusedError()
    much = {**SIGN, "documents": SIGN["documents"] * 21}
    assert (await granted.page("POST", "/v1/signatures", much)).code == "pin-refused"
    assert (await granted.page("POST", "/v1/signatures", SIGN)).code == "pin-refused"
    assert sessions_of(granted).list_for(PROGRAM) == []


async def test_attack_kept_code_never_takes_the_last_try(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    """Kept at the last try, which a person ticked; then another program changes the code, and errs."""
    card = card_in(readers)
    for _ in range(2):
        card.process(bytes.fromhex("0020000104") + b"9999")
    assert (await log_in(granted)).status == 200
    card.process(bytes.fromhex("0024000108") + b"12345678")
    for _ in range(2):
        card.process(bytes.fromhex("0020000104") + b"9999")
    card.reset()
    person.refuses = PromptRefusedError()
    assert (await log_in(granted)).code == "pin-refused"
    assert tries_left(card) == 1


async def test_attack_tries_spent_with_a_kept_code_are_not_counted_into_one_entry(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    card = card_in(readers)
    for change in (b"12345678", b"56781234"):
        assert (await log_in(granted)).status == 200
        card.process(bytes.fromhex("0024000108") + change)
        card.reset()
        assert (await log_in(granted)).code == "pin-wrong"
        person.pin = change[4:].decode()
    entries = (await granted.program("GET", "/v1/journal")).body["entries"]
    assert [entry["count"] for entry in entries if entry["outcome"] == "pin-wrong"] == [1, 1]


class Typist(Person):
    """Somebody who types at once; the test keeps the code to look at it afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.code: Pin | None = None

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        self.code = Pin(bytearray(b"1234"))
        return PinAnswer(self.code)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("steps", range(8))
async def test_attack_caller_that_leaves_in_the_moment_of_the_answer_leaves_no_code(
    granted: RunningAgent, steps: int, *, again: bool
) -> None:
    cards, typist = sessions_of(granted)._cards, Typist()
    request = UseRequest(Asker(PAGE, is_page=True), Action.VERIFY_PIN, UseRecord("verify-pin"))
    question = CodeQuestion(PinKind.VERIFY, await cards.find(), PinStatus(3, verified=False))
    asking = asyncio.create_task(CardAsker(cards, typist).ask_code(request, question))
    for _ in range(steps):
        await asyncio.sleep(0)
    asking.cancel()
    if again:
        await asyncio.sleep(0)
        asking.cancel()
    await asyncio.wait([asking])
    await asyncio.sleep(0)
    if asking.cancelled():
        assert typist.code is None or not any(typist.code._digits)
    else:
        asking.result().wipe()
