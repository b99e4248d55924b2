"""`cps-agent modules` in a whole home folder: set up, repeated, undone, with NSS's own tools beside it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.desks import Home, make_home, make_profile, nss_certificates, nss_modules
from support.processes import command
from support.trees import read_tree

from agent.modules.database_target import DatabaseTarget
from agent.modules.libraries import Installed, Library
from agent.modules.plan import Failure, apply, find_desk
from agent.modules.record import Record
from agent.modules.surroundings import find_surroundings
from agent.modules.values import Kind, ModulesError, Place, State, Trouble

pytestmark = pytest.mark.skipif(not shutil.which("modutil"), reason="needs certutil and modutil (libnss3-tools)")
ISSUING = 6  # issuing authorities of IGC-Santé


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


def test_set_up_and_undone_leaves_everything_as_it_was(home: Home) -> None:
    profile = home.firefox / "abc.default-esr"
    before = read_tree(home.folder)
    done = home.run("setup", "--yes")
    assert (done.returncode, done.stderr.count("never used")) == (0, 1)  # the profile that no Firefox has opened yet
    for database in (profile, home.chromium):
        assert "p11-kit-client.so" in nss_modules(database)
        listed = [line for line in nss_certificates(database).splitlines() if "IGC-SANTE" in line]
        assert len(listed) == ISSUING
        assert all(line.endswith(",,") or line.split()[-1] == ",," for line in listed)
    places = home.places()
    assert {places[str(path)]["state"] for path in (profile, home.chromium)} == {"set-up"}
    assert places[str(home.firefox / "def.default")]["trouble"] == "never-started"
    removed = home.run("remove", "--yes")
    assert (removed.returncode, removed.stderr) == (0, "")
    assert read_tree(home.folder) == before


def test_repeating_changes_nothing(home: Home) -> None:
    home.run("setup", "--yes")
    before = read_tree(home.folder)
    stamps = {path: path.lstat().st_mtime_ns for path in home.folder.rglob("*")}
    again = home.run("setup", "--yes")
    assert "Nothing is to be changed." in again.stdout
    assert read_tree(home.folder) == before
    assert {path: path.lstat().st_mtime_ns for path in home.folder.rglob("*")} == stamps
    home.run("remove", "--yes")
    assert home.run("remove", "--yes").stdout == "Nothing is to be changed.\n"


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--json",)])
def test_nothing_changes_unless_somebody_said_so(home: Home, words: tuple[str, ...]) -> None:
    before = read_tree(home.folder)
    done = home.run("setup", *words, given="y\n")
    assert read_tree(home.folder) == before
    assert done.returncode == (0 if words == ("--dry-run",) else 2)
    assert ("--yes" in done.stderr) is (words != ("--dry-run",))
    assert ("p11-kit-client.so" in done.stdout) is (words != ("--json",))


def test_what_was_there_before_stays(home: Home, tmp_path: Path) -> None:
    profile = home.firefox / "abc.default-esr"
    authority = Path("agent/certificates/igc-sante/ac-fort-personnes.pem")
    for database in (profile, home.chromium):
        if database == home.chromium:
            make_profile(database)
        _run(
            "certutil", "-A", "-d", f"sql:{database}", "-n", "imported by hand", "-t", ",,", "-a", "-i", str(authority)
        )
        _run("modutil", "-dbdir", f"sql:{database}", "-add", "Mine", "-libfile", "/usr/lib/x86_64-linux-gnu/pkcs11/p11-kit-trust.so",
             "-force")  # fmt: skip
    before = read_tree(home.folder)
    home.run("setup", "--yes")
    assert len([line for line in nss_certificates(profile).splitlines() if "IGC-SANTE" in line]) == ISSUING - 1
    home.run("remove", "--yes")
    assert read_tree(home.folder) == before


def test_a_database_that_somebody_uses_since_stays(home: Home) -> None:
    home.run("setup", "--yes")
    authority = Path("agent/certificates/igc-sante/acr-fort.pem")
    _run("certutil", "-A", "-d", f"sql:{home.chromium}", "-n", "theirs", "-t", ",,", "-a", "-i", str(authority))
    assert home.run("remove", "--yes").returncode == 0
    assert "theirs" in nss_certificates(home.chromium)
    assert "IGC-SANTE" not in nss_certificates(home.chromium)


def test_the_module_is_replaced_when_another_library_is_wanted(home: Home) -> None:
    """A run with a data folder of its own is not where p11-kit's client looks: the proxy reads its address."""
    profile = home.firefox / "abc.default-esr"
    home.run("setup", "--yes")
    own = ("--data-dir", str(home.folder / "own"))
    assert home.places(*own)[str(profile)]["state"] == "partly"
    home.run("setup", "--yes", *own)
    assert "p11-kit-proxy.so" in nss_modules(profile)
    assert "p11-kit-client.so" not in nss_modules(profile)


def test_a_proxy_that_is_there_already_is_enough(home: Home) -> None:
    profile = home.firefox / "abc.default-esr"
    proxy = "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so"
    _run("modutil", "-dbdir", f"sql:{profile}", "-add", "p11-kit-proxy", "-libfile", proxy, "-force")
    home.run("setup", "--yes")
    assert home.places()[str(profile)]["state"] == "set-up"
    assert "CPS agent" not in (profile / "pkcs11.txt").read_text()


