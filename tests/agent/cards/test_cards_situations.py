"""Where the holder works, through the API: after a code, remembered while the card stays, and written nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.agent import PAGE, Answer, DeskPresence, Person, RunningAgent, running_agent
from support.lines import DEADLINE_S

from agent.api.views import holder_view
from agent.certificates.holder import Coded
from agent.certificates.holder import Holder as CertifiedHolder
from agent.people.prompt import Action, NoticeKind, PinRequest, PromptRefusedError
from drivers.card.activity import MAX_NAME
from drivers.card.objects import MAX_CODED_EXCHANGES
from drivers.virtual.chip import Chip
from drivers.virtual.kinds import CPS3_CONTACTLESS, CPS4, MANY_SITUATIONS, open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.personalisation import DEFAULT, Holder, Situation
from drivers.virtual.store import open_card

PRACTICE = {
    "number": 1,
    "name": "CABINET DU DR VIRTUEL",
    "structure": {"id": "499700002712005", "kind": "rpps-practice", "number": "99700002712005", "key": "right"},
    "sector": {"code": "SA07", "label": "Cabinet individuel"},
}
CENTRE = {
    "number": 3,
    "name": "CENTRE DE SANTE D'ESSAI",
    "structure": {"id": "1990000010", "kind": "finess", "number": "990000010", "key": "right"},
    "sector": {"code": "SA05", "label": "Centre de santé"},
}


async def read(agent: RunningAgent, number: str = DEFAULT.serial, origin: str = PAGE) -> Answer:
    return await agent.page("POST", f"/v1/cards/{number}/situations", {}, origin)


async def shown(agent: RunningAgent) -> object:
    """The situations of the only card, once it is there."""
    async with asyncio.timeout(DEADLINE_S):
        while not (cards := (await agent.page("GET", "/v1/cards")).body["cards"]):
            await asyncio.sleep(0.005)
    (card,) = cards
    assert (await agent.page("GET", f"/v1/cards/{card['number']}")).body == card
    return card["situations"]


def codes_asked(person: Person) -> int:
    return sum(isinstance(question, PinRequest) for question in person.asked)


async def journal(agent: RunningAgent) -> list[dict[str, object]]:
    entries = (await agent.program("GET", "/v1/journal")).body["entries"]
    return [entry for entry in entries if entry["action"] == "read-situations"]


@pytest.fixture
def desk_of(tmp_path: Path) -> Iterator[object]:
    """A function that gives readers with one card of a kind."""
    opened: list[Chip] = []

    def make(kind: str) -> VirtualReaders:
        opened.append(open_card_of_kind(tmp_path / "data", kind))
        return VirtualReaders([opened[-1]])

    yield make
    for card in opened:
        card.close()


async def test_they_are_read_with_a_code_and_remembered_while_the_card_stays(
    granted: RunningAgent, person: Person
) -> None:
    person.session = False
    assert await shown(granted) is None
    answer = await read(granted)
    assert answer.body == {"situations": [PRACTICE, CENTRE]}
    (question,) = person.asked
    assert isinstance(question, PinRequest)
    assert (question.action, question.asker.caller, question.tries_left) == (Action.READ_SITUATIONS, PAGE, 3)
    assert await shown(granted) == [PRACTICE, CENTRE]
    assert (await read(granted)).body == answer.body
    assert codes_asked(person) == 1


async def test_how_much_is_said_to_the_card_is_in_the_journal(granted: RunningAgent, readers: VirtualReaders) -> None:
    """Tries left: 2; once, the card's directory (4) and CPS_INFO_PS (3); MF and VERIFY: 2; three for each of two."""
    assert (await read(granted)).status == 200
    assert (await read(granted)).status == 200
    memorised, first = await journal(granted)
    assert (first["exchanges"], first["caller"], first["cardNumber"]) == (17, PAGE, DEFAULT.serial)
    assert memorised["exchanges"] is None
    card = readers._readers[0]._card
    assert card is not None
    card.process(bytes.fromhex("00A4090C023F00"))
    assert card.process(bytes.fromhex("0020000100")) == b"\x63\xc3"


