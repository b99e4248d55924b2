"""A PIN that a program sends to the door by habit is nowhere in the agent's memory afterwards."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from struct import pack

import pytest
from support.memory import needles, random_code, search_memory
from support.p11_client import P11Client
from support.p11_letters import BY_NAME, write_request

from agent.door.connection import MAX_CALLS

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of a process that forbids it")
TESTS = Path(__file__).parents[2]


@pytest.fixture(name="door", scope="module")
def _door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """A door's process, and its socket."""
    folder = tmp_path_factory.mktemp("door")
    env = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    command = (sys.executable, "-m", "support.door_child", str(folder))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.pid, process.stdout.readline().strip()
        finally:
            process.kill()


def initialized(path: str) -> P11Client:
    client = P11Client(path)
    client.initialize()
    return client


@pytest.mark.parametrize("count", [1, 20])
def test_attack_a_pin_of_login(door, count):
    pid, path = door
    code = random_code()
    with initialized(path) as client:
        for _ in range(count):
            client.refusal("Login", 1, 1, code.encode())
            client.refusal("SetPIN", 1, code.encode(), code.encode())
        assert search_memory(pid, needles(code)) == []
    assert search_memory(pid, needles(code)) == []


@pytest.mark.parametrize("change", [lambda body: body.replace(b"uay", b"uau"), lambda body: body + b"\0"])
def test_attack_a_pin_in_a_message_that_is_none(door, change):
    """With other letters the call is answered, with bytes after its end the connection ends: the PIN is gone either way."""
    pid, path = door
    code = random_code()
    body = write_request(BY_NAME["InitPIN"], (1, code.encode()), modern=True)
    with initialized(path) as client, contextlib.suppress(EOFError, ConnectionResetError):
        client.frame(change(body))
        client.receive()
    assert search_memory(pid, needles(code)) == []


def test_attack_a_pin_that_comes_in_parts(door):
    """What is held of a message grows, moves, and leaves nothing where it was."""
    pid, path = door
    code, size = random_code(), 100_000
    body = write_request(BY_NAME["SetPIN"], (1, code.encode(), bytes(size)), modern=True)
    with initialized(path) as client, initialized(path) as other:
        client.raw(pack(">III", 99, 0, len(body)))
        for start in range(0, len(body), size // 40):
            client.raw(body[start : start + size // 40])
            other.refusal("GetInfo")  # the door has had its turn meanwhile
        assert client.receive().code == 99
        assert search_memory(pid, needles(code)) == []


def test_attack_a_pin_in_a_message_that_is_never_whole(door):
    """The program goes away in the middle of it."""
    pid, path = door
    code = random_code()
    body = write_request(BY_NAME["SetPIN"], (1, code.encode(), bytes(100)), modern=True)
    with initialized(path) as client:
        client.raw(pack(">III", 99, 0, len(body)) + body[:-1])
    with initialized(path) as other:
        assert other.refusal("GetInfo") == 0
    assert search_memory(pid, needles(code)) == []


def test_attack_a_pin_in_a_message_that_waits_for_its_turn(door):
    pid, path = door
    code = random_code()
    body = write_request(BY_NAME["Login"], (1, 1, code.encode()), modern=True)
    with initialized(path) as client:
        for _ in range(MAX_CALLS):
            client.send("WaitForSlotEvent", 0)
        client.frame(body)
    with initialized(path) as other:
        assert other.refusal("GetInfo") == 0
    assert search_memory(pid, needles(code)) == []


def test_attack_a_pin_before_what_is_no_message(door):
    pid, path = door
    code = random_code()
    body = write_request(BY_NAME["Login"], (1, 1, code.encode()), modern=True)
    with initialized(path) as client:
        client.raw(pack(">III", 99, 0, len(body)) + body + b"\xff" * 12)
        with contextlib.suppress(EOFError, ConnectionResetError):
            client.receive()
    assert search_memory(pid, needles(code)) == []