def test_another_module_with_the_same_purpose_is_named(home: Home) -> None:
    profile = home.firefox / "abc.default-esr"
    library = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so"
    with (profile / "pkcs11.txt").open("a") as file:
        file.write(f"library={library}\nname=OpenSC\n\n")
    assert home.places()[str(profile)]["others"] == [library]
    assert f"{library} is there too: the same card appears twice" in home.run().stdout


def test_boxes_are_told_apart_and_left_alone(home: Home) -> None:
    snap = make_profile(home.folder / "snap/firefox/common/.mozilla/firefox/x.default")
    flatpak = make_profile(home.folder / ".var/app/org.mozilla.firefox/.mozilla/firefox/y.default")
    before = read_tree(home.folder)
    places = home.places()
    assert (places[str(snap)]["form"], places[str(flatpak)]["form"]) == ("snap", "flatpak")
    assert {places[str(path)]["trouble"] for path in (snap, flatpak)} == {"boxed"}
    home.run("setup", "--yes")
    home.run("remove", "--yes")
    assert read_tree(home.folder) == before


def test_the_test_authority_of_a_data_folder_is_imported_too(home: Home, folder: Path) -> None:
    home.run("setup", "--yes", "--data-dir", str(folder))
    listed = nss_certificates(home.chromium)
    assert listed.count("CPS agent - ") == ISSUING + 1
    assert "RACINE" not in listed.upper().replace("ROOT", "RACINE")
    home.run("remove", "--yes", "--data-dir", str(folder))
    assert not home.chromium.exists()


@pytest.mark.parametrize("words", [("--json",), ("--json", "status"), ("status", "--json")])
def test_json_stands_before_or_behind_the_verb_or_alone(home: Home, words: tuple[str, ...]) -> None:
    places = json.loads(home.run(*words).stdout)["places"]
    assert {each["kind"] for each in places} == {"p11-kit", "firefox", "chromium"}


def test_json_tells_each_step(home: Home) -> None:
    answer = json.loads(home.run("setup", "--yes", "--json").stdout)
    assert {step["action"] for step in answer["steps"]} - {"write-file"} == {
        "make-database",
        "add-module",
        "import-certificate",
    }
    assert all(step["done"] for step in answer["steps"])
    assert [each["trouble"] for each in answer["failures"]] == ["never-started"]


def test_a_database_with_a_password_is_set_up_without_it(home: Home, tmp_path: Path) -> None:
    profile = home.firefox / "abc.default-esr"
    (tmp_path / "new").write_text("un mot de passe\n")
    (tmp_path / "old").write_text("\n")
    _run("certutil", "-W", "-d", f"sql:{profile}", "-f", str(tmp_path / "old"), "-@", str(tmp_path / "new"))
    before = read_tree(home.folder)
    home.run("setup", "--yes")
    assert home.places()[str(profile)]["state"] == "set-up"
    home.run("remove", "--yes")
    assert read_tree(home.folder) == before


@pytest.mark.parametrize(
    ("language", "answer", "code"),
    [
        ("C.UTF-8", b"y\n", 0),
        ("C.UTF-8", b"n\n", 5),
        ("C.UTF-8", b"\n", 5),
        ("C.UTF-8", b"\x04", 5),
        ("fr_FR.UTF-8", b"o\n", 0),
    ],
)
def test_a_person_is_asked_at_a_terminal(home: Home, language: str, answer: bytes, code: int) -> None:
    """At a terminal of its own; without an answer nothing happens."""
    mine, its = os.openpty()
    run = subprocess.Popen(
        command("modules", "setup"), env=home.environment | {"LC_ALL": language}, stdin=its, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert run.stdout
    said = b""
    while not said.endswith(b"N] "):
        byte = run.stdout.read(1)
        assert byte, said
        said += byte
    assert b"p11-kit-client.so" in said
    assert not home.chromium.exists()
    os.write(mine, answer)
    run.communicate(timeout=30)
    os.close(mine)
    os.close(its)
    assert (run.returncode, home.chromium.exists()) == (code, code == 0)


def test_a_browser_that_is_opened_while_the_plan_is_read_is_noticed(home: Home) -> None:
    where = find_surroundings(home.folder / "memory", home.runtime / "own", home.runtime / "common", home.environment)
    plan = find_desk(where, ()).plan_setup()
    (home.folder / ".config/chromium/SingletonLock").symlink_to(f"{socket.gethostname()}-{os.getpid()}")
    (failure,) = (each for each in apply(plan) if isinstance(each, Failure) and each.place.kind is Kind.CHROMIUM)
    assert failure.error.trouble is Trouble.RUNNING
    assert not home.chromium.exists()


def test_what_is_not_installed_is_named(home: Home) -> None:
    place = Place(Kind.FIREFOX, home.firefox / "abc.default-esr")
    installed = Installed(None, None, None, None, Library.CLIENT)
    assert [each.debian for each in installed.list_missing()] == ["p11-kit-modules", "libnss3-tools", "libnss3-tools"]
    target = DatabaseTarget(place, installed, (), Record(home.folder / "memory"), lambda: "")
    assert (target.look().state, target.look().trouble) == (State.IMPOSSIBLE, Trouble.LIBRARY_ABSENT)
    library = Path("/usr/lib/x.so")
    target = DatabaseTarget(place, replace(installed, client=library), (), Record(home.folder / "memory"), lambda: "")
    with pytest.raises(ModulesError) as raised:
        next(iter(target.plan_setup())).apply()
    assert (raised.value.trouble, raised.value.detail) == (Trouble.TOOL_ABSENT, "modutil")


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
