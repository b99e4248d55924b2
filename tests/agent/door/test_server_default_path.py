"""The usual run of a user, found by programs that are told no address."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.door_program import CLIENT, module_program
from support.processes import answers, command
from support.waiting import wait_until

from agent.door.listening import is_alive

pytestmark = pytest.mark.skipif(CLIENT is None and not os.environ.get("CI"), reason="needs p11-kit-modules")


class Session:
    """A user's session: its runtime folder, and the agent's usual data folder."""

    def __init__(self, home: Path, made: Path) -> None:
        self.runtime, share = home / "run", home / "share"
        self.runtime.mkdir(mode=0o700)
        share.mkdir()
        self.folder = Path(shutil.copytree(made, share / "cps-agent"))
        self.env = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(share), "XDG_RUNTIME_DIR": str(self.runtime)}
        self.env.pop("P11_KIT_SERVER_ADDRESS", None)
        self.own, self.common = self.runtime / "cps-agent" / "p11-kit.sock", self.runtime / "p11-kit" / "pkcs11"

    @contextlib.contextmanager
    def agent(self, *flags: str) -> Iterator[subprocess.Popen[str]]:
        words = command("serve", "--virtual", "--unattended", "--port", "0", *flags)
        with subprocess.Popen(words, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            wait_until(lambda: run.poll() is not None or answers(self.folder), "the agent")
            try:
                yield run
            finally:
                run.kill()


@pytest.fixture
def session(tmp_path: Path, made_folder: Path) -> Session:
    return Session(tmp_path, made_folder)


def end(run: subprocess.Popen[str]) -> None:
    run.terminate()
    assert run.wait(20) == 0


def test_programs_find_the_agent_by_themselves(session: Session) -> None:
    with session.agent() as run, module_program(None, session.env) as one:
        assert [one.call("initialize"), one.call("open"), one.call("info")] == [0, 0, 0]
        end(run)
    assert not list(session.own.parent.iterdir())
    assert not list(session.common.parent.iterdir())


def test_server_that_has_the_common_address_keeps_it(session: Session) -> None:
    session.common.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(session.common))
        other.listen()
        with session.agent() as run, module_program(session.own, session.env) as one:
            assert [one.call("initialize"), one.call("open")] == [0, 0]
            end(run)
        assert is_alive(session.common)


def test_agent_after_one_that_was_killed_has_both_addresses(session: Session) -> None:
    with session.agent() as run:
        run.kill()
        run.wait(20)
    assert session.common.exists()
    with session.agent() as run, module_program(None, session.env) as one:
        assert [one.call("initialize"), one.call("open")] == [0, 0]
        end(run)


def test_run_with_a_folder_of_its_own_leaves_the_session_alone(session: Session, folder: Path) -> None:
    words = command("serve", "--virtual", "--unattended", "--port", "0", "--data-dir", str(folder))
    with subprocess.Popen(words, env=session.env, stdout=subprocess.DEVNULL) as run:
        wait_until((folder / "p11-kit.sock").exists, "the door")
        assert not list(session.runtime.iterdir())
        run.terminate()


@pytest.mark.parametrize("order", [(signal.SIGUSR1, signal.SIGTERM), (signal.SIGTERM, signal.SIGUSR1)])
def test_end_outweighs_a_restart(session: Session, order: tuple[signal.Signals, ...]) -> None:
    with session.agent() as run, module_program(None, session.env) as one:
        assert [one.call("initialize"), one.call("open")] == [0, 0]
        one.begin("wait")
        for number in order:
            run.send_signal(number)
        assert run.wait(20) == 0
        one.finish()
        assert one.call("finalize") == 0
