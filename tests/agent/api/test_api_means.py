"""GET /v1/means: what a program learns of everybody whose card was here, and a page of those who are here now."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.agent import PAGE, Person, RunningAgent, running_agent
from support.lines import until

from agent.client import Client
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders, reader_name

KINDS = ("cps3", "cps4", "cpe-anonymous", "cps3-contactless")
DOCTOR, HOSPITAL = "899700002712", "1990000010"


@pytest.fixture
def readers(folder: Path) -> Iterator[VirtualReaders]:
    """Two cards of one doctor, one that names a hospital, and one held to a contactless reader."""
    cards = [open_card_of_kind(folder, kind) for kind in KINDS]
    yield VirtualReaders(cards)
    for card in cards:
        card.close()


def rows(folder: Path, query: str = "SELECT DISTINCT number FROM seen_certificates ORDER BY number") -> list[Any]:
    with closing(sqlite3.connect(folder / "agent.db")) as connection, connection:
        return connection.execute(query).fetchall()


async def all_noted(agent: RunningAgent) -> None:
    """Every card was read, and is remembered on disk."""
    await agent.ask(Client.cards)
    await until(lambda: len(rows(agent.folder)) == 3)


async def means_of(agent: RunningAgent, *, page: bool) -> dict[str, dict[str, Any]]:
    """By the bearer's id."""
    answer = await (agent.page if page else agent.program)("GET", "/v1/means")
    assert answer.status == 200, answer.body
    return {bearer["id"]: bearer for bearer in answer.body["bearers"]}


async def gone(agent: RunningAgent) -> None:
    """The two cards that were pulled have left."""
    async with asyncio.timeout(10):
        while len((await agent.program("GET", "/v1/cards")).body["cards"]) != 2:
            await asyncio.sleep(0.005)


def cards_of(bearer: dict[str, Any]) -> dict[str, bool]:
    return {means["number"]: means["present"] for means in bearer["means"] if means["kind"] == "card"}


async def test_cards_in_readers_are_told_alike_to_pages_and_programs(granted: RunningAgent) -> None:
    await all_noted(granted)
    bearers = await means_of(granted, page=True)
    assert bearers == await means_of(granted, page=False)
    assert bearers.keys() == {DOCTOR, HOSPITAL}
    doctor, hospital = bearers[DOCTOR], bearers[HOSPITAL]
    assert (doctor["kind"], doctor["rpps"], doctor["test"], doctor["verdict"]) == ("person", DOCTOR[1:], True, "enough")
    assert cards_of(doctor) == {"99900001": True, "99900004": True}
    assert [means["state"] for means in doctor["means"]] == ["valid", "valid", "unknown"]
    assert doctor["means"][0]["profession"] == {"code": "10", "label": "Médecin"}
    assert (hospital["kind"], hospital["name"]) == ("structure", "HOPITAL D'ESSAI")
    assert cards_of(hospital) == {"99900013": True}


async def test_attack_page_learns_nothing_of_cards_that_are_not_here(
    granted: RunningAgent, readers: VirtualReaders
) -> None:
    """Not even the second card of somebody whose first one is in a reader."""
    await all_noted(granted)
    for index in (1, 2):
        readers.remove(reader_name(index))
    await gone(granted)
    page, program = await means_of(granted, page=True), await means_of(granted, page=False)
    assert page.keys() == {DOCTOR}
    assert cards_of(page[DOCTOR]) == {"99900001": True}
    assert cards_of(program[DOCTOR]) == {"99900001": True, "99900004": False}
    assert cards_of(program[HOSPITAL]) == {"99900013": False}
    (absent,) = program[HOSPITAL]["means"]
    assert absent["seenAt"] is not None
    assert program[HOSPITAL]["verdict"] == "enough"


async def test_attack_ungranted_page_learns_nothing(agent: RunningAgent) -> None:
    answer = await agent.page("GET", "/v1/means")
    assert (answer.status, answer.code) == (403, "grant-required")


async def test_attack_forged_card_is_never_a_valid_means(tmp_path: Path, folder: Path, person: Person) -> None:
    """Made by somebody else's authority, with the name and the numbers of a real one that was here before.

    Nor does it take that one's place in the memory.
    """
    shown = {}
    for name, maker in (("genuine", folder), ("forged", tmp_path / "another"), ("none", None)):
        cards = [open_card_of_kind(maker, "cps3")] if maker else []
        async with running_agent(folder, person, VirtualReaders(cards), virtual=True) as agent:
            await agent.ask(Client.cards) if cards else None
            shown[name] = (await means_of(agent, page=False))[DOCTOR]
        for card in cards:
            card.close()
    assert [shown[name]["verdict"] for name in ("genuine", "forged")] == ["enough", "unknown"]
    assert shown["none"]["verdict"] == "enough"
    (forged,) = [means for means in shown["forged"]["means"] if means["present"]]
    assert (forged["state"], forged["stateReason"]) == ("unknown", "issuer-unknown")


async def test_reading_means_is_a_use_and_one_entry(granted: RunningAgent) -> None:
    await all_noted(granted)
    for _ in range(3):
        await means_of(granted, page=True)
    uses = "SELECT outcome, card_number FROM journal WHERE action = 'list-means' AND caller = ?"
    with closing(sqlite3.connect(granted.folder / "agent.db")) as connection:
        assert [outcome for outcome, _ in connection.execute(uses, (PAGE,))] == ["ok"]


async def test_cards_are_remembered_by_the_next_agent_and_damaged_rows_cost_themselves(
    folder: Path, person: Person, readers: VirtualReaders
) -> None:
    async with running_agent(folder, person, readers) as agent:
        await all_noted(agent)
    rows(folder, "UPDATE seen_certificates SET certificate = x'3000', seen_at = 9e18 WHERE number = '99900004'")
    rows(folder, "UPDATE seen_certificates SET seen_at = 9223372036854775807 WHERE number = '99900013'")
    async with running_agent(folder, person, VirtualReaders([])) as agent:
        bearers = await means_of(agent, page=False)
    assert cards_of(bearers[DOCTOR]) == {"99900001": False}
    assert bearers[HOSPITAL]["means"][0]["seenAt"] is None
