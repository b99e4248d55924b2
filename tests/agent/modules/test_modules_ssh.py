"""OpenSSH's settings, read by ssh itself; and the lines that a person is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.desks import Home, make_home
from support.trees import read_tree

from agent.modules.address import Door
from agent.modules.hints import list_hints

needs_ssh = pytest.mark.skipif(not shutil.which("ssh"), reason="needs openssh-client")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path)


@needs_ssh
@pytest.mark.parametrize(
    "text", [None, "", "Host a\n  User b\n", "Host a\n  User b", "\n\n# x\nMatch host c\n\tPort 1\n\n"]
)
def test_written_read_by_ssh_and_given_back_to_the_byte(home: Home, text: str | None) -> None:
    config = home.folder / ".ssh" / "config"
    if text is not None:
        config.parent.mkdir(mode=0o700)
        config.write_text(text)
        config.chmod(0o600)
    before = read_tree(home.folder)
    home.run("setup", "--yes", "--ssh")
    asked = subprocess.run(["ssh", "-G", "-F", str(config), "elsewhere"], capture_output=True, text=True, check=True)
    assert "p11-kit-client.so" in asked.stdout
    if text:
        assert config.read_text().startswith(text)
    assert home.places()[str(config)]["state"] == "set-up"
    assert "Nothing is to be changed" in home.run("setup", "--yes").stdout
    home.run("remove", "--yes")
    assert read_tree(home.folder) == before


def test_nothing_of_ssh_is_touched_unasked(home: Home) -> None:
    home.run("setup", "--yes")
    assert not (home.folder / ".ssh").exists()


def test_what_is_written_after_the_part_stays(home: Home) -> None:
    config = home.folder / ".ssh" / "config"
    home.run("setup", "--yes", "--ssh")
    config.write_text("Host before\n" + config.read_text() + "Host after\n")
    home.run("remove", "--yes")
    assert config.read_text() == "Host before\nHost after\n"


def test_hints_have_real_paths_and_the_address_where_it_is_needed(home: Home) -> None:
    hints = _hints(home)
    client = hints["OpenSSH"][0].removeprefix("ssh-keygen -D ")
    assert Path(client).is_file()
    assert "p11-kit" not in hints
    own = home.folder / "own folder"
    told = _hints(home, "--data-dir", str(own))["p11-kit"]
    assert told == ["export P11_KIT_SERVER_ADDRESS=unix:path=" + str(own / "p11-kit.sock").replace(" ", "%20")]


def test_ssh_agent_is_told_of_a_library_that_it_would_refuse(tmp_path: Path) -> None:
    door = Door(tmp_path / "x", answers=True, common=tmp_path / "y", common_holder=1, common_is_ours=True)
    library = tmp_path / "odd place" / "p11-kit-client.so"
    (hint,) = (each for each in list_hints(library, door) if each.program == "OpenSSH")
    assert f"ssh-agent -P '{os.path.realpath(library)}'" in hint.lines
    assert list_hints(None, door) == ()


def _hints(home: Home, *words: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(home.run("status", "--json", *words).stdout)["hints"]
    return found
