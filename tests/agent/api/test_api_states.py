"""The desk as it is and as it changes: in the first message of the stream, in its events, and in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.agent import PAGE, DeskPresence, Person, RunningAgent, running_agent
from support.lines import DEADLINE_S, until

from drivers.virtual.chip import Chip
from drivers.virtual.link import VirtualReaders, reader_name
from drivers.virtual.personalisation import DEFAULT

READER = reader_name(0)
OTHER_PAGE = "https://other.example"
IDENTITY = {"cardNumber", "holderName", "kind", "expiresAt", "pin"}
Json = dict[str, Any]


class Listener:
    """A client of the stream that keeps what it was told."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.messages: list[Json] = []
        self._task = asyncio.create_task(self._listen(socket))

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.messages.append(message.json())

    @property
    def state(self) -> Json:
        return self.messages[0]

    @property
    def events(self) -> list[Json]:
        return self.messages[1:]

    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    async def hear(self, kind: str, **members: object) -> Json:
        """Wait for a message of that type with these members."""

        def found() -> list[Json]:
            return [each for each in self.messages if each["type"] == kind and members.items() <= each.items()]

        await until(found)
        return found()[0]

    def conditions(self, reader: str | None) -> list[str]:
        """As the first message and the events after it tell them; None: of the desk."""
        known = {each["name"]: each["condition"] for each in self.state["readers"]} | {None: self.state["condition"]}
        changes = [each for each in self.events if each["type"] == "state-changed" and each["reader"] == reader]
        return [*([known[reader]] if reader in known else []), *(each["condition"] for each in changes)]


@contextlib.asynccontextmanager
async def listening(agent: RunningAgent, origin: str | None = PAGE) -> AsyncIterator[Listener]:
    headers = {"Authorization": f"Bearer {agent.token}"} if origin is None else {"Origin": origin}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{agent.port}/v1/events", headers=headers) as socket,
    ):
        listener = Listener(socket)
        await until(lambda: listener.messages)
        yield listener


async def settled(agent: RunningAgent, condition: str) -> Json:
    async with asyncio.timeout(DEADLINE_S):
        while (status := (await agent.program("GET", "/v1/status")).body)["condition"] != condition:
            await asyncio.sleep(0.01)
    return status


def chip_of(readers: VirtualReaders) -> Chip:
    chip = readers._readers[0]._card
    assert chip is not None
    return chip


async def test_status_and_readers_tell_the_condition(granted: RunningAgent) -> None:
    status = await settled(granted, "card-ready")
    (reader,) = status["readers"]
    assert status["sessions"] == []
    assert {key: reader[key] for key in ("name", "state", "condition", "trouble", "cardNumber", "kind")} == {
        "name": READER,
        "state": "ready",
        "condition": "card-ready",
        "trouble": None,
        "cardNumber": DEFAULT.serial,
        "kind": "CPS",
    }
    assert reader["pin"] == {"state": "ready", "triesLeft": 3}
    assert DEFAULT.holder.family_name in reader["holderName"]
    assert reader["expiresAt"].endswith("Z")
    assert (await granted.page("GET", "/v1/readers")).body["readers"] == [reader]


async def test_an_empty_reader_has_no_card_to_tell_of(granted: RunningAgent, readers: VirtualReaders) -> None:
    readers.remove()
    (reader,) = (await settled(granted, "no-card"))["readers"]
    assert reader["state"] == "empty"
    assert {key: reader[key] for key in IDENTITY} == dict.fromkeys(IDENTITY)


async def test_an_ungranted_page_learns_no_condition(agent: RunningAgent) -> None:
    assert (await agent.page("GET", "/v1/status")).body.keys() == {"name", "version"}


OF_THE_AGENT = {"name", "version", "refusedAuthorities", "tls"}


async def test_the_first_message_is_the_present_state(granted: RunningAgent, readers: VirtualReaders) -> None:
    status = await settled(granted, "card-ready")
    chip = chip_of(readers)
    async with listening(granted) as first:
        assert first.state == {"type": "state", **{key: status[key] for key in status.keys() - OF_THE_AGENT}}
        readers.remove()
        await first.hear("state-changed", reader=None, condition="no-card")
    async with listening(granted) as again:
        assert again.state["condition"] == "no-card"
        assert again.state["readers"][0]["cardNumber"] is None
        readers.insert(chip)
        await again.hear("state-changed", reader=None, condition="card-ready")
        assert again.types()[1:4] == ["card-inserted", "state-changed", "state-changed"]
        known = [each for each in again.events if each["type"] in ("card-ready", "state-changed") and each["reader"]]
        assert known == [
            {"type": "state-changed", "reader": READER, "condition": "reading"},
            {"type": "card-ready", "reader": READER, "cardNumber": DEFAULT.serial},
            {"type": "state-changed", "reader": READER, "cardNumber": DEFAULT.serial, "condition": "card-ready"},
        ]


