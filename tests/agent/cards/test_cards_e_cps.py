from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.access.database import Database
from agent.cards.e_cps import MAX_PERSONS, ECpsHolder, UsedECps
from agent.certificates.means import Records, list_bearers
from agent.certificates.states import StateName

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
DOCTOR = ECpsHolder("899700002712", "VIRTUEL", "CAMILLE", test=False)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "agent.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def used(database: Database, clock: Clock) -> UsedECps:
    return UsedECps(database, clock)


async def test_who_used_an_e_cps_is_remembered_by_the_last_time(used, clock):
    await used.note(DOCTOR)
    clock.now += timedelta(days=1)
    await used.note(DOCTOR)
    (record,) = await used.list()
    assert (record.holder.national_id, record.holder.display_name) == ("899700002712", "CAMILLE VIRTUEL")
    assert (record.state.name, record.used_at, record.test) == (StateName.VALID, clock.now, False)
    (bearer,) = list_bearers(Records(e_cps=[record]), clock.now)
    assert (bearer.verdict, bearer.rpps, bearer.missing) == ("enough", "99700002712", ())


async def test_a_login_of_long_ago_shows_nothing_any_more(used, clock):
    await used.note(DOCTOR)
    clock.now += timedelta(days=366)
    (record,) = await used.list()
    assert (record.state.name, record.state.reason) == (StateName.UNKNOWN, "used-long-ago")


async def test_attack_a_login_in_the_sandbox_makes_up_for_none_in_production(used):
    await used.note(DOCTOR)
    await used.note(ECpsHolder("899700002712", "VIRTUEL", "CAMILLE", test=True))
    assert [record.test for record in await used.list()] == [False, True]


async def test_all_are_forgotten(used):
    await used.note(DOCTOR)
    assert (await used.forget(), await used.forget()) == (1, 0)
    assert await used.list() == ()


async def test_those_used_last_are_kept(used, database):
    rows = [(f"8{n:011d}", 0, "X", "Y", 0) for n in range(MAX_PERSONS)]
    await database.run(lambda connection: connection.executemany("INSERT INTO e_cps VALUES (?, ?, ?, ?, ?)", rows))
    await used.note(DOCTOR)
    kept = {record.holder.national_id for record in await used.list()}
    assert (len(kept), DOCTOR.national_id in kept, rows[0][0] in kept) == (MAX_PERSONS, True, False)


async def test_a_moment_that_no_calendar_holds_is_left_out(used, database):
    row = ("899700002712", 0, None, None, 2**62)
    await database.run(lambda connection: connection.execute("INSERT INTO e_cps VALUES (?, ?, ?, ?, ?)", row))
    assert await used.list() == ()
