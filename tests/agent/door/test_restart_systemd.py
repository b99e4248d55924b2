"""The agent as a service of systemd, which is played: its socket, its crash, and its restart under programs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.door_program import CLIENT, module_program
from support.door_stand_in import frame
from support.p11_client import P11Client
from support.played_systemd import PlayedSystemd, played_systemd
from support.processes import answers, command
from support.waiting import wait_until

from agent.door.cryptoki import CKR_DEVICE_ERROR, CKR_SESSION_HANDLE_INVALID
from agent.servicemanager import ServiceManager

pytestmark = pytest.mark.skipif(CLIENT is None and not os.environ.get("CI"), reason="needs p11-kit-modules")


@dataclass
class Service:
    systemd: PlayedSystemd
    folder: Path
    runs: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def door(self) -> Path:
        return self.folder / "p11-kit.sock"

    def begin(self, **env: str) -> subprocess.Popen[str]:
        """Start a run without waiting for it."""
        words = command("serve", "--virtual", "--unattended", "--port", "0", "--data-dir", str(self.folder))
        self.runs.append(self.systemd.start(*words, env={**os.environ, **env}))
        return self.runs[-1]

    def start(self, **env: str) -> None:
        run = self.begin(**env)
        wait_until(lambda: run.poll() is not None or answers(self.folder), "the agent")

    def end(self, number: signal.Signals) -> int:
        self.runs[-1].send_signal(number)
        return self.runs[-1].wait(20)

    def port(self) -> str:
        return (self.folder / "port").read_text()


@pytest.fixture
def service(folder: Path, tmp_path: Path) -> Iterator[Service]:
    with played_systemd(tmp_path, folder / "p11-kit.sock") as systemd:
        played = Service(systemd, folder)
        yield played
        for run in played.runs:
            run.kill()
            run.wait(20)


def until(condition: Callable[[], object]) -> None:
    wait_until(condition, "the store")


def test_program_that_comes_before_the_agent_is_served(service: Service) -> None:
    with module_program(service.door) as one:
        one.begin("initialize")
        service.start()
        assert one.finish() == 0
        assert [one.call("open"), one.call("info")] == [0, 0]
        until(lambda: service.systemd.names() == ["program"])
    until(lambda: service.systemd.names() == [])
    assert service.end(signal.SIGTERM) == 0
    assert service.door.exists()  # systemd's own


def test_restart_by_systemd_under_programs(service: Service) -> None:
    service.start()
    before = service.port()
    with module_program(service.door) as one, module_program(service.door) as other, P11Client(service.door, 2) as half:
        for each in (one, other):
            assert [each.call("initialize"), each.call("open")] == [0, 0]
        half.initialize()
        request = frame(0x77, "GetInfo")
        half.raw(request[:20])
        assert service.end(signal.SIGTERM) == 0
        assert {"program", "left", "state"} == set(service.systemd.names())
        other.begin("info")  # while there is no agent
        with module_program(service.door) as late:
            late.begin("initialize")
            service.start()
            assert late.finish() == 0
        assert service.port() == before
        assert other.finish() == CKR_SESSION_HANDLE_INVALID
        assert one.call("info") == CKR_SESSION_HANDLE_INVALID
        assert [one.call("open"), one.call("info"), other.call("open")] == [0, 0, 0]
        half.raw(request[20:])
        assert half.receive().code == 0x77
        assert set(service.systemd.names()) == {"program"}
    until(lambda: service.systemd.names() == [])


def test_crash_ends_conversations_and_kills_no_program(service: Service) -> None:
    service.start()
    with module_program(service.door) as idle, module_program(service.door) as waiting:
        for each in (idle, waiting):
            assert [each.call("initialize"), each.call("open")] == [0, 0]
        until(lambda: service.systemd.names() == ["program"] * 2)
        service.end(signal.SIGKILL)
        waiting.begin("info")
        service.start()
        assert waiting.finish() == CKR_DEVICE_ERROR
        assert [idle.call("info"), idle.call("info")] == [CKR_DEVICE_ERROR] * 2
        for each in (idle, waiting):
            assert [each.call(name) for name in ("finalize", "initialize", "open", "info")] == [0, 0, 0, 0]


def test_crash_after_a_restart_does_not_bring_the_old_state_back(service: Service) -> None:
    service.start()
    with module_program(service.door) as one:
        assert [one.call("initialize"), one.call("open")] == [0, 0]
        until(service.systemd.names)
        service.end(signal.SIGTERM)
        service.start()
        assert one.call("info") == CKR_SESSION_HANDLE_INVALID
        service.end(signal.SIGKILL)
        service.start()
        assert one.call("info") == CKR_DEVICE_ERROR


def test_restart_in_place_of_a_service(service: Service) -> None:
    service.start()
    with module_program(service.door) as one:
        assert [one.call("initialize"), one.call("open")] == [0, 0]
        until(service.systemd.names)
        words = command("restart", "--data-dir", str(service.folder))
        assert subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0
        assert [one.call("info"), one.call("open")] == [CKR_SESSION_HANDLE_INVALID, 0]
        service.end(signal.SIGKILL)
        service.start()
        assert one.call("info") == CKR_DEVICE_ERROR


def test_door_that_was_closed_meanwhile_turns_programs_away(service: Service) -> None:
    service.start()
    with module_program(service.door) as one:
        assert [one.call("initialize"), one.call("open")] == [0, 0]
        until(service.systemd.names)
        service.end(signal.SIGTERM)
        service.start(CPS_AGENT_DOOR="false")
        assert [one.call("info"), one.call("finalize")] == [CKR_DEVICE_ERROR, 0]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "/run/notify"},
        {"NOTIFY_SOCKET": "/run/notify", "SYSTEMD_EXEC_PID": "1"},
        {"NOTIFY_SOCKET": "elsewhere", "SYSTEMD_EXEC_PID": str(os.getpid())},
    ],
)
def test_agent_that_is_no_service_of_its_own(environment: dict[str, str]) -> None:
    assert ServiceManager.find(environment) is None