async def test_they_go_with_the_card(granted: RunningAgent, readers: VirtualReaders) -> None:
    assert (await read(granted)).status == 200
    card = readers._readers[0]._card
    assert card is not None
    readers.remove()
    async with asyncio.timeout(DEADLINE_S):
        while (await granted.page("GET", "/v1/cards")).body["cards"]:
            await asyncio.sleep(0.005)
    readers.insert(card)
    assert await shown(granted) is None


async def test_two_callers_at_once_cost_one_code(granted: RunningAgent, person: Person) -> None:
    other = "https://other.example"
    assert (await granted.page("POST", "/v1/grants", {"abilities": ["identity"]}, other)).status == 201
    answers = await asyncio.gather(read(granted), read(granted, origin=other), read(granted))
    assert [len(answer.body["situations"]) for answer in answers] == [2, 2, 2]
    assert codes_asked(person) == 1


async def test_after_a_no_the_next_caller_is_asked(granted: RunningAgent, person: Person) -> None:
    other = "https://other.example"
    assert (await granted.page("POST", "/v1/grants", {"abilities": ["identity"]}, other)).status == 201
    person.refuses = PromptRefusedError()
    assert (await read(granted)).code == "pin-refused"
    person.refuses = None
    assert (await read(granted, origin=other)).status == 200


async def test_a_session_serves_them(granted: RunningAgent, person: Person) -> None:
    assert (await granted.page("POST", "/v1/pin/verify", {})).status == 200
    person.asked.clear()
    assert (await read(granted)).body["situations"] == [PRACTICE, CENTRE]
    assert person.asked == []


async def test_each_page_needs_the_grant_and_reads_are_uses(granted: RunningAgent, person: Person) -> None:
    other = "https://other.example"
    assert (await read(granted, origin=other)).code == "grant-required"
    assert (await read(granted)).status == 200
    assert (await read(granted, origin=other)).code == "grant-required"
    outcomes = {(entry["caller"], entry["outcome"], entry["count"]) for entry in await journal(granted)}
    assert outcomes == {(other, "grant-required", 2), (PAGE, "ok", 1)}
    assert codes_asked(person) == 1


async def test_a_no_and_a_wrong_code_tell_nothing(granted: RunningAgent, person: Person) -> None:
    person.refuses = PromptRefusedError()
    assert (await read(granted)).code == "pin-refused"
    assert await shown(granted) is None
    assert (await granted.program("DELETE", "/v1/denials")).status == 204
    person.refuses, person.pin = None, "0000"
    answer = await read(granted)
    assert (answer.code, answer.body["triesLeft"]) == ("pin-wrong", 2)
    assert await shown(granted) is None


async def test_a_grant_taken_back_while_the_person_is_asked(granted: RunningAgent, person: Person) -> None:
    async def take_back() -> None:
        (grant,) = (await granted.program("GET", "/v1/grants")).body["grants"]
        assert (await granted.program("DELETE", f"/v1/grants/{grant['id']}")).status == 204

    person.on_ask = take_back
    assert (await read(granted)).code == "grant-required"


@pytest.mark.parametrize("body", [{"pin": "1234"}, {"cardNumber": "1"}, [], "x"])
async def test_bodies_that_say_something(granted: RunningAgent, person: Person, body: object) -> None:
    answer = await granted.page("POST", f"/v1/cards/{DEFAULT.serial}/situations", body)
    assert answer.code == "bad-request"
    assert person.asked == []


@pytest.mark.parametrize("number", ["99999999", "x", "%2e%2e", "9" * 400])
async def test_a_card_that_is_not_there(granted: RunningAgent, person: Person, number: str) -> None:
    assert (await read(granted, number)).code == "card-absent"
    assert person.asked == []


async def test_gaps_and_what_no_table_knows(tmp_path: Path, desk_of, person: Person) -> None:  # type: ignore[no-untyped-def]
    readers = desk_of("cps3-situations")
    async with running_agent(tmp_path / "data", person, readers, DeskPresence()) as agent:
        found = await agent.ask(lambda client: client.situations(MANY_SITUATIONS.serial))
    assert [each["number"] for each in found] == [1, 3, 4, 7, 16]
    assert (found[2]["name"], found[2]["structure"]["kind"]) == (None, "adeli-practice")
    assert found[3]["name"] == "MAISON DE SANTÉ D'ESSAI"
    assert found[4]["structure"] == {"id": "7X", "kind": "other", "number": "7X", "key": "unknown"}
    assert found[4]["sector"] == {"code": "SA99", "label": None}


