"""The program at the other end: by the kernel's newer way and by the older, over a restart, and when it hides."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.waiting import wait_until

from agent.access.errors import PeerRefusedError
from agent.door import peers
from agent.door.identity import NOBODY
from agent.door.peers import LocalProgram, hold_peer
from agent.door.program import THROUGH
from agent.people.prompt import Asker

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
PYTHON = os.path.realpath(sys.executable)
SLEEP = shutil.which("sleep") or "/bin/sleep"
CHILD = """
import os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
for word in sys.stdin:
    if word == "exec\\n":
        os.set_inheritable(line.fileno(), True)
        os.execv(sys.argv[2], [sys.argv[2], "60"])
"""


@pytest.fixture(params=["newer", "older"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Before 6.5 no kernel knows SO_PEERPIDFD; the number stands for one that none knows."""
    if request.param == "older":
        monkeypatch.setattr(peers, "SO_PEERPIDFD", 0x7FFF)
    return request.param


@contextlib.contextmanager
def connected(tmp_path) -> Iterator[tuple[socket.socket, subprocess.Popen[str]]]:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        command = [sys.executable, "-I", "-S", "-c", CHILD, path, SLEEP]
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as child:
            accepted, _ = listening.accept()
            with accepted:
                yield accepted, child
            child.kill()


def test_program_has_the_name_of_its_executable_until_it_ends(kernel, tmp_path):
    with connected(tmp_path) as (accepted, child):
        program = LocalProgram.of(accepted)
        assert (program.name(), program.pid) == (PYTHON, child.pid)
        assert program.asker() == Asker(PYTHON, THROUGH, owner=program.user)
        child.kill()
        child.wait(20)
        assert program.name() == ""
        program.close()
        program.close()
        assert program.name() == ""


def test_program_is_known_again_after_a_restart_and_nobody_else_is(kernel, tmp_path):
    with connected(tmp_path) as (accepted, child):
        identity = LocalProgram.of(accepted).identity
        assert LocalProgram.of(accepted, identity).name() == PYTHON
        assert LocalProgram.of(accepted, replace(identity, started=identity.started - 1)).name() == ""
        assert LocalProgram.of(accepted, replace(identity, executable="/usr/bin/other")).name() == ""
        assert LocalProgram.of(accepted, NOBODY).name() == ""
        child.stdin.write("exec\n")
        child.stdin.flush()
        wait_until(lambda: str(Path(f"/proc/{child.pid}/exe").readlink()) != PYTHON, "another program")
        assert LocalProgram.of(accepted, identity).name() == ""


def test_attack_process_that_had_ended_before_it_was_looked_at_has_no_name(kernel, tmp_path):
    with connected(tmp_path) as (accepted, child):
        child.kill()
        child.wait(20)
        assert LocalProgram.of(accepted).name() == ""


def test_attack_number_of_a_process_that_belongs_to_another_by_now(tmp_path, monkeypatch):
    with connected(tmp_path) as (_, child):
        ended = subprocess.Popen([SLEEP, "0"])
        pidfd = os.pidfd_open(ended.pid)
        ended.wait(20)
        assert peers._look(child.pid, pidfd) == NOBODY
        os.close(pidfd)


@only_root
def test_user_without_a_name_is_called_by_number(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 61234)
    assert peers._user_name(os.geteuid()) == "61234"


def test_root_is_another_user_too(tmp_path, monkeypatch):
    with connected(tmp_path) as (accepted, _):
        monkeypatch.setattr(os, "geteuid", lambda: 61234)
        with pytest.raises(PeerRefusedError):
            LocalProgram.of(accepted)
        with pytest.raises(PeerRefusedError):
            hold_peer(accepted)


def test_agent_that_listens_is_found_by_its_socket(kernel, tmp_path):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as line:
        listening.bind(path)
        listening.listen()
        line.connect(path)
        pidfd = hold_peer(line)
        fields = dict(field.split(":", 1) for field in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines())
        assert int(fields["Pid"]) == os.getpid()
        os.close(pidfd)
