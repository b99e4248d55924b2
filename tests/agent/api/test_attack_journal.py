"""Attacks on the journal: what nobody was asked about must not push out what somebody did."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent
from support.lines import open_line, page_request, until

from agent.people.prompt import PromptRefusedError

GRANTS = "/v1/grants"
ASK = b'{"abilities": ["identity"]}'
SIGN = {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}


def rows(folder: Path) -> list[tuple[str, str, int, int]]:
    """Action, outcome, refusal and count of every entry about a caller, from the file itself."""
    query = "SELECT action, outcome, refusal, count FROM journal WHERE caller <> 'cps-agent' ORDER BY id"
    with closing(sqlite3.connect(folder / "agent.db")) as connection:
        return connection.execute(query).fetchall()


async def test_attack_page_that_hangs_up_in_a_loop_fills_no_place_of_a_use(agent: RunningAgent, person: Person) -> None:
    person.confirms_after = asyncio.Event()
    for times in (1, 2, 3):
        person.asked.clear()
        line = open_line(agent.port, page_request(agent.port, GRANTS, ASK, "https://evil.example"))
        await until(lambda: person.asked)
        line.close()
        await until(lambda wanted=times: ("grant", "cancelled", 1, wanted) in rows(agent.folder))


async def test_attack_page_that_asks_again_for_what_it_has_leaves_one_entry(granted: RunningAgent) -> None:
    before = rows(granted.folder)
    for _ in range(3):
        assert (await granted.page("POST", GRANTS, {"abilities": ["sign"]})).status == 200
    assert rows(granted.folder) == before


async def test_attack_granted_page_that_ignores_a_no_leaves_one_entry(granted: RunningAgent, person: Person) -> None:
    person.refuses = PromptRefusedError()
    for _ in range(3):
        assert (await granted.page("POST", "/v1/signatures", SIGN)).code == "pin-refused"
    assert len(person.asked) == 1
    assert rows(granted.folder)[-1] == ("sign", "pin-refused", 1, 3)


@pytest.mark.parametrize("path", ["/v1/cards/00000000", "/v1/cards/%0a%00%1b%5b31m", "/v1/cards/..%2f..%2fstatus"])
async def test_attack_page_that_polls_what_is_not_there_leaves_one_entry(granted: RunningAgent, path: str) -> None:
    for _ in range(3):
        assert (await granted.page("GET", path)).code == "card-absent"
    assert rows(granted.folder)[-1] == ("read-card", "card-absent", 1, 3)


async def test_attack_wrong_codes_are_told_one_by_one(granted: RunningAgent, person: Person) -> None:
    person.pin = "9999"
    for _ in range(2):
        assert (await granted.page("POST", "/v1/signatures", SIGN)).code == "pin-wrong"
    assert rows(granted.folder)[-2:] == [("sign", "pin-wrong", 0, 1)] * 2
