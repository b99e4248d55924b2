"""A browser's driver in Node.js as a program of its own: one JSON command and one JSON answer a line."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANSWER_S = 60.0


class DriverError(AssertionError):
    """The browser could not do what a test told it."""


@dataclass
class Driver:
    """A running driver."""

    process: subprocess.Popen[str]
    answers: queue.Queue[str] = field(default_factory=queue.Queue)

    def call(self, command: str, **given: Any) -> Any:
        """Run one command of the driver. Raises DriverError."""
        self.send(command, **given)
        return self.receive(command)

    def send(self, command: str, **given: Any) -> None:
        """Begin a command; the next `receive` gives its answer."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"command": command, **given}) + "\n")
        self.process.stdin.flush()

    def receive(self, command: str) -> Any:
        """Wait for the answer to what was sent. Raises DriverError."""
        answer = json.loads(self.answers.get(timeout=ANSWER_S) or '{"error": "the driver has ended"}')
        if "error" in answer:
            raise DriverError(f"{command}: {answer['error']}")
        return answer["result"]


@contextmanager
def run_driver(script: Path, *wrapper: str, environment: Mapping[str, str] | None = None) -> Iterator[Driver]:
    """Start a driver, behind a command that ends in running its arguments if one is given, and end it with its browser."""
    command: Sequence[str] = (*wrapper, "node", str(script))
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT, env=environment
    )
    driver = Driver(process)
    reader = threading.Thread(target=_read, args=(process, driver.answers), daemon=True)
    reader.start()
    try:
        yield driver
    finally:
        _end(process)
        reader.join(10)


def _read(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert process.stdout
    for line in process.stdout:
        answers.put(line)
    answers.put("")
    process.stdout.close()


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.terminate()  # the driver ends its browser with itself
        process.wait(20)
