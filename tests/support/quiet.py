"""Foreign programs with a terminal of their own, on which nothing may ask for anything."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 60.0
WITH_INPUT = 'exec "$@" < "$0"'


@dataclass(frozen=True, slots=True)
class Done:
    """What a program left: its exit code, and both its outputs."""

    code: int
    out: bytes
    err: str

    @property
    def all(self) -> str:
        return self.out.decode(errors="replace") + self.err


@dataclass(frozen=True, slots=True)
class Quiet:
    """Where programs run, and what they see. `run` and `ask` raise AssertionError when they show anything to anybody."""

    env: Mapping[str, str]
    folder: Path

    def run(self, *command: str, content: bytes | None = None, env: Mapping[str, str] | None = None) -> str:
        """The outputs of a program that must end well."""
        done = self.ask(*command, content=content, env=env)
        assert done.code == 0, f"{command}: {done.all}"
        return done.all

    def ask(self, *command: str, content: bytes | None = None, env: Mapping[str, str] | None = None) -> Done:
        """Run a program to its end.

        `content`: its standard input; without it that is the terminal: who reads there never ends by itself.
        """
        with _terminal() as (master, slave), tempfile.TemporaryDirectory() as folder:
            given = Path(folder, "input")
            given.write_bytes(content or b"")
            wrapped = command if content is None else ("sh", "-c", WITH_INPUT, str(given), *command)
            with Path(folder, "out").open("w+b") as out, Path(folder, "err").open("w+b") as err:
                process = subprocess.Popen(
                    ("setsid", "--ctty", *wrapped), cwd=self.folder, env={**self.env, **(env or {})},
                    stdin=slave, stdout=out, stderr=err,
                )  # fmt: skip
                _wait(process, master, command)
            return Done(process.returncode, Path(folder, "out").read_bytes(), Path(folder, "err").read_text("latin-1"))


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    try:
        yield master, slave
    finally:
        os.close(master)
        os.close(slave)


def _wait(process: subprocess.Popen[bytes], master: int, command: tuple[str, ...]) -> None:
    """Codes are asked for on the terminal: whatever is written there ends the program, and the test."""
    end = os.pidfd_open(process.pid)
    try:
        until = time.monotonic() + DEADLINE_S
        ready, _, _ = select.select((master, end), (), (), DEADLINE_S)
        assert master not in ready, f"{command} asks on its terminal: {os.read(master, 4096)!r}"
        assert ready, f"{command} has not ended after {DEADLINE_S} s"
        process.wait(max(0.0, until - time.monotonic()))
    finally:
        os.close(end)
        process.kill()
        process.wait()
