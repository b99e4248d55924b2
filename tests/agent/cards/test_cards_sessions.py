"""PIN sessions: what a person may let the agent keep, and everything that ends it."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from support.agent import NONCE, PAGE, Answer, DeskPresence, Person, RunningAgent, running_agent
from support.lines import until

from agent.access.callers import Caller, CallerKind
from agent.cards.sessions import PinSessions, SessionTerms
from agent.people.presence import AwayReason
from agent.people.prompt import PinRequest
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

PROGRAM = Caller(CallerKind.PROGRAM, "/usr/bin/tray")
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}


def documents(count: int) -> dict[str, object]:
    content = base64.b64encode(b"content").decode()
    return {"format": "cms", "documents": [{"name": f"{n}.txt", "content": content} for n in range(count)]}


async def log_in(agent: RunningAgent, origin: str = PAGE) -> Answer:
    return await agent.page("POST", "/v1/authentications", LOGIN, origin)


async def sign(agent: RunningAgent, count: int = 1) -> Answer:
    return await agent.page("POST", "/v1/signatures", documents(count))


def codes_asked(person: Person) -> int:
    return sum(isinstance(question, PinRequest) for question in person.asked)


def sessions_of(agent: RunningAgent) -> PinSessions:
    """The sessions of the running agent, which the conftest has put there."""
    sessions: PinSessions = agent.daemon.sessions  # type: ignore[attr-defined]
    return sessions


async def test_a_ticked_session_serves_further_uses_without_a_code(granted: RunningAgent, person: Person) -> None:
    assert (await log_in(granted)).status == 200
    assert (await log_in(granted)).status == 200
    assert (await sign(granted, 3)).status == 200
    assert codes_asked(person) == 1
    (question,) = person.asked
    assert isinstance(question, PinRequest)
    assert (question.session_minutes, question.session_uses) == (15, 20)
    (entry,) = [
        entry for entry in (await granted.program("GET", "/v1/journal")).body["entries"] if entry["action"] == "sign"
    ]
    assert entry["outcome"] == "ok"


async def test_the_card_is_closed_between_the_uses_of_a_session(granted: RunningAgent, readers: VirtualReaders) -> None:
    for _ in range(2):
        assert (await log_in(granted)).status == 200
        card = readers._readers[0]._card
        assert card is not None
        card.process(bytes.fromhex("00A4090C023F00"))
        assert card.process(bytes.fromhex("0020000100")) == b"\x63\xc3"


async def test_nothing_is_kept_without_the_tick(granted: RunningAgent, person: Person) -> None:
    person.session = False
    for _ in range(2):
        assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 2


async def test_another_caller_is_asked(granted: RunningAgent, person: Person) -> None:
    other = "https://other.example"
    assert (await granted.page("POST", "/v1/grants", {"abilities": ["authenticate"]}, other)).status == 201
    assert (await log_in(granted)).status == 200
    assert (await log_in(granted, other)).status == 200
    assert codes_asked(person) == 2


async def test_uses_are_counted_by_signature_and_run_out(granted: RunningAgent, person: Person) -> None:
    assert (await log_in(granted)).status == 200
    assert (await sign(granted, 15)).status == 200
    assert codes_asked(person) == 1
    assert (await sign(granted, 6)).status == 200  # more than the 5 that are left: the person decides
    assert codes_asked(person) == 2
    person.session = False
    assert (await sign(granted, 20)).status == 200  # the session that was ticked anew
    assert codes_asked(person) == 2
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 3


async def lock(agent: RunningAgent) -> None:
    answer = await agent.program("POST", "/v1/pin/lock", {})
    assert answer.body == {"ended": 1}


async def lock_as_page(agent: RunningAgent) -> None:
    assert (await agent.page("POST", "/v1/pin/lock", {}, "https://other.example")).body == {"ended": 0}
    assert (await agent.page("POST", "/v1/pin/lock", {})).body == {"ended": 1}


async def revoke(agent: RunningAgent) -> None:
    (grant,) = (await agent.page("GET", "/v1/grants")).body["grants"]
    assert (await agent.program("DELETE", f"/v1/grants/{grant['id']}")).status == 204
    answer = await agent.page("POST", "/v1/grants", {"abilities": ["identity", "authenticate", "sign"]})
    assert answer.status == 201


async def change(agent: RunningAgent) -> None:
    assert (await agent.program("POST", "/v1/pin/change", {})).status == 200


@pytest.mark.parametrize("end", [lock, lock_as_page, revoke, change])
async def test_what_a_caller_or_the_person_does_ends_it(granted: RunningAgent, person: Person, end: Callable) -> None:
    assert (await log_in(granted)).status == 200
    (session,) = sessions_of(granted).list_for(PROGRAM)
    await end(granted)
    assert sessions_of(granted).list_for(PROGRAM) == []
    assert not any(session.pin._digits)
    before = codes_asked(person)
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == before + 1


@pytest.mark.parametrize("reason", list(AwayReason))
async def test_a_person_who_goes_away_ends_it(
    granted: RunningAgent, presence: DeskPresence, reason: AwayReason
) -> None:
    assert (await log_in(granted)).status == 200
    (session,) = sessions_of(granted).list_for(PROGRAM)
    presence.leave(reason)
    assert sessions_of(granted).list_for(PROGRAM) == []
    assert not any(session.pin._digits)


async def test_signals_that_are_lost_end_the_offer_and_the_use(
    granted: RunningAgent, person: Person, presence: DeskPresence
) -> None:
    assert (await log_in(granted)).status == 200
    presence.available = False
    person.session = True
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 2
    assert isinstance(person.asked[-1], PinRequest)
    assert person.asked[-1].session_minutes is None
    assert sessions_of(granted).list_for(PROGRAM) == []


async def test_a_pulled_card_ends_it_though_the_same_card_comes_back(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    assert (await log_in(granted)).status == 200
    (session,) = sessions_of(granted).list_for(PROGRAM)
    card = readers._readers[0]._card
    assert card is not None
    readers.remove()
    await until(lambda: not sessions_of(granted).list_for(PROGRAM))
    assert not any(session.pin._digits)
    readers.insert(card)
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 2


async def test_a_wrong_code_given_elsewhere_ends_it(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    assert (await log_in(granted)).status == 200
    card = readers._readers[0]._card
    assert card is not None
    card.process(bytes.fromhex("0020000104") + b"9999")
    card.reset()
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 2


async def test_a_kept_code_that_the_card_refuses_is_sent_once(
    granted: RunningAgent, person: Person, readers: VirtualReaders
) -> None:
    assert (await log_in(granted)).status == 200
    card = readers._readers[0]._card
    assert card is not None
    card.process(bytes.fromhex("0024000108") + b"12345678")
    card.reset()
    answer = await log_in(granted)
    assert (answer.code, answer.body["triesLeft"]) == ("pin-wrong", 2)
    assert sessions_of(granted).list_for(PROGRAM) == []
    person.pin = "5678"
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 2


async def test_a_wrong_code_opens_none(granted: RunningAgent, person: Person) -> None:
    person.pin = "9999"
    assert (await log_in(granted)).code == "pin-wrong"
    assert sessions_of(granted).list_for(PROGRAM) == []


async def test_a_program_that_speaks_for_a_site_is_asked_each_time(agent: RunningAgent, person: Person) -> None:
    for _ in range(2):
        assert (await agent.program("POST", "/v1/authentications", {**LOGIN, "origin": PAGE})).status == 200
    assert codes_asked(person) == 2
    assert all(question.session_minutes is None for question in person.asked if isinstance(question, PinRequest))


async def test_raw_signatures_are_never_served_from_a_session(agent: RunningAgent, person: Person) -> None:
    raw = {
        "format": "raw",
        "documents": [{"name": "a", "digest": base64.b64encode(bytes(32)).decode(), "digestAlgorithm": "sha256"}],
    }
    for _ in range(2):
        assert (await agent.program("POST", "/v1/signatures", raw)).status == 200
    assert codes_asked(person) == 2


async def test_checking_the_code_may_open_one(agent: RunningAgent, person: Person) -> None:
    assert (await agent.program("POST", "/v1/grants", {"abilities": ["sign"]})).status == 201
    assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200
    assert len(sessions_of(agent).list_for(PROGRAM)) == 1
    answer = await agent.program("POST", "/v1/signatures", documents(1))
    assert answer.status == 200
    assert codes_asked(person) == 1


async def test_an_administrator_can_forbid_them(folder, person: Person, presence: DeskPresence) -> None:
    with open_card(folder) as card:
        readers = VirtualReaders([card])
        async with running_agent(folder, person, readers, presence, pin_session_minutes=0) as agent:
            assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200
            assert isinstance(person.asked[-1], PinRequest)
            assert person.asked[-1].session_minutes is None


async def test_the_end_of_the_agent_wipes_it(
    folder, person: Person, presence: DeskPresence, readers: VirtualReaders
) -> None:
    async with running_agent(folder, person, readers, presence) as agent:
        assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200
        (session,) = sessions_of(agent).list_for(PROGRAM)
    assert not any(session.pin._digits)


async def test_time_ends_it_though_the_machine_slept(granted: RunningAgent, person: Person) -> None:
    assert (await log_in(granted)).status == 200
    (session,) = sessions_of(granted).list_for(PROGRAM)
    session.deadline_s -= 15 * 60  # as a clock that went on during a suspension tells
    assert (await log_in(granted)).status == 200
    assert codes_asked(person) == 2
    assert not any(session.pin._digits)


async def test_the_timer_ends_it(
    folder, person: Person, presence: DeskPresence, readers: VirtualReaders, monkeypatch
) -> None:
    monkeypatch.setattr("agent.daemon.SessionTerms", lambda minutes, uses: SessionTerms(0.001, uses))  # type: ignore[arg-type]
    async with running_agent(folder, person, readers, presence) as agent:
        assert (await agent.program("POST", "/v1/pin/verify", {})).status == 200
        await until(lambda: not sessions_of(agent).list_for(PROGRAM))
