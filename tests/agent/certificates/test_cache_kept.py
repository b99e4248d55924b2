"""What the cache has kept: through sudden death, full disks, damage, other users, and clocks that jump."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import pytest
from support import cache_writers
from support.cache_writers import CARDS, make_profile, version_of

from agent.access.database import Database
from agent.access.errors import StoreError
from agent.certificates.cache import MAX_CARDS, CardCache

ROUNDS, SEED = 200, 20261125
NOBODY = 65534
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "agent.db"


class Opened:
    """The cache with its database."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.cache = CardCache(self.database)

    async def __aenter__(self) -> Self:
        await self.database.open()
        await self.cache.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.cache.close()
        await self.database.close()

    async def save(self, number: int, version: int = 1) -> None:
        self.cache.save(make_profile(f"{number:08}", version))
        await self.cache.close()

    def versions(self) -> dict[int, int]:
        profiles = (self.cache.load(f"{number:08}") for number in range(MAX_CARDS * 2))
        return {int(profile.number): version_of(profile) for profile in profiles if profile is not None}


@pytest.fixture
async def opened(path: Path) -> AsyncIterator[Opened]:
    async with Opened(path) as opened:
        yield opened


def stored(path: Path) -> dict[int, str]:
    with closing(sqlite3.connect(path)) as connection:
        return {int(number): text for number, text in connection.execute("SELECT number, profile FROM cards")}


async def test_cards_come_back_after_a_restart(path: Path) -> None:
    async with Opened(path) as first:
        for number in range(5):
            await first.save(number)
        await first.save(3, 2)
        first.cache.forget("00000004")
    async with Opened(path) as again:
        assert again.versions() == {0: 1, 1: 1, 2: 1, 3: 2}