@pytest.mark.parametrize("seed", range(3))
async def test_no_event_is_lost_or_doubled_between_state_and_stream(
    granted: RunningAgent, readers: VirtualReaders, seed: int
) -> None:
    """Many clients come and go while a card does; whoever comes late hears the end of what the first one heard."""
    chance = random.Random(seed)
    await settled(granted, "card-ready")
    done, gone, stayed = asyncio.Event(), [], []
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(listening(granted))
        visitors = [asyncio.create_task(come_and_go(granted, gone, done, chance)) for _ in range(4)]
        moving = asyncio.create_task(move(readers, chance))
        while not moving.done():
            await asyncio.wait([moving], timeout=chance.choice((0.01, 0.05, 0.2)))
            stayed.append(await stack.enter_async_context(listening(granted)))
        await settled(granted, "card-ready")
        readers.remove()
        for listener in (first, *stayed):
            await until(lambda listener=listener: listener.conditions(None)[-1] == "no-card")
        done.set()
        await asyncio.gather(*visitors)
        for listener in stayed:
            assert listener.events == first.events[len(first.events) - len(listener.events) :]
        for listener in (first, *stayed, *gone):
            require_consistent(listener, first)


def require_consistent(listener: Listener, first: Listener) -> None:
    """No condition is told twice, the first message included, and no event of the first listener is missing between."""
    for reader in (READER, None):
        told = listener.conditions(reader)
        assert all(before != after for before, after in itertools.pairwise(told)), told
    places = range(len(first.events) - len(listener.events) + 1)
    assert any(first.events[at : at + len(listener.events)] == listener.events for at in places)


async def move(readers: VirtualReaders, chance: random.Random) -> None:
    chip = chip_of(readers)
    for _ in range(12):
        readers.remove()
        await asyncio.sleep(chance.choice((0, 0.002, 0.02, 0.2)))
        readers.insert(chip)
        await asyncio.sleep(chance.choice((0, 0.002, 0.02, 0.3)))


async def come_and_go(agent: RunningAgent, gone: list[Listener], done: asyncio.Event, chance: random.Random) -> None:
    while not done.is_set():
        async with listening(agent) as listener:
            gone.append(listener)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), chance.choice((0.01, 0.1, 0.5)))


async def test_without_identity_nobody_is_named(agent: RunningAgent, readers: VirtualReaders) -> None:
    await agent.page("POST", "/v1/grants", {"abilities": ["events"]})
    await settled(agent, "card-ready")
    async with listening(agent) as listener:
        (reader,) = listener.state["readers"]
        assert reader == {"name": READER, "state": "ready", "condition": "card-ready", "trouble": None}
        chip = chip_of(readers)
        readers.remove()
        readers.insert(chip)
        await listener.hear("state-changed", reader=READER, condition="card-ready")
        assert DEFAULT.serial not in str(listener.messages)
        assert DEFAULT.holder.family_name not in str(listener.messages)


async def test_each_hears_of_its_own_grants_and_programs_of_all(granted: RunningAgent) -> None:
    async with listening(granted) as page, listening(granted, None) as program:
        given = (await granted.page("POST", "/v1/grants", {"abilities": ["identity"]}, OTHER_PAGE)).body
        told = {"id": given["id"], "caller": OTHER_PAGE, "kind": "page", "reader": None}
        assert await program.hear("grant-given") == {"type": "grant-given", **told}
        await granted.page("DELETE", f"/v1/grants/{given['id']}", origin=OTHER_PAGE)
        assert await program.hear("grant-revoked") == {"type": "grant-revoked", **told}
        again = (await granted.page("POST", "/v1/grants", {"abilities": ["batch"]})).body
        assert (await page.hear("grant-given"))["id"] == again["id"]
        assert OTHER_PAGE not in str(page.messages)


