"""Attacks from the same workstation: planted files, hidden programs, terminals, a policy that somebody walks around."""

from __future__ import annotations

import io
import json
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.agent import NONCE, DeskPresence, Person, RunningAgent, running_agent

from agent.access.errors import PeerRefusedError, StoreError
from agent.access.peer import Endpoint
from agent.access.procfs import LinuxPeerFinder
from agent.children import child_command
from agent.commands.output import complain, say, say_json
from agent.people.presence import AwayReason
from agent.settings import load_settings, policy_file
from drivers.virtual.link import VirtualReaders

HOSTILE = "DR\x1b[2J\x9b31m\r\n\u202eNIP"


async def test_attack_port_file_that_is_a_link_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folder / "port").symlink_to(precious)
    async with running_agent(folder, Person(), VirtualReaders()) as agent:
        assert int((folder / "port").read_text()) == agent.port
        assert not (folder / "port").is_symlink()
    assert precious.read_text() == "mine"


class Listener(DeskPresence):
    """Looks at what clients find while the agent is still starting."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.found: list[bool] = []

    async def start(self, on_away: Callable[[AwayReason], object]) -> None:
        self.found = [(self._folder / name).exists() for name in ("token", "port")]


async def test_attack_port_of_a_run_that_crashed_is_told_no_new_token(folder: Path) -> None:
    """Somebody else may listen there by now, and a tray asks every few seconds."""
    (folder / "port").write_text("27710\n")
    listener = Listener(folder)
    async with running_agent(folder, Person(), VirtualReaders(), listener):
        assert listener.found == [True, False]


@pytest.mark.parametrize("name", ["token", "agent.db"])
async def test_attack_token_or_database_that_is_a_link_stops_the_start(folder: Path, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folder / name).symlink_to(precious)
    with pytest.raises(StoreError):
        async with running_agent(folder, Person(), VirtualReaders()):
            pass
    assert precious.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="modes mean nothing there")
async def test_attack_folder_left_open_is_closed_with_all_that_is_in_it(folder: Path) -> None:
    folder.chmod(0o777)
    async with running_agent(folder, Person(), VirtualReaders()):
        assert folder.stat().st_mode & 0o077 == 0
        for name in ("token", "port", "agent.db", "agent.db-wal"):
            assert (folder / name).stat().st_mode & 0o077 == 0, name


def test_attack_folder_with_a_program_called_agent_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess  # noqa: PLC0415

    planted = tmp_path / "agent"
    planted.mkdir()
    (planted / "__init__.py").touch()
    (planted / "__main__.py").write_text("print('planted')")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    answer = subprocess.run(child_command("--help"), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "planted" not in answer.stdout


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_attack_name_that_drives_the_terminal_is_printed_as_marks(
    capsys: pytest.CaptureFixture[str], stream: str
) -> None:
    (say if stream == "stdout" else complain)(f"Médecin\N{NO-BREAK SPACE}: {HOSTILE}")
    printed = getattr(capsys.readouterr(), stream.removeprefix("std"))
    assert printed.endswith("\n")
    assert not set(printed[:-1]) & set("\x1b\x9b\r\n\u202e")
    assert "Médecin\N{NO-BREAK SPACE}: DR" in printed


def test_attack_name_in_json_is_the_same_value_without_its_power(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"name": HOSTILE, "é": "\ud800"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": HOSTILE, "é": "\ud800"}
    assert not set(printed) & set("\x1b\x9b\r\u202e\ud800")


@contextmanager
def nameless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two programs hold the same socket, so that the system names neither."""
    with monkeypatch.context() as patch:
        patch.setattr(LinuxPeerFinder, "find_program", lambda self, peer: None)
        yield


@pytest.mark.skipif(sys.platform != "linux", reason="patches the finder of Linux")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE, "origin": "https://bank.example"}),
        ("/v1/pin/verify", {}),
        ("/v1/signatures", {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}),
        ("/v1/grants", {"abilities": ["sign"]}),
    ],
)
async def test_attack_program_without_a_name_shows_no_dialog(
    agent: RunningAgent, person: Person, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, object]
) -> None:
    with nameless(monkeypatch):
        answer = await agent.program("POST", path, body)
    assert (answer.status, answer.code) == (403, "not-supported")
    assert person.asked == []


@pytest.mark.skipif(sys.platform != "linux", reason="the finder of Linux")
def test_attack_connection_that_is_gone_is_nobodys() -> None:
    finder = LinuxPeerFinder(find_owner=lambda local, remote: None)
    with pytest.raises(PeerRefusedError, match="no such connection"):
        finder.find_peer(Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 2))


def test_attack_policy_of_windows_is_not_moved_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = types.ModuleType("winreg")
    registry.HKEY_LOCAL_MACHINE = 1  # type: ignore[attr-defined]
    registry.OpenKey = lambda key, path: io.BytesIO()  # type: ignore[attr-defined]
    registry.QueryValueEx = lambda key, name: ("/machine", 1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "winreg", registry)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PROGRAMDATA", "/mine")
    monkeypatch.setenv("WIN_PD_OVERRIDE_COMMON_APPDATA", "/mine")
    assert policy_file() == Path("/machine/cps-agent/policy.toml")


def test_attack_policy_is_not_overridden_by_file_variable_or_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, user = tmp_path / "policy.toml", tmp_path / "settings.toml"
    policy.write_text('unattended = false\nprompt = "dialog"\n')
    user.write_text('unattended = true\nprompt = "none"\n')
    monkeypatch.setattr("agent.settings.policy_file", lambda: policy)
    monkeypatch.setattr("agent.settings.user_file", lambda: user)
    environment = {"CPS_AGENT_UNATTENDED": "1", "CPS_AGENT_PROMPT": "none"}
    settings = load_settings({"unattended": True, "prompt": "terminal"}, environment)
    assert (settings.unattended, settings.prompt) == (False, "dialog")
