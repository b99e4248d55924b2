"""The file behind its thread: transactions, damage, sudden death, a full disk, another program's lock."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from agent.access import schema, storefile
from agent.access.database import Database
from agent.access.errors import StoreError

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and signals of POSIX")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "agent.sqlite"


def insert_card(number):
    def work(connection):
        connection.execute("INSERT INTO cards VALUES (?, '{}', 0)", (number,))
        return number

    return work


def list_cards(connection):
    return [number for (number,) in connection.execute("SELECT number FROM cards ORDER BY number")]


def explode(connection):
    insert_card("lost")(connection)
    raise KeyError("from the work")


async def reopened(path):
    database = Database(path)
    await database.open()
    return database


async def test_what_is_written_is_there_after_a_restart(path, database):
    assert await database.run(insert_card("1")) == "1"
    await database.close()
    again = await reopened(path)
    assert await again.run(list_cards) == ["1"]
    assert not again.recovered
    await again.close()


async def test_the_work_runs_on_another_thread_than_the_loop(database):
    names = {await database.run(lambda connection: threading.current_thread().name) for _ in range(3)}
    assert names == {"cps-agent-database"}


async def test_an_error_of_the_work_reaches_its_caller_and_undoes_the_work(database):
    with pytest.raises(KeyError, match="from the work"):
        await database.run(explode)
    assert await database.run(list_cards) == []


async def test_an_error_of_sqlite_is_a_store_error_and_undoes_the_work(database):
    await database.run(insert_card("1"))
    with pytest.raises(StoreError, match="UNIQUE"):
        await database.run(insert_card("1"))
    assert await database.run(list_cards) == ["1"]


async def test_concurrent_runs_follow_each_other(database):
    def add_one(connection):
        (count,) = connection.execute("SELECT count(*) FROM cards").fetchone()
        connection.execute("INSERT INTO cards VALUES (?, '{}', 0)", (f"{count:04}",))
        return count

    counts = await asyncio.gather(*(database.run(add_one) for _ in range(200)))
    assert sorted(counts) == list(range(200))


async def test_a_call_cancelled_before_its_turn_is_not_run(database):
    gate = threading.Event()
    first = asyncio.ensure_future(database.run(lambda connection: gate.wait(10)))
    second = asyncio.ensure_future(database.run(insert_card("never")))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first
    assert await database.run(list_cards) == []


async def test_close_finishes_what_was_asked_for(path, database):
    calls = [asyncio.ensure_future(database.run(insert_card(str(number)))) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.gather(database.close(), *calls)
    again = await reopened(path)
    assert len(await again.run(list_cards)) == 5
    await again.close()


async def test_a_closed_database_says_so(database):
    await database.close()
    await database.close()
    with pytest.raises(StoreError, match="closed"):
        await database.run(list_cards)


async def test_a_full_disk_is_a_store_error_and_the_database_lives_on(database):
    def fill(connection):
        connection.executemany("INSERT INTO cards VALUES (?, ?, 0)", [(str(n), "x" * 4000) for n in range(500)])

    (pages,) = await database.run(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await database.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 4}").fetchone())
    with pytest.raises(StoreError, match="full"):
        await database.run(fill)
    assert await database.run(list_cards) == []
    await database.run(insert_card("1"))


async def test_another_programs_lock_is_a_store_error(path, database, monkeypatch):
    await database.run(lambda connection: connection.execute("PRAGMA busy_timeout = 1").fetchone())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await database.run(insert_card("1"))
        other.execute("ROLLBACK")
    await database.run(insert_card("2"))


@posix
async def test_the_files_are_this_users_alone_whatever_the_umask(path):
    before = os.umask(0)
    try:
        database = await reopened(path)
        await database.run(insert_card("1"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"agent.sqlite": 0o600, "agent.sqlite-wal": 0o600, "agent.sqlite-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    await database.close()


@posix
async def test_attack_world_readable_database_is_closed_to_others(path):
    path.parent.mkdir()
    path.touch()
    path.chmod(0o666)
    database = await reopened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await database.close()


@posix
@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can give a file away")
async def test_attack_database_of_another_user_is_refused(path):
    path.parent.mkdir()
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(StoreError, match="another user"):
        await reopened(path)


@posix
async def test_attack_link_in_place_of_the_database_is_refused(path, tmp_path):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        await reopened(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
async def test_a_file_that_is_no_database_is_moved_aside(path, content, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    database = await reopened(path)
    assert database.recovered
    assert await database.run(list_cards) == []
    (aside,) = path.parent.glob("agent.sqlite.corrupt-*")
    assert aside.read_bytes() == content
    assert aside.name in caplog.text
    await database.close()


async def test_a_database_with_overwritten_pages_is_moved_aside(path):
    database = await reopened(path)
    await database.run(
        lambda connection: connection.executemany(
            "INSERT INTO cards VALUES (?, ?, 0)", [(str(n), "x" * 500) for n in range(200)]
        )
    )
    await database.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    database = await reopened(path)
    assert database.recovered
    assert await database.run(list_cards) == []
    await database.close()


async def test_a_damaged_file_that_cannot_be_moved_is_an_error(path, monkeypatch):
    path.parent.mkdir()
    path.write_bytes(b"damaged" * 1000)

    def refuse(self, target):
        raise PermissionError(1, "no")

    monkeypatch.setattr(storefile.Path, "replace", refuse)
    with pytest.raises(StoreError, match="cannot be moved"):
        await reopened(path)


async def test_a_database_of_a_newer_agent_is_left_alone(path, database):
    await database.run(lambda connection: connection.execute("PRAGMA user_version = 99"))
    await database.close()
    with pytest.raises(StoreError, match="newer"):
        await reopened(path)
    assert [file.name for file in path.parent.glob("*corrupt*")] == []


async def test_a_migration_that_fails_leaves_the_old_tables(path, database, monkeypatch):
    await database.run(insert_card("1"))
    await database.close()
    broken = (*schema.MIGRATIONS, "DELETE FROM cards; CREATE TABLE cards (number TEXT)")
    monkeypatch.setattr(storefile, "MIGRATIONS", broken)
    with pytest.raises(StoreError):
        await reopened(path)
    monkeypatch.undo()
    again = await reopened(path)
    assert await again.run(list_cards) == ["1"]
    await again.close()


async def test_a_later_migration_is_applied_once(path, database, monkeypatch):
    await database.close()
    monkeypatch.setattr(storefile, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE cards ADD COLUMN note TEXT"))
    for _ in range(2):
        again = await reopened(path)
        assert await again.run(lambda connection: connection.execute("SELECT note FROM cards").fetchall()) == []
        await again.close()


DYING = """
import asyncio, pathlib, sys, threading
from agent.access.database import Database

def keep(connection):
    connection.execute("INSERT INTO cards VALUES ('kept', '{}', 0)")

def die_in_the_middle(connection):
    connection.execute("INSERT INTO cards VALUES ('lost', '{}', 0)")
    print("now", flush=True)
    threading.Event().wait()

async def main():
    database = Database(pathlib.Path(sys.argv[1]))
    await database.open()
    await database.run(keep)
    await database.run(die_in_the_middle)

asyncio.run(main())
"""


def kill_in_the_middle(path):
    with subprocess.Popen([sys.executable, "-c", DYING, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGKILL)


@posix
async def test_an_agent_killed_in_the_middle_loses_the_unfinished_work_only(path):
    kill_in_the_middle(path)
    database = await reopened(path)
    assert not database.recovered
    assert await database.run(list_cards) == ["kept"]
    await database.close()
