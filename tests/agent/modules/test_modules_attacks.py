"""Bad input is normal input: profiles.ini from anywhere, links, files in the way, programs that run, runs at once."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from support.desks import Home, make_home, make_profile, nss_modules
from support.processes import command
from support.trees import read_tree

from agent.certificates.pem import read_pem
from agent.modules.authorities import Authority
from agent.modules.files import read_file, write_file
from agent.modules.mozilla import find_profiles, find_running
from agent.modules.plan import apply, find_desk
from agent.modules.record import Record
from agent.modules.surroundings import NoHomeError, Surroundings, find_surroundings
from agent.modules.values import ModulesError, Trouble

pytestmark = pytest.mark.skipif(not shutil.which("modutil"), reason="needs certutil and modutil (libnss3-tools)")

AUTHORITIES = (Authority("AC DE TEST", read_pem(Path("agent/certificates/igc-sante/acr-fort.pem").read_bytes())[0]),)
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@pytest.fixture
def where(home: Home) -> Surroundings:
    return find_surroundings(
        home.folder / "memory", home.runtime / "own.sock", home.runtime / "common", home.environment
    )


@contextmanager
def firefox_has_open(profile: Path) -> Iterator[int]:
    """A process with the lock that Firefox holds on a profile (fcntl, as nsProfileLock does)."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(profile / ".parentlock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    assert holder.stdin
    assert holder.stdout.readline() == b"held\n"
    try:
        yield holder.pid
    finally:
        holder.stdin.close()
        holder.wait(10)
        holder.stdout.close()


def test_a_running_firefox_is_named_and_left_alone_and_the_rest_goes_on(home: Home) -> None:
    profile = home.firefox / "abc.default-esr"
    before = read_tree(profile)
    with firefox_has_open(profile) as process:
        assert find_running(profile) == str(process)
        done = home.run("setup", "--yes")
        assert f"process {process}" in done.stderr
        assert done.returncode == 1
        assert read_tree(profile) == before
        assert "p11-kit-client.so" in nss_modules(home.chromium)
    assert find_running(profile) == ""
    home.run("setup", "--yes")
    with firefox_has_open(profile) as process:
        assert home.places()[str(profile)]["state"] == "set-up"
        assert f"process {process}" in home.run("remove", "--yes").stderr
    assert home.run("remove", "--yes").returncode == 0
    assert read_tree(profile) == before


def test_a_running_chromium_is_named(home: Home) -> None:
    lock = home.folder / ".config" / "chromium" / "SingletonLock"
    lock.symlink_to(f"{socket.gethostname()}-{os.getpid()}")
    assert f"Chromium, {os.getpid()}" in home.run("setup", "--yes").stderr
    assert not home.chromium.exists()
    for stale in (f"{socket.gethostname()}-{2**22 - 1}", "elsewhere-1", "x", f"{socket.gethostname()}-99999999999999"):
        lock.unlink()
        lock.symlink_to(stale)
        assert "Chromium, " not in home.run("setup", "--dry-run").stderr


