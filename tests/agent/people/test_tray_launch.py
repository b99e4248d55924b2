"""How the tray starts the agent: by the user's unit where there is one, and not when that was disabled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.waiting import wait_until

from agent.people.tray.launch import UNIT, Launcher, Unit, find_unit, send_page

SCRIPT = """#!/bin/sh
echo "$@" >>{log}
echo {answer}
"""


@pytest.fixture(name="manager")
def _manager(tmp_path, monkeypatch):
    """A user's manager whose systemctl says what the test wants; gives a function that sets it, and its log."""
    (tmp_path / "run/systemd").mkdir(parents=True)
    (tmp_path / "run/systemd/private").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    log = tmp_path / "log"
    log.touch()

    def say(answer: str) -> Path:
        systemctl = tmp_path / "systemctl"
        systemctl.write_text(SCRIPT.format(log=log, answer=answer))
        systemctl.chmod(0o755)
        return log

    return say


@pytest.mark.parametrize(
    ("answer", "unit"),
    [
        ("enabled", Unit.ENABLED), ("static", Unit.ENABLED), ("enabled-runtime", Unit.ENABLED),
        ("disabled", Unit.DISABLED), ("masked", Unit.DISABLED), ("not-found", Unit.ABSENT), ("", Unit.ABSENT),
    ],
)  # fmt: skip
def test_unit_is_found(manager, answer, unit):
    manager(answer)
    assert find_unit() is unit


def test_no_manager_no_unit(manager, tmp_path):
    manager("enabled")
    assert find_unit({}) is Unit.ABSENT
    (tmp_path / "run/systemd/private").unlink()
    assert find_unit() is Unit.ABSENT


def test_manager_without_systemctl(manager, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert find_unit() is Unit.ABSENT


@pytest.mark.parametrize(
    ("answer", "asked", "starts"),
    [("enabled", False, True), ("enabled", True, True), ("disabled", False, False), ("disabled", True, True)],
)
def test_disabled_unit_starts_only_when_the_person_asks(manager, answer, asked, starts):
    log = manager(answer)
    Launcher().start_agent(asked=asked)
    assert (f"--user start {UNIT}" in log.read_text()) == starts


def test_folder_of_its_own_is_not_the_units(manager, monkeypatch, tmp_path):
    log = manager("enabled")
    monkeypatch.setattr(
        "agent.people.tray.launch.child_command",
        lambda *words: ["/bin/sh", "-c", f"echo {' '.join(words)} >{tmp_path}/started"],
    )
    process = Launcher(tmp_path / "data").start_agent(asked=False)
    del process
    wait_until(lambda: (tmp_path / "started").exists() and (tmp_path / "started").read_text(), "the program")
    assert (tmp_path / "started").read_text() == f"serve --data-dir {tmp_path}/data\n"
    assert log.read_text() == ""


def test_pages_go_to_the_open_window_and_not_to_a_closed_one(monkeypatch, tmp_path):
    program = "import sys; print(sys.stdin.readline().strip(), file=open(sys.argv[1], 'w'), flush=True)"
    monkeypatch.setattr(
        "agent.people.tray.launch.child_command", lambda *_: [sys.executable, "-c", program, str(tmp_path / "page")]
    )
    panel = Launcher().open_panel("card")
    assert send_page(panel, "journal")
    assert panel.wait(20) == 0
    assert (tmp_path / "page").read_text() == "journal\n"
    assert not send_page(panel, "card")
    assert panel.stdin
    panel.stdin.close()