@pytest.fixture
async def watched(folder: Path, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    """An agent that offers PIN sessions, to a person who takes them, with two granted pages."""
    async with running_agent(folder, Person(session=True), readers, DeskPresence()) as agent:
        for origin in (PAGE, OTHER_PAGE):
            answer = await agent.page("POST", "/v1/grants", {"abilities": ["identity", "events"]}, origin)
            assert answer.status == 201
        yield agent


async def test_a_session_is_a_state_and_told_to_whom_it_concerns(watched: RunningAgent) -> None:
    await settled(watched, "card-ready")
    async with listening(watched) as page, listening(watched, OTHER_PAGE) as other, listening(watched, None) as program:
        assert (await watched.page("POST", "/v1/pin/verify", {})).status == 200
        status = await settled(watched, "pin-session")
        (session,) = status["sessions"]
        assert {key: session[key] for key in ("caller", "kind", "cardNumber")} == {
            "caller": PAGE,
            "kind": "page",
            "cardNumber": DEFAULT.serial,
        }
        assert session.keys() == {"id", "caller", "kind", "cardNumber", "endsAt", "usesLeft"}
        assert status["readers"][0]["pin"]["state"] == "session"
        (card,) = (await watched.page("GET", "/v1/cards")).body["cards"]
        assert card["pin"] == {"state": "session", "triesLeft": 3}
        for listener in (page, program):
            assert (await listener.hear("pin-session-opened"))["id"] == session["id"]
            await listener.hear("state-changed", reader=None, condition="pin-session")
        assert (await watched.page("GET", "/v1/status")).body["sessions"] == [session]
        assert (await watched.page("GET", "/v1/status", origin=OTHER_PAGE)).body["sessions"] == []
        async with listening(watched, OTHER_PAGE) as late, listening(watched, None) as late_program:
            assert late.state["sessions"] == []
            assert late_program.state["sessions"] == [session]
        await watched.page("POST", "/v1/pin/lock", {})
        assert (await page.hear("pin-session-ended"))["code"] == "locked"
        for listener in (page, other, program):
            await listener.hear("state-changed", reader=None, condition="pin-session")
            await until(lambda listener=listener: listener.conditions(None)[-1] == "card-ready")
        assert "pin-session-opened" not in other.types()
        assert "pin-session-ended" not in other.types()
        assert PAGE not in str(other.messages)


async def states(agent: RunningAgent) -> list[tuple[str, str | None, str | None, int]]:
    """What the journal says of states, oldest first."""
    entries = await agent.ask(lambda client: client.journal(500))
    kept = [each for each in reversed(entries) if each["action"] == "state"]
    assert all(each["caller"] == "cps-agent" for each in kept)
    return [(each["outcome"], each["subject"], each["cardNumber"], each["count"]) for each in kept]


async def test_the_journal_tells_each_state_once_and_in_order(agent: RunningAgent, readers: VirtualReaders) -> None:
    await settled(agent, "card-ready")
    readers.remove()
    await settled(agent, "no-card")
    async with asyncio.timeout(DEADLINE_S):
        while len(kept := await states(agent)) < 2:
            await asyncio.sleep(0.01)
    assert kept == [("card-ready", READER, DEFAULT.serial, 1), ("no-card", READER, None, 1)]


async def test_two_readers_are_told_apart_in_the_journal(folder: Path, person: Person) -> None:
    async with running_agent(folder, person, VirtualReaders([None, None])) as agent:
        async with asyncio.timeout(DEADLINE_S):
            while len(kept := await states(agent)) < 2:
                await asyncio.sleep(0.01)
        assert kept == [("no-card", READER, None, 1), ("no-card", reader_name(1), None, 1)]


async def test_a_desk_without_reader_is_told(folder: Path, person: Person) -> None:
    async with running_agent(folder, person, VirtualReaders([])) as agent:
        async with asyncio.timeout(DEADLINE_S):
            while not (kept := await states(agent)):
                await asyncio.sleep(0.01)
        assert kept == [("no-reader", None, None, 1)]


async def test_attack_a_flapping_contact_buries_no_use(granted: RunningAgent, readers: VirtualReaders) -> None:
    """A card is wiggled in its reader a hundred times: a few lines of the journal, with their number."""
    await granted.page("GET", "/v1/cards")
    before = await granted.ask(lambda client: client.journal(500))
    chip = chip_of(readers)
    async with listening(granted) as listener:
        for at in range(100):
            readers.remove()
            await until(lambda at=at: listener.types().count("card-removed") > at)
            readers.insert(chip)
            await until(lambda at=at: listener.types().count("card-inserted") > at)
            if not at % 10:
                await until(lambda: listener.messages[-1].get("condition") == "card-ready")
        await settled(granted, "card-ready")
        changes = len([each for each in listener.events if each["type"] == "state-changed" and each["reader"]])
    assert changes > 200
    async with asyncio.timeout(DEADLINE_S):
        while sum(count for *_, count in await states(granted)) < 110:
            await asyncio.sleep(0.01)
    after = await granted.ask(lambda client: client.journal(500))
    assert len(after) <= len(before) + 4
    assert [each for each in after if each["caller"] != "cps-agent"] == [
        each for each in before if each["caller"] != "cps-agent"
    ]


async def test_what_was_told_last_is_in_the_journal_after_the_end(
    folder: Path, person: Person, readers: VirtualReaders
) -> None:
    async with running_agent(folder, person, readers) as agent, listening(agent, None) as listener:
        await settled(agent, "card-ready")
        readers.remove()
        await until(lambda: listener.conditions(None)[-1:] == ["no-card"])
    async with running_agent(folder, person, VirtualReaders([])) as agent:
        kept = await states(agent)
        assert [each[:2] for each in kept[:2]] == [("card-ready", READER), ("no-card", READER)]
