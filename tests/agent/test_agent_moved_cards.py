"""Two readers at one desk: two cards, one card moved from one to the other, and a foreign card beside a CPS."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.agent import NONCE, Answer, Person, RunningAgent, running_agent

from drivers.virtual.chip import Chip
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders, reader_name

LEFT, RIGHT = reader_name(0), reader_name(1)
KINDS = ("cps3", "cpe", "vitale")
CPS, CPE = "99900001", "99900012"
DEADLINE_S = 20
KNOWN_CARD = 4
"""Exchanges that a card which is known costs: EF.SN and the beginning of a certificate."""

LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
GRANT = {"abilities": ["identity", "authenticate", "events"]}
Told = tuple[str, str | None, str | None]


@dataclass
class Desk:
    """A desk with two readers, empty at first, and cards to put into them."""

    agent: RunningAgent
    readers: VirtualReaders
    cards: dict[str, Chip]
    person: Person

    def insert(self, kind: str, reader: str) -> None:
        self.readers.insert(self.cards[kind], reader)

    def move(self, kind: str, source: str, target: str, *, at_once: bool = False) -> None:
        """`at_once`: so fast that whoever watches sees the removal and the insertion in one look."""
        with self.readers._changed if at_once else contextlib.nullcontext():
            self.readers.remove(source)
            self.insert(kind, target)

    async def login(self, number: str | None = None) -> Answer:
        return await self.agent.page("POST", "/v1/authentications", LOGIN | ({"cardNumber": number} if number else {}))

    async def where(self) -> dict[str, str]:
        """The reader of each card that can be used."""
        cards = (await self.agent.page("GET", "/v1/cards")).body["cards"]
        return {card["number"]: card["reader"] for card in cards}

    async def read_counts(self) -> list[int]:
        """Exchanges of each reading of a card, the newest first."""
        journal = await self.agent.ask(lambda client: client.journal(100))
        return [entry["exchanges"] for entry in journal if entry["action"] == "read-card"]


@pytest.fixture(scope="module")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for kind in KINDS:
        open_card_of_kind(folder, kind).close()
    return folder


@pytest.fixture
def folder(made_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_folder, tmp_path / "data"))


@pytest.fixture
def cards(folder: Path) -> Iterator[dict[str, Chip]]:
    with contextlib.ExitStack() as stack:
        yield {kind: stack.enter_context(open_card_of_kind(folder, kind)) for kind in KINDS}


@pytest.fixture
async def desk(folder: Path, cards: dict[str, Chip]) -> AsyncIterator[Desk]:
    readers, person = VirtualReaders([None, None]), Person()
    async with running_agent(folder, person, readers) as agent:
        await agent.page("POST", "/v1/grants", GRANT)
        person.asked.clear()
        yield Desk(agent, readers, cards, person)


class Listener:
    """What the event stream tells of cards, as (type, reader, number)."""

    KINDS = ("card-inserted", "card-ready", "card-removed", "card-trouble")

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def told(self, count: int) -> list[Told]:
        """The next events."""
        events: list[Told] = []
        async with asyncio.timeout(DEADLINE_S):
            while len(events) < count:
                event: dict[str, Any] = await self._socket.receive_json()
                if event["type"] in self.KINDS:
                    events.append((event["type"], event["reader"], event.get("cardNumber")))
        return events


@contextlib.asynccontextmanager
async def listening(agent: RunningAgent) -> AsyncIterator[Listener]:
    headers = {"Authorization": f"Bearer {agent.token}"}
    url = f"http://127.0.0.1:{agent.port}/v1/events"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        yield Listener(socket)


@pytest.mark.parametrize(("source", "target"), [(LEFT, RIGHT), (RIGHT, LEFT)])
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_moved_card_is_told_in_order_and_is_known(
    desk: Desk, source: str, target: str, *, at_once: bool
) -> None:
    desk.insert("cps3", source)
    assert await desk.where() == {CPS: source}
    async with listening(desk.agent) as listener:
        desk.move("cps3", source, target, at_once=at_once)
        assert await listener.told(3) == [
            ("card-removed", source, CPS),
            ("card-inserted", target, None),
            ("card-ready", target, CPS),
        ]
    assert await desk.where() == {CPS: target}
    moved, first = await desk.read_counts()
    assert moved <= KNOWN_CARD < first
    assert (await desk.login()).status == 200


async def test_a_card_that_goes_to_and_fro_stays_one_card(desk: Desk) -> None:
    desk.insert("cps3", LEFT)
    assert await desk.where() == {CPS: LEFT}
    for source, target in [(LEFT, RIGHT), (RIGHT, LEFT)] * 3:
        desk.move("cps3", source, target)
        assert await desk.where() == {CPS: target}
        assert (await desk.login(CPS)).status == 200
    assert all(count <= KNOWN_CARD for count in (await desk.read_counts())[:-1])


async def test_attack_card_moved_while_the_person_types_gets_no_code(desk: Desk) -> None:
    """The same card in the other reader is not the one that the dialog was about."""
    desk.insert("cps3", LEFT)
    await desk.where()
    desk.person.pin = "9999"
    desk.person.on_ask = lambda: desk.move("cps3", LEFT, RIGHT)
    assert (await desk.login()).code == "card-removed"
    desk.person.on_ask, desk.person.pin = None, "1234"
    (card,) = (await desk.agent.page("GET", "/v1/cards")).body["cards"]
    assert (card["reader"], card["pin"]) == (RIGHT, {"state": "ready", "triesLeft": 3})
    assert (await desk.login()).status == 200


async def test_two_cards_are_listed_and_chosen_by_their_number(desk: Desk) -> None:
    desk.insert("cps3", LEFT)
    desk.insert("cpe", RIGHT)
    assert await desk.where() == {CPS: LEFT, CPE: RIGHT}
    for number in (CPE, CPS):
        desk.person.asked.clear()
        assert (await desk.login(number)).status == 200
        (asked,) = desk.person.asked
        assert asked.card.number == number


async def test_two_cards_that_change_places_are_found_again(desk: Desk) -> None:
    desk.insert("cps3", LEFT)
    desk.insert("cpe", RIGHT)
    await desk.where()
    desk.readers.remove(LEFT)
    desk.readers.remove(RIGHT)
    desk.insert("cpe", LEFT)
    desk.insert("cps3", RIGHT)
    assert await desk.where() == {CPE: LEFT, CPS: RIGHT}
    assert (await desk.login(CPS)).status == 200
    newest = (await desk.read_counts())[:2]
    assert max(newest) <= KNOWN_CARD


async def test_what_happens_in_the_other_reader_disturbs_no_operation(desk: Desk) -> None:
    """A card pulled, another one inserted, a foreign one: the code goes to the card that the dialog showed."""
    desk.insert("cps3", LEFT)
    desk.insert("cpe", RIGHT)
    await desk.where()

    async def stir() -> None:
        async with listening(desk.agent) as listener:
            desk.readers.remove(RIGHT)
            desk.insert("vitale", RIGHT)
            told = await listener.told(3)
            assert told[0] == ("card-removed", RIGHT, CPE)
            assert told[2][:2] == ("card-trouble", RIGHT)

    desk.person.on_ask = stir
    assert (await desk.login(CPS)).status == 200


async def test_a_foreign_card_beside_a_cps_needs_no_choice(desk: Desk) -> None:
    desk.insert("vitale", LEFT)
    desk.insert("cps3", RIGHT)
    assert await desk.where() == {CPS: RIGHT}
    assert (await desk.login()).status == 200
    readers = (await desk.agent.page("GET", "/v1/readers")).body["readers"]
    assert [(reader["name"], reader["state"]) for reader in readers] == [(LEFT, "trouble"), (RIGHT, "ready")]
    assert readers[0]["trouble"]["card"] == "vitale"
    desk.readers.remove(RIGHT)
    answer = await desk.login()
    assert (answer.code, answer.body["card"]) == ("card-unknown", "vitale")
    desk.readers.remove(LEFT)
    assert (await desk.login()).code == "card-absent"


async def test_a_card_of_a_grant_is_named_by_nobody_but_its_number(desk: Desk) -> None:
    """The number of a card that was moved away finds nothing else."""
    desk.insert("cps3", LEFT)
    assert (await desk.login(CPE)).code == "card-absent"
    desk.readers.remove(LEFT)
    desk.insert("cpe", LEFT)
    assert (await desk.login(CPS)).code == "card-absent"
    assert (await desk.login(CPE)).status == 200
