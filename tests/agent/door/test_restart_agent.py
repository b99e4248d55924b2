"""The agent restarts or ends under programs that use it by p11-kit's own client: none is killed, and none waits."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import pack

import pytest
from support.door_program import CLIENT, Program, module_program
from support.door_stand_in import frame
from support.memory import needles, random_code, search_memory
from support.p11_client import P11Client, RefusedError
from support.p11_letters import BY_NAME, write_request
from support.processes import answers, command, program
from support.waiting import wait_until

from agent.client import Client
from agent.door.cryptoki import (
    CKA_CLASS,
    CKM_SHA256_RSA_PKCS,
    CKO_PRIVATE_KEY,
    CKR_DEVICE_ERROR,
    CKR_FUNCTION_CANCELED,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_SESSION_HANDLE_INVALID,
)
from agent.door.values import Attribute, Mechanism

pytestmark = pytest.mark.skipif(CLIENT is None and not os.environ.get("CI"), reason="needs p11-kit-modules")
PROGRAMS = 12
ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8"}


@dataclass
class Agent:
    process: subprocess.Popen[str]
    folder: Path

    @property
    def door(self) -> Path:
        return self.folder / "p11-kit.sock"

    @property
    def port(self) -> str:
        return (self.folder / "port").read_text()

    def keepers(self) -> list[int]:
        return [pid for pid in children(self.process.pid) if b"bystander" in read(pid, "cmdline")]

    def has_keeper(self) -> int:
        wait_until(self.keepers, "the keeper")
        (keeper,) = self.keepers()
        return keeper

    def restart(self, env: dict[str, str] = ENGLISH) -> subprocess.CompletedProcess[str]:
        words = command("restart", "--data-dir", str(self.folder))
        return subprocess.run(words, capture_output=True, text=True, timeout=60, env=env, check=False)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Agent]:
    flags = ("--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    with program("serve", *flags) as process:
        wait_until(lambda: process.poll() is not None or answers(folder), "the agent")
        assert process.poll() is None, "the agent has ended"
        yield Agent(process, folder)


@pytest.fixture
def agent(folder: Path) -> Iterator[Agent]:
    with running(folder) as started:
        yield started


def read(pid: int, name: str) -> bytes:
    """A file of a process, or nothing when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def state(pid: int) -> list[bytes]:
    """State, parent and so on (proc_pid_stat(5)); nothing but a zombie's state when it has ended."""
    return read(pid, "stat").rpartition(b")")[2].split() or [b"Z", b""]


def children(parent: int) -> list[int]:
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in numbers if state(pid)[1] == str(parent).encode()]


def is_running(pid: int) -> bool:
    return state(pid)[0] != b"Z"


def begin(stack: contextlib.ExitStack, agent: Agent) -> Program:
    started = stack.enter_context(module_program(agent.door))
    assert [started.call(name) for name in ("initialize", "open", "info")] == [0, 0, 0]
    return started


def test_planned_restart_under_twelve_programs(agent: Agent) -> None:
    before = agent.process.pid, agent.port, agent.door.lstat().st_ino, (agent.folder / "token").read_text()
    with contextlib.ExitStack() as stack:
        programs = [begin(stack, agent) for _ in range(PROGRAMS)]
        keeper = agent.has_keeper()
        modern = stack.enter_context(P11Client(agent.door, 2))
        modern.initialize()
        request = frame(0x1234, "GetInfo")
        modern.raw(request[:9])  # in the middle of a header
        silent = stack.enter_context(socket.socket(socket.AF_UNIX))
        silent.settimeout(20)
        silent.connect(str(agent.door))
        for waiting in programs[:4]:
            waiting.begin("wait")
        done = agent.restart()
        assert (done.returncode, done.stderr) == (0, "")
        assert "still are" in done.stdout
        assert [waiting.finish() for waiting in programs[:4]] == [CKR_FUNCTION_CANCELED] * 4
        assert {one.call("info") for one in programs} == {CKR_SESSION_HANDLE_INVALID}
        assert {one.call("open") for one in programs} == {0}
        assert {one.call("info") for one in programs} == {0}
        modern.raw(request[9:])
        assert modern.receive().code == 0x1234
        assert modern.refusal("GetSlotInfo", 999) == 3  # spoken to as it was before
        silent.sendall(b"\x01")
        assert silent.recv(1) == b"\x01"
        assert agent.keepers() == [keeper]
    after = agent.process.pid, agent.port, agent.door.lstat().st_ino, (agent.folder / "token").read_text()
    assert after[:3] == before[:3]
    assert after[3] != before[3]
    wait_until(lambda: not is_running(keeper), "the keeper's end")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")
def test_attack_a_pin_in_the_middle_of_a_restart_is_nowhere_afterwards(agent: Agent) -> None:
    """Half of it before the restart, and half after; base64 is looked for as well, as whoever writes JSON might use."""
    code = random_code()
    body = write_request(BY_NAME["SetPIN"], (1, code.encode(), bytes(100)), modern=True)
    with P11Client(agent.door) as client:
        client.initialize()
        client.raw(pack(">III", 99, 0, len(body)) + body[:-1])
        assert agent.restart().returncode == 0
        client.raw(body[-1:])
        assert client.receive().code == 99
        assert client.refusal("GetInfo") == 0
        assert search_memory(agent.process.pid, [*needles(code), *in_base64(code)]) == []


