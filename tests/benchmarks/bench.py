"""What every figure needs: a folder, a made card, running programs, and how much to do."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.pcscd import PcscdHandle
from support.processes import answers, command
from support.waiting import wait_until

from agent.client import Client
from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard
from drivers.virtual.vpcd import serve

SITE, NONCE = "https://dmp.example", "A" * 43 + "="
BARE_SERVER = Path(__file__).with_name("bare_server.py")
NO_SERVICE = {**os.environ, "PCSCLITE_CSOCK_NAME": "/nonexistent/pcscd.comm"}
"""The environment of an agent that is to find no PC/SC service."""


@dataclass(frozen=True)
class Bench:
    """One run. `quick`: tiny counts, to see that the benchmarks work; their numbers say nothing."""

    folder: Path
    quick: bool = False

    def count(self, full: int) -> int:
        """How often to repeat."""
        return 2 if self.quick else full

    def wait_s(self, full: float) -> float:
        """How long to let things settle or run."""
        return 0.5 if self.quick else full

    def say(self, text: str) -> None:
        """Tell the person what goes on."""
        sys.stderr.write(f"  {text}\n")
        sys.stderr.flush()

    def data_folder(self, name: str) -> Path:
        """A data folder whose virtual card has been made, and which no agent has seen."""
        made = self.folder / "made"
        if not made.exists():
            open_card(made).close()
        return Path(shutil.copytree(made, self.folder / name))


@dataclass(frozen=True)
class RunningAgent:
    """A daemon as a process, and its client."""

    process: subprocess.Popen[bytes]
    client: Client
    folder: Path

    def states(self) -> list[str]:
        """What its readers say, those without a card apart."""
        return [reader["state"] for reader in self.client.status().get("readers", []) if reader["state"] != "empty"]

    def wait_for_card(self) -> None:
        """Until the card was read, and its tries looked at."""
        wait_until(lambda: self.states() == ["ready"] and self._knows_tries(), "the card", 60)

    def _knows_tries(self) -> bool:
        return all(reader["pin"] for reader in self.client.status()["readers"] if reader["state"] == "ready")


@contextlib.contextmanager
def running(arguments: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is ended with the block."""
    process = subprocess.Popen(
        arguments, env=env or os.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, by force if need be."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running_agent(data_dir: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[RunningAgent]:
    """A daemon of its own, unattended, that has answered once."""
    serve_it = command("serve", "--unattended", "--port", "0", "--data-dir", str(data_dir), *flags)
    with running(serve_it, env) as process:
        wait_until(lambda: process.poll() is not None or answers(data_dir), "the agent")
        with Client.of(data_dir) as client:
            yield RunningAgent(process, client, data_dir)


def bare_server(port: int, *flags: str) -> list[str]:
    """The command of the server that has nothing but aiohttp."""
    return [sys.executable, str(BARE_SERVER), "--port", str(port), *flags]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Inserter:
    """Put one card into a reader of vpcd, and pull it; every exchange is observed."""

    def __init__(self, data_dir: Path, pcscd: PcscdHandle, delay_ms: float = 0) -> None:
        self._chip = open_card(data_dir)
        self._port = pcscd.vpcd_port
        self._notes: list[tuple[float, str]] = []
        self.card = TracedCard(self._chip, self._note, delay_ms / 1000)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def insert(self) -> None:
        """From now on the card is in the reader."""
        self._stop.clear()
        arguments = (self.card, "127.0.0.1", self._port, self._stop)
        self._thread = threading.Thread(target=serve, args=arguments, name="card", daemon=True)
        self._thread.start()

    def pull(self) -> None:
        """The card is out when this returns."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Let go of the card's folder too."""
        self.pull()
        self._chip.close()

    def observe(self) -> Observation:
        """Count and time from now on."""
        self._notes.clear()
        return Observation(self, self.card.exchanges, self.card.bytes_to_card, self.card.bytes_from_card)

    def notes(self) -> list[tuple[float, str]]:
        """When the card was told and said what, since `observe`."""
        return list(self._notes)

    def _note(self, line: str) -> None:
        self._notes.append((time.perf_counter(), line))


@dataclass(frozen=True)
class Observation:
    """What a card was asked since the observation began."""

    inserter: Inserter
    exchanges_before: int
    to_card_before: int
    from_card_before: int

    @property
    def exchanges(self) -> int:
        return self.inserter.card.exchanges - self.exchanges_before

    @property
    def bytes(self) -> int:
        card = self.inserter.card
        return card.bytes_to_card - self.to_card_before + card.bytes_from_card - self.from_card_before

    @property
    def powered_at(self) -> float:
        """When the card got power: the first moment at which anybody could know of it."""
        return self.inserter.notes()[0][0]

    @property
    def card_s(self) -> float:
        """What the card itself took to answer."""
        notes = self.inserter.notes()
        asked = sum(at for at, line in notes if line.startswith(">"))
        return sum(at for at, line in notes if line.startswith("<")) - asked

    @property
    def gaps_s(self) -> float:
        """How long the card was left alone between transactions: pauses of more than 0.1 s between two exchanges."""
        notes = [(at, line[0]) for at, line in self.inserter.notes() if line[0] in "<>"]
        pauses = [after - at for (at, sign), (after, _) in itertools.pairwise(notes) if sign == "<"]
        return sum(pause for pause in pauses if pause > 0.1)


@contextlib.contextmanager
def inserter(data_dir: Path, pcscd: PcscdHandle, delay_ms: float = 0) -> Iterator[Inserter]:
    """The card of a data folder, not yet in the reader."""
    made = Inserter(data_dir, pcscd, delay_ms)
    try:
        yield made
    finally:
        made.close()


def median_ms(times_s: Sequence[float]) -> float:
    """The median, in milliseconds."""
    return statistics.median(times_s) * 1000