class Writers:
    """Processes that save one version after the other until they are killed; see support.cache_writers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin
        assert process.stdout
        self._input, self._output = process.stdin, process.stdout
        self.told = -1

    def run_one(self, saves: int, more_s: float) -> None:
        """Start one, wait for so many saves, and a little longer, then kill it. `told`: the last that it has told."""
        self._input.write(f"{self.told + 1}\n")
        self._input.flush()
        writer = int(self._output.readline().split()[1])
        for _ in range(saves):
            self._note(self._output.readline())
        time.sleep(more_s)  # the moment of its death
        os.kill(writer, signal.SIGKILL)
        while (line := self._output.readline()) != "ended\n":
            self._note(line)

    def _note(self, line: str) -> None:
        self.told = int(line.removeprefix("saved "))


@contextmanager
def writers(path: Path) -> Iterator[Writers]:
    command = [sys.executable, "-P", cache_writers.__file__, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Writers(process)
    assert process.returncode == 0


def version_in(row: str) -> int:
    return int(row.split('"label": "')[1].split('"', maxsplit=1)[0])


def test_a_kill_at_any_moment_loses_no_earlier_entry(path: Path) -> None:
    """200 deaths, in the opening, between two saves, and in the middle of one."""
    chance = random.Random(SEED)
    asyncio.run(look(path))
    with writers(path) as dying:
        for _ in range(ROUNDS):
            dying.run_one(chance.randrange(4), chance.uniform(0, 0.012))
            kept = {number: version_in(row) for number, row in stored(path).items()}
            for version in range(max(0, dying.told - CARDS + 1), dying.told + 1):
                assert kept[version % CARDS] >= version, "a card that was on the disk is gone"
    assert dying.told > ROUNDS
    assert len(asyncio.run(look(path))) == CARDS


async def look(path: Path) -> dict[int, int]:
    """What a new agent finds, in a file that is in order."""
    async with Opened(path) as opened:
        assert not opened.database.recovered
        return opened.versions()


async def test_files_that_may_not_grow_cost_the_new_entry_alone(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """A quota, as a full disk is: SIGXFSZ is ignored by Python."""
    for number in range(3):
        await opened.save(number)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        await opened.save(3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "the cache of cards cannot be written" in caplog.text
    assert opened.cache.load("00000003"), "it serves as long as the agent runs"
    await opened.save(4)
    assert set(stored(opened.database._path)) == {0, 1, 2, 4}


def fill(file: Path) -> None:
    """Until not one byte more is taken."""
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "cps", folder], check=False)
    if mount.returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_a_disk_that_is_full_costs_the_new_entry_alone(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = small_disk
    async with Opened(folder / "agent.db") as opened:
        for number in range(3):
            await opened.save(number)
        fill(folder / "filler")
        for number in range(10, 30):
            await opened.save(number)
        assert "the cache of cards cannot be written" in caplog.text
        (folder / "filler").unlink()
        await opened.save(4)
    async with Opened(folder / "agent.db") as again:
        assert not again.database.recovered
        assert again.versions().keys() >= {0, 1, 2, 4}


PAGE = 4096


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2 + 100]


def spoil_header(content: bytes) -> bytes:
    return b"\xa5" * 100 + content[100:]


def spoil_middle(content: bytes) -> bytes:
    middle = len(content) // PAGE // 2 * PAGE
    return content[:middle] + random.Random(SEED).randbytes(PAGE) + content[middle + PAGE :]


def empty(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("spoil", [cut, spoil_header, spoil_middle, empty])
async def test_a_damaged_file_is_built_anew_and_said(
    path: Path, spoil: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with Opened(path) as opened:
        for number in range(20):
            await opened.save(number)
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    async with Opened(path) as again:
        found = again.versions()
        assert spoil is empty or caplog.records[-1].levelno == logging.WARNING
        assert spoil is empty or again.database.recovered or "damaged" in caplog.text
        assert len(found) < 20
        await again.save(7, 2)
    async with Opened(path) as last:
        assert last.versions()[7] == 2


async def test_a_damaged_log_costs_what_stood_in_it_alone(path: Path) -> None:
    """Of a process that was killed; SQLite's own checksums tell, and it leaves out what they do not cover."""
    async with Opened(path) as opened:
        for number in range(4):
            await opened.save(number)
    with writers(path) as dying:
        dying.run_one(10, 0)
    log = Path(f"{path}-wal")
    content = log.read_bytes()
    for damaged in (content[: len(content) // 3], os.urandom(len(content)), content[:64] + os.urandom(900), b""):
        log.write_bytes(damaged)
        Path(f"{path}-shm").unlink(missing_ok=True)
        async with Opened(path) as again:
            assert again.versions().keys() >= {0, 1, 2, 3}
            await again.save(99)
            assert again.versions()[99] == 1


async def test_any_page_of_noise_keeps_no_agent_from_starting(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And nothing that was damaged is taken for a card."""
    async with Opened(path) as opened:
        for number in range(6):
            await opened.save(number)
    whole, chance = path.read_bytes(), random.Random(SEED)
    for page in range(0, len(whole), PAGE):
        for noise in (chance.randbytes(PAGE), bytes(PAGE), chance.randbytes(40)):
            at = page + (chance.randrange(PAGE - 40) if len(noise) == 40 else 0)
            path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
            caplog.clear()
            async with Opened(path) as again:
                assert len(again.versions()) == 6 or caplog.records
            for left in path.parent.glob("agent.db*"):
                left.unlink()


@pytest.mark.parametrize("row", ["", "{}", "00 {}", "x" * 100, "null"])
async def test_rows_that_are_not_what_was_written(path: Path, row: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Opened(path) as opened:
        await opened.save(1)
        await opened.save(2)
    (good,) = (text for number, text in stored(path).items() if number == 2)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE cards SET profile = ? WHERE number = '00000001'", (row,))
        connection.execute("INSERT INTO cards VALUES ('00000003', ?, 0)", (good.replace("CPS3", "CPS4"),))
    async with Opened(path) as again:
        assert again.versions().keys() == {2}
    assert caplog.text.count("will be read again") == 2


async def test_a_profile_under_another_cards_number_is_not_that_card(path: Path) -> None:
    async with Opened(path) as opened:
        await opened.save(1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE cards SET number = '00000002'")
    async with Opened(path) as again:
        assert again.cache.load("00000002") is None


async def test_the_last_cards_are_kept_whatever_the_clock_says(path: Path) -> None:
    """Rows of the year 2100 and of 1900, and a clock that goes back between two saves."""
    async with Opened(path) as opened:
        await opened.save(0)
        await opened.save(1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE cards SET updated_at = 4102444800000 WHERE number = '00000000'")
        connection.execute("UPDATE cards SET updated_at = -2208988800000 WHERE number = '00000001'")
    async with Opened(path) as again:
        assert again.versions().keys() == {0, 1}
        for number in range(2, MAX_CARDS + 1):
            again.cache.save(make_profile(f"{number:08}", 1))
        await again.cache.close()
        assert again.versions().keys() == set(range(1, MAX_CARDS + 1))
    assert stored(path).keys() == set(range(1, MAX_CARDS + 1))


async def test_one_card_saved_over_and_over_takes_no_other_cards_place(path: Path) -> None:
    async with Opened(path) as opened:
        await opened.save(0)
        for version in range(MAX_CARDS + 1):
            opened.cache.save(make_profile("00000001", version))
    assert stored(path).keys() == {0, 1}


async def test_two_users_have_a_cache_each(tmp_path: Path) -> None:
    async with Opened(tmp_path / "one" / "agent.db") as one, Opened(tmp_path / "two" / "agent.db") as two:
        await asyncio.gather(one.save(1), two.save(2))
        assert (one.versions().keys(), two.versions().keys()) == ({1}, {2})


@contextmanager
def another_user() -> Iterator[None]:
    """The whole process is somebody else for a while."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that everybody may look into, as /home is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@only_root
@pytest.mark.parametrize("mode", [0o700, 0o777])
async def test_the_folder_of_another_user_is_refused(shared_folder: Path, mode: int) -> None:
    """Also one that its owner has opened to everybody."""
    path = shared_folder / "data" / "agent.db"
    async with Opened(path) as opened:
        await opened.save(1)
        path.parent.chmod(mode)
        path.chmod(0o666)
        with another_user(), pytest.raises(StoreError, match="another user"):
            await Database(path).open()
        assert opened.versions() == {1: 1}


async def test_all_is_forgotten_at_once_and_no_byte_is_left(path: Path) -> None:
    async with Opened(path) as opened:
        for number in range(20):
            await opened.save(number)
            await opened.save(number, 0x58535058)
        needle = b'"label": "1481855064"'
        here = [path, Path(f"{path}-wal")]
        assert any(needle in file.read_bytes() for file in here)
        assert await opened.cache.forget_all() == 20
        await opened.database.scrub()
        for file in path.parent.iterdir():
            content = file.read_bytes()
            assert needle not in content
            assert b"0000001" not in content
            assert b'"generation"' not in content
        assert opened.versions() == {}
        assert await opened.cache.forget_all() == 0
        await opened.save(5)
    async with Opened(path) as again:
        assert again.versions() == {5: 1}


async def test_what_was_to_be_written_before_is_not_written_after(opened: Opened) -> None:
    opened.cache.save(make_profile("00000001", 1))
    assert await opened.cache.forget_all() == 0
    opened.cache.save(make_profile("00000002", 1))
    await opened.cache.close()
    assert stored(opened.database._path).keys() == {2}


async def test_another_program_that_reads_keeps_the_log_and_that_is_said(opened: Opened) -> None:
    await opened.save(1)
    await opened.database.run(lambda connection: connection.execute("PRAGMA busy_timeout = 1").fetchone())
    with closing(sqlite3.connect(opened.database._path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM cards").fetchall()
        await opened.save(2)
        await opened.cache.forget_all()
        with pytest.raises(StoreError, match="another program"):
            await opened.database.scrub()
        other.execute("COMMIT")
    await opened.database.scrub()
    assert Path(f"{opened.database._path}-wal").stat().st_size == 0
