"""A card that is pulled and put back while a program runs: the program goes on without being started anew."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.door import door_env, why_no_programs
from support.door_program import CLIENT
from support.pcscd import private_pcscd, why_unavailable
from support.processes import agent_program, virtual_card
from support.waiting import wait_until

from drivers.virtual.personalisation import DEFAULT

MISSING = why_no_programs() or why_unavailable()
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
SHELL = Path(__file__).with_name("python_shell.py")


@dataclass
class Program:
    """A program that does what it is told, one thing after the other."""

    process: subprocess.Popen[str]

    def __call__(self, what: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@dataclass
class Desk:
    """A reader, and a program that was there before the card."""

    program: Program
    card: ExitStack
    folder: Path
    port: int

    def insert(self) -> None:
        self.card.enter_context(virtual_card(self.folder, self.port))
        wait_until(lambda: self.program("tokens") == f"['{DEFAULT.serial}']", "the card")

    def pull(self) -> None:
        self.card.close()
        wait_until(lambda: self.program("tokens") == "[]", "the reader without its card")


@pytest.fixture
def desk(made_folder: Path, tmp_path: Path) -> Iterator[Desk]:
    folder = Path(shutil.copytree(made_folder, tmp_path / "data"))
    with ExitStack() as stack:
        pcscd = stack.enter_context(private_pcscd())
        stack.enter_context(agent_program(folder, "--unattended", env=pcscd.env))
        command = (sys.executable, str(SHELL), str(CLIENT))
        process = subprocess.Popen(
            command, env=door_env(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        yield Desk(Program(process), stack.enter_context(ExitStack()), folder, pcscd.vpcd_port)


def test_a_program_signs_again_with_a_card_that_is_back(desk: Desk) -> None:
    program = desk.program
    assert program("tokens") == "[]"
    for _ in range(2):
        desk.insert()
        assert [program("open"), program("sign")] == ["open", "256"]
        desk.pull()
        assert program("sign") == "DeviceRemoved"
        assert program("sign") == "SessionHandleInvalid"
    desk.insert()
    assert program("sign") == "SessionHandleInvalid"
    assert [program("open"), program("sign")] == ["open", "256"]