def in_base64(code: str) -> list[bytes]:
    """What surely stands in the base64 of bytes with this code among them, wherever it begins."""
    whole = [base64.b64encode(bytes(before) + code.encode() + bytes(3)) for before in range(3)]
    return [text[(8 * before + 5) // 6 : 8 * (before + len(code)) // 6] for before, text in enumerate(whole)]


class Signer(threading.Thread):
    """Signs on and on with the authentication key; opens a session again when it is told that its own is gone."""

    def __init__(self, door: Path) -> None:
        super().__init__()
        self.client = P11Client(door, 2, timeout_s=60)
        self.enough = threading.Event()
        self.signed = 0
        self.refusals: list[int] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with self.client:
                self.client.initialize()
                self._sign_on()
        except Exception as error:  # noqa: BLE001 - told in the test's own thread
            self.failure = error

    def _sign_on(self) -> None:
        place = self._open()
        while not self.enough.is_set():
            try:
                assert len(self.client.sign(place[0], Mechanism(CKM_SHA256_RSA_PKCS), place[1], b"to be signed")) == 256
                self.signed += 1
            except RefusedError as refused:
                self.refusals.append(refused.rv)
                place = self._open()

    def _open(self) -> tuple[int, int]:
        slot = self.client.list_slots(present=True)[-1]
        session = self.client.open_session(slot)
        return session, self.client.find(session, Attribute(CKA_CLASS, CKO_PRIVATE_KEY))[0]


def test_planned_restart_while_twelve_sign(agent: Agent) -> None:
    signers = [Signer(agent.door) for _ in range(PROGRAMS)]
    for signer in signers:
        signer.start()
    wait_until(lambda: all(signer.signed for signer in signers), "signatures")
    assert agent.restart().returncode == 0
    before = [signer.signed for signer in signers]
    wait_until(
        lambda: all(one.failure or one.signed > count for one, count in zip(signers, before, strict=True)), "more"
    )
    for signer in signers:
        signer.enough.set()
    for signer in signers:
        signer.join(60)
    assert [signer.failure for signer in signers] == [None] * PROGRAMS
    told = {rv for signer in signers for rv in signer.refusals}
    assert told <= {CKR_SESSION_HANDLE_INVALID, CKR_FUNCTION_CANCELED, CKR_OPERATION_NOT_INITIALIZED}


def test_restart_again_and_again(agent: Agent) -> None:
    with module_program(agent.door) as one:
        assert one.call("initialize") == 0
        for _ in range(2):
            assert [one.call("open"), one.call("info")] == [0, 0]
            assert agent.restart().returncode == 0
            assert one.call("info") == CKR_SESSION_HANDLE_INVALID
        descriptors = len(os.listdir(f"/proc/{agent.process.pid}/fd"))  # noqa: PTH208
        assert agent.restart().returncode == 0
        assert abs(len(os.listdir(f"/proc/{agent.process.pid}/fd")) - descriptors) <= 2  # noqa: PTH208


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_end_of_the_agent_kills_no_program(agent: Agent, end: signal.Signals) -> None:
    with contextlib.ExitStack() as stack:
        idle, waiting = begin(stack, agent), begin(stack, agent)
        agent.has_keeper()
        waiting.begin("wait")
        agent.process.send_signal(end)
        agent.process.wait(20)
        assert waiting.finish() in (CKR_DEVICE_ERROR, CKR_FUNCTION_CANCELED)
        assert [idle.call("info"), idle.call("info"), waiting.call("info")] == [CKR_DEVICE_ERROR] * 3
        with running(agent.folder):
            assert [idle.call(name) for name in ("finalize", "initialize", "open", "info")] == [0, 0, 0, 0]


def test_next_run_that_cannot_start_kills_no_program(agent: Agent, tmp_path: Path) -> None:
    with module_program(agent.door) as one:
        assert [one.call("initialize"), one.call("open")] == [0, 0]
        keeper = agent.has_keeper()
        (agent.folder / "agent.db").unlink()
        (agent.folder / "agent.db").mkdir()
        done = agent.restart()
        assert done.returncode == 1
        assert "has ended instead" in done.stderr
        assert one.call("info") == CKR_DEVICE_ERROR
        assert one.call("finalize") == 0
        wait_until(lambda: not is_running(keeper), "the keeper's end")


def test_keeper_costs_little_and_only_while_a_program_is_there(agent: Agent) -> None:
    with module_program(agent.door) as short:
        assert [short.call("initialize"), short.call("finalize")] == [0, 0]
    assert not agent.keepers()
    with module_program(agent.door) as one:
        assert one.call("initialize") == 0
        keeper = agent.has_keeper()
        sizes = dict(line.split(":") for line in Path(f"/proc/{keeper}/smaps_rollup").read_text().splitlines()[1:])
        assert int(sizes["Private_Dirty"].split()[0]) + int(sizes["Private_Clean"].split()[0]) < 6000  # kB
    wait_until(lambda: not is_running(keeper), "the keeper's end")
    assert not agent.keepers()


def test_keeper_that_is_killed_is_replaced_for_the_next_program(agent: Agent) -> None:
    with contextlib.ExitStack() as stack:
        first = begin(stack, agent)
        keeper = agent.has_keeper()
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda: not agent.keepers(), "its end")
        assert first.call("info") == 0
        second = begin(stack, agent)
        assert agent.has_keeper() != keeper
        agent.process.kill()
        agent.process.wait(20)
        assert [first.call("info"), second.call("info")] == [CKR_DEVICE_ERROR] * 2


def test_restart_without_an_agent_and_without_a_door(tmp_path: Path, folder: Path) -> None:
    nobody = subprocess.run(command("restart", "--data-dir", str(tmp_path / "none")), capture_output=True, check=False)
    assert nobody.returncode == 3
    flags = ("--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    with program("serve", *flags, env={**ENGLISH, "CPS_AGENT_DOOR": "false"}) as process:
        wait_until(lambda: answers(folder), "the agent")
        done = Agent(process, folder).restart()
        assert done.returncode == 1
        assert "cannot be restarted" in done.stderr
        with Client.of(folder) as client:
            assert client.status()
