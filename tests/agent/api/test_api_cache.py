"""The cache of cards from outside: what it saves, that it can be emptied, and that nothing private is ever in it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.agent import NONCE, Person, RunningAgent, running_agent
from support.lines import DEADLINE_S

from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard

UNKNOWN, KNOWN = 42, 4
"""Exchanges until a card is identified."""
FORGET = ("DELETE", "/v1/certificates/cache")
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE, "origin": "https://site.example"}
RARE_PIN = "58203917"


class CountingDesk:
    """One card in one reader; `commands` are all that it was sent."""

    def __init__(self, folder: Path) -> None:
        self.commands: list[str] = []
        self._card = open_card(folder)
        self.traced = TracedCard(self._card, self.commands.append)
        self.readers = VirtualReaders([self.traced])

    def close(self) -> None:
        self._card.close()


@pytest.fixture
def desk(folder: Path) -> Iterator[CountingDesk]:
    desk = CountingDesk(folder)
    yield desk
    desk.close()


@asynccontextmanager
async def run_of(folder: Path, desk: CountingDesk, person: Person) -> AsyncIterator[RunningAgent]:
    """One run of the agent, once its card was read and looked at."""
    desk.readers._stopped = False
    async with running_agent(folder, person, desk.readers) as agent:
        (card,) = (await agent.program("GET", "/v1/cards")).body["cards"]
        assert card["pin"]["triesLeft"] == 3, "the agent has no reason left to look by itself"
        yield agent


async def certificates(agent: RunningAgent) -> list[str]:
    found = (await agent.program("GET", "/v1/certificates")).body["certificates"]
    return [each["certificate"] for each in found]


async def readings(agent: RunningAgent, count: int) -> list[int]:
    """How many exchanges each identification took, the last first; so many of them are waited for."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            entries = (await agent.program("GET", "/v1/journal")).body["entries"]
            read = [entry for entry in entries if entry["action"] == "read-card"]
            found = [entry["exchanges"] for entry in read for _ in range(entry["count"])]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.005)


def on_disk(folder: Path) -> bytes:
    """Every byte of the agent's database and what belongs to it."""
    return b"".join(path.read_bytes() for path in folder.glob("agent.db*"))


async def test_the_certificates_of_a_known_card_cost_no_exchange_beyond_its_identification(
    folder: Path, desk: CountingDesk, person: Person
) -> None:
    async with run_of(folder, desk, person) as agent:
        first = await certificates(agent)
        assert await readings(agent, 1) == [UNKNOWN]
    async with run_of(folder, desk, person) as agent:
        assert await certificates(agent) == first
        assert await readings(agent, 2) == [KNOWN, UNKNOWN]
        before = len(desk.commands)
        for _ in range(3):
            assert await certificates(agent) == first
        assert len(desk.commands) == before


async def test_forgetting_empties_it_and_a_card_is_read_anew_when_it_is_next_inserted(
    folder: Path, desk: CountingDesk, person: Person
) -> None:
    async with run_of(folder, desk, person) as agent:
        situations = await agent.ask(lambda client: client.situations(DEFAULT.serial))
        assert situations
        held = base64.b64decode((await certificates(agent))[0])
        needle = base64.b64encode(held[: len(held) // 3 * 3])
        assert needle in on_disk(folder)
        async with asyncio.timeout(DEADLINE_S):
            while held[-100:] not in on_disk(folder):  # kept as one seen at this desk, by a follower of the events
                await asyncio.sleep(0.005)
        answer = await agent.program(*FORGET)
        assert answer.status == 200
        assert answer.body["forgotten"].items() >= {"cards": 1, "seenCards": 1, "directory": 0}.items()
        assert needle not in on_disk(folder)
        assert held[-100:] not in on_disk(folder)
        assert b'"certificate_der"' not in on_disk(folder)
        assert len(await certificates(agent)) == 2, "the card that is there goes on"
        (card,) = (await agent.program("GET", "/v1/cards")).body["cards"]
        assert card["situations"] is None
        assert (await agent.program(*FORGET)).body["forgotten"]["cards"] == 0
        desk.readers.remove()
        async with asyncio.timeout(DEADLINE_S):
            while await certificates(agent):
                await asyncio.sleep(0.005)
        desk.readers.insert(desk.traced)
        assert await readings(agent, 2) == [UNKNOWN, UNKNOWN]
        uses = (await agent.program("GET", "/v1/journal")).body["entries"]
        assert [entry["outcome"] for entry in uses if entry["action"] == "forget-certificates"] == ["ok", "ok"]
    async with run_of(folder, desk, person) as agent:
        assert (await readings(agent, 3))[0] == KNOWN


async def test_no_page_has_anything_forgotten(granted: RunningAgent, folder: Path) -> None:
    assert len((await granted.page("GET", "/v1/certificates")).body["certificates"]) == 2
    assert (await granted.page(*FORGET)).code == "token-refused"
    assert b'"certificate_der"' in on_disk(folder)
    (entry,) = [
        entry
        for entry in (await granted.program("GET", "/v1/journal")).body["entries"]
        if entry["action"] == "forget-certificates"
    ]
    assert entry["outcome"] == "token-refused"


async def test_reading_situations_after_it_was_emptied_brings_nothing_back(
    folder: Path, desk: CountingDesk, person: Person
) -> None:
    async with run_of(folder, desk, person) as agent:
        assert (await agent.program(*FORGET)).status == 200
        assert await agent.ask(lambda client: client.situations(DEFAULT.serial))
        assert (await agent.program(*FORGET)).body["forgotten"]["cards"] == 0


async def test_neither_codes_nor_situations_are_in_any_byte_of_it(
    folder: Path, desk: CountingDesk, person: Person
) -> None:
    async with run_of(folder, desk, person) as agent:
        person.new_pin = RARE_PIN
        assert (await agent.program("POST", "/v1/pin/change", {})).status == 200
        person.pin = RARE_PIN
        assert (await agent.program("POST", "/v1/authentications", LOGIN)).status == 200
        situations = await agent.ask(lambda client: client.situations(DEFAULT.serial))
        public = await agent.ask(lambda client: client.cards())
        content = on_disk(folder)
    for kept in (content, on_disk(folder)):
        assert DEFAULT.serial.encode() in kept
        assert public[0]["holder"]["rpps"] == DEFAULT.holder.rpps
        codes = (RARE_PIN.encode(), RARE_PIN.encode().hex().encode(), base64.b64encode(RARE_PIN.encode())[:10])
        names = [each["name"].encode() for each in situations]
        texts = [text for name in names for text in (name, base64.b64encode(name)[:12], name.hex().encode())]
        identifiers = [each["structure"]["id"].encode() for each in situations]
        assert not [secret for secret in (*codes, *texts, *identifiers) if secret in kept]


@pytest.mark.parametrize("damage", [b"\xa5" * 4096, b"SQLite format 3\x00" + bytes(84)], ids=["noise", "zeroes"])
async def test_a_damaged_file_is_said_and_the_card_is_read_anew(
    folder: Path, desk: CountingDesk, person: Person, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_of(folder, desk, person):
        pass
    (folder / "agent.db").write_bytes(damage)
    async with run_of(folder, desk, person) as agent:
        assert await readings(agent, 1) == [UNKNOWN]
    assert "the database was damaged" in caplog.text