@pytest.mark.parametrize(
    "text",
    [
        "", "[Profile0]\nPath=\n", "[Profile0]\nPath=../../../../etc\n", "[Profile0]\nIsRelative=0\nPath=/etc\n",
        "[Profile0]\nPath=/proc/self/root\n", "Path=x\n", "[Profile0\nPath=x", "[Profile0]\nPath=a\0b\n", "\xff\xfe",
        "[Profile0]\nPath=%(x)s\n", "[Profile0]\nPath=x\nPath=y\n[Profile0]\n", "[Profile0]\nPath=" + "x" * 5000,
        "[Profile0]\nPath=~root\n", "x" * 2_000_000, "".join(f"[Profile{n}]\nPath=p{n}\n" for n in range(20_000)),
    ],
    ids=range(15),
)  # fmt: skip
def test_attack_profiles_ini(home: Home, where: Surroundings, text: str) -> None:
    home.firefox.joinpath("profiles.ini").write_text(text, encoding="latin-1")
    found = [place.path for place in find_profiles(where)]
    assert [path.name for path in found if path.is_relative_to(home.firefox / "abc.default-esr")] == ["abc.default-esr"]
    assert all(path.stat().st_uid == os.geteuid() for path in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_attack_a_profile_of_somebody_else(home: Home, where: Surroundings, tmp_path: Path) -> None:
    other = make_profile(tmp_path / "other")
    os.chown(other, 65534, 65534)
    home.firefox.joinpath("profiles.ini").write_text(f"[Profile0]\nIsRelative=0\nPath={other}\n")
    (home.firefox / "link").symlink_to(other)
    assert {place.path.name for place in find_profiles(where)} == {"abc.default-esr"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_attack_sudo_with_the_home_of_somebody_else(home: Home) -> None:
    os.chown(home.folder, 65534, 65534)
    with pytest.raises(NoHomeError):
        find_surroundings(home.folder, home.folder, None, home.environment)
    done = home.run("setup", "--yes")
    assert (done.returncode, "without sudo" in done.stderr) == (2, True)


def test_a_profile_of_any_name_is_found_where_it_is(home: Home, tmp_path: Path) -> None:
    odd = make_profile(tmp_path / "else where" / "d'b,=\" é$(x)`y`;#%41")
    home.firefox.joinpath("profiles.ini").write_text(f"[Profile0]\nIsRelative=0\nPath={odd}\n")
    before = read_tree(odd)
    home.run("setup", "--yes")
    assert "CPS agent" in (odd / "pkcs11.txt").read_text()
    home.run("remove", "--yes")
    assert read_tree(odd) == before


@pytest.mark.parametrize("content", [b"garbage" * 1000, b""])
def test_a_damaged_database_is_named_and_left_alone(home: Home, content: bytes) -> None:
    profile = home.firefox / "abc.default-esr"
    (profile / "cert9.db").write_bytes(content)
    before = read_tree(profile)
    done = home.run("setup", "--yes")
    assert (done.returncode, str(profile) in done.stderr) == (1, True)
    assert read_tree(profile) == before
    assert home.places()[str(profile)]["trouble"] == "damaged"
    assert home.places()[str(home.chromium)]["state"] == "set-up"


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (1 << 21))
    (tmp_path / "circle").symlink_to("circle")
    for name in ("pipe", "large", "circle", "."):
        with pytest.raises(ModulesError):
            read_file(tmp_path / name)
    assert read_file(tmp_path / "absent") is None


def test_a_link_to_a_file_of_ones_own_is_written_through(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "config"
    real.parent.mkdir()
    real.write_text("old")
    real.chmod(0o600)
    (tmp_path / "config").symlink_to(real)
    write_file(tmp_path / "config", "new", Record(tmp_path / "record"))
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("new", 0o600)
    assert (tmp_path / "config").is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another user")
def test_attack_a_link_to_a_file_of_somebody_else(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    os.chown(victim, 65534, 65534)
    (tmp_path / "config").symlink_to(victim)
    with pytest.raises(ModulesError) as raised:
        write_file(tmp_path / "config", "ours", Record(tmp_path / "record"))
    assert raised.value.trouble is Trouble.FOREIGN
    assert victim.read_text() == "theirs"


@pytest.mark.parametrize(
    "content", [b"", b"[", b"{}", b'["/a", 1]', b"[" * 100_000, b"\xff", b'["/\\u0000"]', b'["a"]', b'["/", "/etc"]']
)
def test_a_damaged_record_costs_nothing(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "record"
    folder.mkdir()
    (folder / "modules.json").write_bytes(content)
    record = Record(folder)
    record.make_folders(tmp_path / "a" / "b")
    Record(folder).remove_folders()
    assert list(tmp_path.iterdir()) == [folder]


def test_interrupted_after_any_step(home: Home, where: Surroundings) -> None:
    before = read_tree(home.folder)
    count = len(find_desk(where, AUTHORITIES).plan_setup().steps)
    for last in range(count):
        desk = find_desk(where, AUTHORITIES)
        for _ in islice(apply(desk.plan_setup()), last):
            pass
        list(apply(find_desk(where, AUTHORITIES).plan_setup()))
        assert find_desk(where, AUTHORITIES).plan_setup().steps == ()
        for _ in islice(apply(find_desk(where, AUTHORITIES).plan_removal()), last):
            pass
        list(apply(find_desk(where, AUTHORITIES).plan_removal()))
        assert read_tree(home.folder) == before


def test_a_database_half_made_is_made_whole(home: Home, where: Surroundings) -> None:
    before = read_tree(home.folder)
    Record(where.memory).add(home.chromium / "cert9.db")
    home.chromium.mkdir(parents=True)  # as when the run ends before certutil
    list(apply(find_desk(where, AUTHORITIES).plan_setup()))
    assert "CPS agent" in (home.chromium / "pkcs11.txt").read_text()
    (home.chromium / "pkcs11.txt").unlink()
    list(apply(find_desk(where, AUTHORITIES).plan_setup()))
    assert "CPS agent" in (home.chromium / "pkcs11.txt").read_text()
    list(apply(find_desk(where, AUTHORITIES).plan_removal()))
    assert set(read_tree(home.folder)) - set(before) <= {
        ".local",
        ".local/share",
        ".local/share/pki",
        ".local/share/pki/nssdb",
    }


def test_four_runs_at_once(home: Home) -> None:
    before = read_tree(home.folder)
    for verb in ("setup", "remove"):
        runs = [
            subprocess.Popen(
                command("modules", verb, "--yes"), env=home.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for _ in range(4)
        ]  # fmt: skip
        said = [run.communicate(timeout=60)[0] for run in runs]
        assert not any("refused" in text or "Traceback" in text for text in said), said
        if verb == "setup":
            assert nss_modules(home.chromium).count("CPS agent") == 1
            assert home.places()[str(home.chromium)]["state"] == "set-up"
    assert read_tree(home.folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="only root is not refused by modes")
def test_a_folder_that_cannot_be_written_is_named(home: Home) -> None:
    profile = home.firefox / "abc.default-esr"
    profile.chmod(0o500)
    assert home.run("setup", "--yes").returncode == 1
    profile.chmod(0o700)


def test_the_lock_of_another_run_is_waited_for(home: Home) -> None:
    descriptor = os.open(home.folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    run = subprocess.Popen(
        command("modules", "setup", "--yes"), env=home.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        run.communicate(timeout=1.5)
    assert not home.chromium.exists()
    os.close(descriptor)
    run.communicate(timeout=60)
    assert home.chromium.exists()
