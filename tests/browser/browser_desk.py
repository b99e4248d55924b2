"""An agent in its own process with its own data folder, and the card in front of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.pcscd import private_pcscd
from support.waiting import wait_until

START_S = 60.0
END_S = 20.0


@dataclass
class Agent:
    """A running agent."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> dict[str, Any]:
        """Ask as a program of this user."""
        return json.loads(self._call("GET", path))

    def revoke_all(self) -> None:
        """Take every grant back, as the user's tray would."""
        for grant in self.grants():
            self._call("DELETE", f"/v1/grants/{grant['id']}")

    def _call(self, method: str, path: str) -> bytes:
        token = (self.folder / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def journal(self) -> list[dict[str, Any]]:
        """What the user can read of what happened, newest first."""
        return self.get("/v1/journal")["entries"]

    def tally(self) -> Counter[tuple[str, str, str]]:
        """How often each caller did what with which outcome; the agent's own notes are nobody's deeds."""
        told: Counter[tuple[str, str, str]] = Counter()
        for entry in self.journal():
            if entry["caller"] == "cps-agent":
                continue
            told[entry["caller"], entry["action"], entry["outcome"]] += entry["count"]
        return told

    def outcomes(self, caller: str) -> set[tuple[str, str]]:
        """Action and outcome of what this caller did."""
        return {(action, outcome) for who, action, outcome in self.tally() if who == caller}

    def grants(self) -> list[dict[str, Any]]:
        return self.get("/v1/grants")["grants"]

    def wait_for_card(self, *, present: bool = True) -> None:
        """Wait until the card can be used, or is gone."""
        wait_until(lambda: any(c["number"] for c in self._cards()) is present, "the card", START_S)

    def _cards(self) -> list[dict[str, Any]]:
        return [reader for reader in self._readers() if reader["state"] == "ready"]

    def _readers(self) -> list[dict[str, Any]]:
        readers = self.get("/v1/readers")["readers"]
        return [reader | {"number": reader["cardNumber"]} for reader in readers]


@dataclass
class CardSlot:
    """A virtual card that a test puts into a reader of a real pcscd and pulls out again."""

    folder: Path
    address: str
    process: subprocess.Popen[bytes] | None = None

    def insert(self) -> None:
        """Start the card's process."""
        self.process = _start("virtual-card", "--vpcd", self.address, "--data-dir", str(self.folder))

    def remove(self) -> None:
        """End the card's process."""
        process, self.process = self.process, None
        if process is not None:
            _stop(process)


@contextmanager
def run_agent(
    folder: Path, *flags: str, port: int = 0, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[Agent]:
    """Start an agent on a free port and wait until it listens."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb")) if log else subprocess.DEVNULL
        process = _start(
            "serve", "--port", str(port), "--data-dir", str(folder), *flags, environment=environment, output=output
        )
        stack.callback(_stop, process)
        yield Agent(process, folder, _read_port(process, folder / "port"))


@contextmanager
def run_agent_on_pcscd(folder: Path) -> Iterator[tuple[Agent, CardSlot]]:
    """An agent on a real smart card service with a virtual card in its reader."""
    with private_pcscd() as service, ExitStack() as stack:
        slot = CardSlot(folder, f"127.0.0.1:{service.vpcd_port}")
        slot.insert()
        stack.callback(slot.remove)
        agent = stack.enter_context(run_agent(folder, "--unattended", environment=service.env))
        agent.wait_for_card()
        yield agent, slot


def _read_port(process: subprocess.Popen[bytes], path: Path) -> int:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        if path.exists() and (text := path.read_text().strip()):
            return int(text)
        time.sleep(0.02)
    raise RuntimeError(f"the agent did not start (exit code {process.poll()})")


def _start(
    *arguments: str, environment: Mapping[str, str] | None = None, output: Any = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "agent", *arguments]
    return subprocess.Popen(
        command,
        env=dict(environment or os.environ),
        cwd=Path(__file__).parent,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
