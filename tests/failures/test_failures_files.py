"""The agent's own files damaged, replaced or locked, before its start and while it runs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from failure_cards import RamCard
from failure_desk import ABILITIES, REQUESTS, FaultyDesk
from support.agent import Answer
from test_failures_agent import faulty_desk

from agent.__main__ import main
from agent.access import storefile
from agent.commands import serving
from agent.commands.exits import Exit
from drivers.virtual import store

LOGIN = next(request for request in REQUESTS if request.name == "authentication")
GARBAGE = b"\xa5" * 4096


async def log_in(desk: FaultyDesk) -> Answer:
    answer = await LOGIN.call(desk)
    if answer.status == 200:
        LOGIN.check(desk, answer)
    return answer


def require_nothing_handed_out(answer: Answer) -> None:
    assert (answer.status, answer.code) == (507, "storage-failed")
    assert "Free some space" in answer.body["detail"]
    assert not {"signature", "unverifiedCertificate"} & answer.body.keys()


def overwrite(path: Path) -> None:
    """In place, as a failing disk does: whoever has the file open has this."""
    with path.open("r+b") as file:
        for _ in range(max(1, path.stat().st_size // len(GARBAGE))):
            file.write(GARBAGE)


# The database


@pytest.mark.parametrize("content", [GARBAGE, b"SQLite format 3\0" + GARBAGE], ids=["garbage", "a header"])
async def test_a_damaged_database_is_moved_aside_at_the_start(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "agent.db").write_bytes(content)
    async with faulty_desk(folder) as desk:
        assert (await log_in(desk)).status == 200
        (aside,) = folder.glob("agent.db.corrupt-*")
        assert aside.read_bytes() == content
        assert aside.name in caplog.text
        assert "grants and journal begin anew" in caplog.text


async def test_a_database_damaged_while_the_agent_runs_hands_nothing_out_and_is_moved_aside_next_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    async with faulty_desk(folder) as desk:
        assert (await log_in(desk)).status == 200
        for name in ("agent.db-wal", "agent.db-shm", "agent.db"):
            overwrite(folder / name)
        require_nothing_handed_out(await log_in(desk))
        assert (await desk.agent.page("GET", "/v1/grants")).body["grants"] != []
        assert "readers" in (await desk.agent.page("GET", "/v1/status")).body
        assert desk.closed
    assert "the journal cannot be written" in caplog.text
    async with faulty_desk(folder) as desk:
        assert (await log_in(desk)).status == 200
    assert len(list(folder.glob("agent.db.corrupt-*-wal"))) <= 1
    assert [path.name for path in folder.glob("agent.db.corrupt-*") if not path.name.endswith(("-wal", "-shm"))]


async def test_a_database_that_another_program_keeps_locked_costs_one_request_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storefile, "BUSY_TIMEOUT_S", 0.1)
    async with faulty_desk(tmp_path / "data") as desk:
        with closing(sqlite3.connect(tmp_path / "data" / "agent.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            require_nothing_handed_out(await log_in(desk))
            assert time.monotonic() - began < 3
            other.execute("ROLLBACK")
        assert (await log_in(desk)).status == 200


BROKEN_ROWS = {
    "a grant to nobody": "UPDATE grants SET kind = 'ghost'",
    "a grant before time": "UPDATE grants SET created_at = -9223372036854775807",
    "a grant beyond time": "UPDATE grants SET expires_at = 9223372036854775807",
    "an entry beyond time": "UPDATE journal SET at = 9223372036854775807, last_at = 9223372036854775807",
    "a card without profile": "UPDATE cards SET profile = '{'",
    "a card of another shape": "UPDATE cards SET profile = '[1, {\"keys\": 5}]'",
}


@pytest.mark.parametrize("statement", BROKEN_ROWS.values(), ids=BROKEN_ROWS)
async def test_a_row_that_cannot_be_understood_does_not_keep_the_agent_from_starting(
    tmp_path: Path, statement: str
) -> None:
    folder = tmp_path / "data"
    async with faulty_desk(folder) as desk:
        assert (await log_in(desk)).status == 200
    with closing(sqlite3.connect(folder / "agent.db", isolation_level=None)) as database:
        assert database.execute(statement).rowcount > 0
    async with faulty_desk(folder) as desk:
        assert (await log_in(desk)).status == 200
        entries = await desk.agent.ask(lambda client: client.journal())
        assert len(entries) >= 3
        (grant,) = (await desk.agent.page("GET", "/v1/grants")).body["grants"]
        assert set(grant["abilities"]) == set(ABILITIES["abilities"])


# Before the start


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(serving, "forbid_core_dumps", lambda: None)
    monkeypatch.setattr(store, "open_card", lambda *_: RamCard())
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path / "data"


def serve(folder: Path) -> int:
    return main(["serve", "--virtual", "--unattended", "--port", "0", "--data-dir", str(folder)])


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "elsewhere")


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")


OBSTACLES = {
    "a folder for the token": ("token", make_folder),
    "a link for the token": ("token", make_link),
    "a folder for the port": ("port", make_folder),
    "a folder for the lock": ("lock", make_folder),
    "a folder for the database": ("agent.db", make_folder),
    "a link for the database": ("agent.db", make_link),
    "a database of a newer agent": ("agent.db", make_newer),
}


@pytest.mark.parametrize(("name", "make"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_stands_in_the_way_at_the_start_is_named(
    folder: Path, name: str, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder / name)
    assert serve(folder) == Exit.FAILED
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("cps-agent: "))
    assert str(folder / name) in line or "newer version" in line
    assert not (folder.parent / "elsewhere").exists()
    assert not (folder / "token").is_file(), "a token of no agent would be left"


def test_a_file_for_the_data_folder_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "file"
    path.touch()
    for where in (path, path / "deeper"):
        assert serve(where) == Exit.FAILED
        assert f"{where}" in capsys.readouterr().err


async def test_a_link_for_the_port_is_not_written_through(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (tmp_path / "elsewhere").write_text("precious")
    (folder / "port").symlink_to(tmp_path / "elsewhere")
    async with faulty_desk(folder) as desk:
        assert (folder / "port").read_text() == f"{desk.agent.port}\n"
        assert not (folder / "port").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "precious"


# While it runs


def cut(path: Path) -> None:
    os.truncate(path, 5 if path.name == "token" else 0)


def replace(path: Path) -> None:
    path.unlink()
    path.write_text("1\n")


def replace_by_link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


REPLACED = {
    "cut": cut,
    "deleted": Path.unlink,
    "replaced": replace,
    "a link": replace_by_link,
    "a folder": replace_by_folder,
}


@pytest.mark.parametrize("change", REPLACED.values(), ids=REPLACED)
@pytest.mark.parametrize("name", ["token", "port"])
async def test_token_and_port_file_are_for_those_who_come_the_agent_goes_on(
    tmp_path: Path, name: str, change: Callable[[Path], None]
) -> None:
    folder = tmp_path / "data"
    async with faulty_desk(folder) as desk:
        token, port = desk.agent.token, desk.agent.port
        change(folder / name)
        assert (await log_in(desk)).status == 200
        answer = await desk.agent.call("GET", "/v1/status", None, {"Authorization": f"Bearer {token}"})
        assert "readers" in answer.body
        assert desk.agent.port == port
    assert not (folder / name).is_file()
    if change is not replace_by_folder:
        async with faulty_desk(folder) as desk:
            assert desk.agent.token != token


@pytest.mark.parametrize("change", REPLACED.values(), ids=REPLACED)
@pytest.mark.parametrize("name", ["token", "port"])
async def test_a_command_that_finds_them_so_says_what_it_can(
    tmp_path: Path, name: str, change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:

    async with faulty_desk(tmp_path / "data") as desk:
        change(tmp_path / "data" / name)
        code = await asyncio.to_thread(main, ["cards", "--data-dir", str(tmp_path / "data")])
        (line,) = capsys.readouterr().err.splitlines()
        if name == "token" and change in (cut, replace):
            assert (code, "[token-refused]" in line) == (Exit.GATE, True)
        else:
            assert (code, "cps-agent serve" in line) == (Exit.UNREACHABLE, True)
        if (name, change) == ("port", replace_by_folder):
            (tmp_path / "data" / "port").rmdir()
    assert desk.closed
