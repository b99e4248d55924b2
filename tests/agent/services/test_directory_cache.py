"""What was told is kept for a day, shown as old for a week when nobody answers, and never asked twice at once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path

import pytest
from support.fhir_directory import rpps_numbers

from agent.access.database import Database
from agent.certificates.holder import Coded
from agent.services.directory.cache import MAX_ENTRIES, DirectoryCache
from agent.services.directory.directory import REST_S, Directory
from agent.services.directory.errors import (
    ApiKeyRefusedError,
    DirectoryAnswerError,
    DirectoryOffError,
    DirectoryUnavailableError,
)
from agent.services.directory.values import Mailbox, MailboxKind, Name, Professional, Situation, Structure

RPPS = "99700002712"
SOMEBODY = Professional(
    RPPS, True, (Name("VIRTUEL", "CAMILLE"),), (Coded("10", "Médecin"),), (Coded("SM26", None),),
    (Situation(Structure("CABINET", "499700002712005", sector=Coded("SA07", None)), Coded("L", None)),),
    (Mailbox("a@b.mssante.fr", MailboxKind.PERSONAL), Mailbox("c@d.mssante.fr", None, "CABINET")),
)  # fmt: skip
DAY = 24 * 3600


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """A source that says what the test wants; `gate` holds it back."""

    def __init__(self) -> None:
        self.answer: Professional | Exception | None = SOMEBODY
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None

    async def find(self, rpps: str) -> Professional | None:
        self.asked.append(rpps)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "agent.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def directory(database: Database, told: Told, clock: Clock) -> Directory:
    return Directory(told, DirectoryCache(database, clock), clock)


async def test_found_and_not_found_are_kept_for_a_day(directory, told, clock):
    first = await directory.find(RPPS)
    told.answer = None
    assert (first.professional, first.stale) == (SOMEBODY, False)
    assert await directory.find(RPPS) == first
    nobody = await directory.find("99700001006")
    assert (nobody.professional, nobody.stale) == (None, False)
    assert told.asked == [RPPS, "99700001006"]
    clock.now += DAY
    assert (await directory.find(RPPS)).professional is None


async def test_a_restart_asks_nothing_anew(database, told, clock):
    await Directory(told, DirectoryCache(database, clock)).find(RPPS)
    again = await Directory(told, DirectoryCache(database, clock)).find(RPPS)
    assert again.professional == SOMEBODY
    assert told.asked == [RPPS]


async def test_old_answers_stand_in_for_a_week_and_say_so(directory, told, clock):
    first = await directory.find(RPPS)
    told.answer = DirectoryUnavailableError()
    clock.now += 2 * DAY
    old = await directory.find(RPPS)
    assert (old.professional, old.stale, old.as_of) == (SOMEBODY, True, first.as_of)
    clock.now += 6 * DAY
    with pytest.raises(DirectoryUnavailableError):
        await directory.find(RPPS)


async def test_a_refused_key_is_told_whatever_is_known(directory, told, clock):
    await directory.find(RPPS)
    told.answer = ApiKeyRefusedError()
    clock.now += 2 * DAY
    with pytest.raises(ApiKeyRefusedError):
        await directory.find(RPPS)


async def test_an_answer_from_the_future_is_none(directory, told, clock):
    await directory.find(RPPS)
    clock.now -= 400 * DAY
    told.answer = DirectoryUnavailableError()
    with pytest.raises(DirectoryUnavailableError):
        await directory.find(RPPS)


async def test_who_asks_at_once_shares_one_question(directory, told):
    told.gate = asyncio.Event()
    asking = [asyncio.create_task(directory.find(RPPS)) for _ in range(20)]
    while not told.asked:
        await asyncio.sleep(0.001)
    asking[0].cancel()
    told.gate.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [answer.professional for answer in answers[1:]] == [SOMEBODY] * 19
    assert told.asked == [RPPS]


async def test_a_failure_is_shared_and_asked_again_after_a_rest(directory, told, clock):
    told.answer = DirectoryUnavailableError()
    failures = await asyncio.gather(*(directory.find(RPPS) for _ in range(3)), return_exceptions=True)
    assert {type(one) for one in failures} == {DirectoryUnavailableError}
    told.answer = SOMEBODY
    with pytest.raises(DirectoryUnavailableError):
        await directory.find("99700001006")
    assert told.asked == [RPPS]
    clock.now += REST_S
    assert (await directory.find(RPPS)).professional == SOMEBODY


async def test_only_one_out_of_reach_is_left_alone(directory, told):
    told.answer = DirectoryAnswerError()
    for _ in range(2):
        with pytest.raises(DirectoryAnswerError):
            await directory.find(RPPS)
    assert told.asked == [RPPS, RPPS]


async def test_off_asks_nobody(database, clock):
    with pytest.raises(DirectoryOffError):
        await Directory(None, DirectoryCache(database, clock)).find(RPPS)


async def test_the_end_of_the_agent_does_not_wait(directory, told):
    told.gate = asyncio.Event()
    asking = asyncio.create_task(directory.find(RPPS))
    while not told.asked:
        await asyncio.sleep(0.001)
    await directory.close()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_it_is_bounded_and_can_be_emptied(directory, told, clock, tmp_path):
    for number in islice(rpps_numbers(), MAX_ENTRIES + 10):
        clock.now += 1
        await directory.find(number)
    with sqlite3.connect(tmp_path / "agent.db") as connection:
        assert (
            connection.execute("SELECT count(*), count(DISTINCT rpps) FROM directory").fetchone() == (MAX_ENTRIES,) * 2
        )
    connection.close()
    assert await directory.forget() == MAX_ENTRIES
    asked = len(told.asked)
    await directory.find(number)
    assert len(told.asked) == asked + 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"rpps": 1}', '{"rpps": "x", "active": true, "mailboxes": [{"address": 1}]}', "[" * 100_000],
)
async def test_damaged_rows_are_asked_again(database, told, clock, text):
    row = (RPPS, text, int(clock.now * 1000))
    await database.run(lambda connection: connection.execute("INSERT INTO directory VALUES (?, ?, ?)", row))
    assert (await Directory(told, DirectoryCache(database, clock)).find(RPPS)).professional == SOMEBODY
    assert told.asked == [RPPS]


async def test_a_database_that_fails_is_done_without(tmp_path, told, clock):
    closed = Database(tmp_path / "agent.db")
    directory = Directory(told, DirectoryCache(closed, clock))
    assert (await directory.find(RPPS)).professional == SOMEBODY
    assert (await directory.find(RPPS)).professional == SOMEBODY
    assert told.asked == [RPPS]
