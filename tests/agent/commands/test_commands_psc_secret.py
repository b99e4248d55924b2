"""`cps-agent psc secret` with a real Secret Service: what is kept is what the client's logins find."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from support.processes import command
from support.secret_service import secret_service, why_no_secret_service

from agent.keystore import open_key_store

NAME = "psc-secret-cabinet"
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with secret_service(tmp_path_factory.mktemp("secrets")) as address:
        yield address


def run(bus: str | None, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in ENGLISH.items() if name != "DBUS_SESSION_BUS_ADDRESS"}
    env |= {} if bus is None else {"DBUS_SESSION_BUS_ADDRESS": bus}
    return subprocess.run(
        command("psc", "secret", "cabinet", *words),
        input=told,
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
        check=False,
    )


def stored(bus: str) -> bytes | None:
    found = open_key_store("linux", {"DBUS_SESSION_BUS_ADDRESS": bus}).get(NAME)
    return None if found is None else bytes(found)


def test_a_secret_is_kept_and_removed(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
    kept = run(bus, told="un secret de 24 signes!\n")
    assert (kept.returncode, kept.stderr) == (0, "")
    assert "un secret" not in kept.stdout
    assert stored(bus) == b"un secret de 24 signes!"
    assert run(bus, "--remove").returncode == 0
    assert stored(bus) is None


@pytest.mark.parametrize("told", ["", "\n", "é\n", "x" * 513 + "\n"])
def test_what_is_no_secret_is_not_kept(bus: str, told: str) -> None:
    assert run(bus, told=told).returncode == 2


def test_without_a_key_store_it_says_so() -> None:
    done = run(None, told="abc\n")
    assert done.returncode == 11
    assert "The secret cannot be kept: " in done.stderr