async def test_sixteen_situations_of_sixty_kilobytes_are_cut(tmp_path: Path, person: Person) -> None:
    """A card that wants to fill memory, take over a terminal, and keep the reader."""
    flood = tuple(Situation(number, "\x1b[2J" + "A" * 60_000, "9" * 3000, "SA07") for number in range(1, 17))
    hostile = replace(DEFAULT, serial="99900099", holder=Holder(situations=flood))
    with open_card(tmp_path / "data", hostile) as card:
        async with running_agent(tmp_path / "data", person, VirtualReaders([card])) as agent:
            found = await agent.ask(lambda client: client.situations("99900099"))
            (entry,) = await journal(agent)
    assert [each["number"] for each in found] == list(range(1, 17))
    assert {len(each["name"]) for each in found} == {MAX_NAME}
    assert isinstance(entry["exchanges"], int)
    assert entry["exchanges"] < MAX_CODED_EXCHANGES


async def test_a_cps4_has_them_too(tmp_path: Path, desk_of, person: Person) -> None:  # type: ignore[no-untyped-def]
    async with running_agent(tmp_path / "data", person, desk_of("cps4"), DeskPresence()) as agent:
        found = await agent.ask(lambda client: client.situations(CPS4.serial))
    assert [each["sector"]["code"] for each in found] == ["SA07", "SA05"]


@pytest.mark.parametrize(
    ("certified", "told", "shown"),
    [(None, "SM54", "SM54"), ("SM26", "SM54", "SM26"), (None, "XX99", None), (None, None, None)],
)
def test_the_speciality_of_the_cards_data_stands_in_where_its_certificate_tells_none(
    certified: str | None, told: str | None, shown: str | None
) -> None:
    speciality = Coded(certified, None) if certified else None
    holder = CertifiedHolder("CPS", True, "DUPONT", "MARIE", None, None, None, speciality)
    view = holder_view(holder, told)
    assert (view["speciality"] or {}).get("code") == shown


async def test_a_contactless_card_is_refused_before_anybody_is_asked(
    tmp_path: Path,
    desk_of,  # type: ignore[no-untyped-def]
    person: Person,
) -> None:
    async with running_agent(tmp_path / "data", person, desk_of("cps3-contactless"), DeskPresence()) as agent:
        path = f"/v1/cards/{CPS3_CONTACTLESS.serial}/situations"
        assert (await agent.program("POST", path, {})).code == "not-supported"
    assert codes_asked(person) == 0


async def test_on_a_reader_with_keys_they_are_typed_for_once(tmp_path: Path, folder: Path, person: Person) -> None:
    pad = VirtualPad()
    pad.type("1234")
    with open_card(folder) as card:
        async with running_agent(folder, person, VirtualReaders([card], pad=pad)) as agent:
            found = await agent.ask(lambda client: client.situations(DEFAULT.serial))
    assert [each["number"] for each in found] == [1, 3]
    assert [notice.kind for notice in person.told] == [NoticeKind.TYPE_ON_READER]


async def test_nothing_private_reaches_the_disk(granted: RunningAgent, folder: Path) -> None:
    """Neither the code nor a word of the situations, in any file of the data folder but the card's own memory."""
    assert (await granted.page("POST", "/v1/pin/verify", {})).status == 200
    assert (await read(granted)).body["situations"]
    files = [path for path in folder.rglob("agent.db*") if path.is_file()]
    assert {path.name for path in files} >= {"agent.db", "agent.db-wal"}
    content = b"".join(path.read_bytes() for path in files)
    assert DEFAULT.serial.encode() in content
    for secret in (b"CABINET DU DR", b"CENTRE DE SANTE", b"499700002712005", b"SA07", b'"1234"', b"1234\0"):
        assert secret not in content
