"""A workstation with a real pcscd, the agent as a program, a card that can be slow, and another program."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.agent import NONCE
from support.pcscd import PcscdHandle
from support.processes import command, program
from support.waiting import wait_until

from agent.client import AgentProblemError, Client

SITE = "https://dmp.example"
SELECT_FIRST_CERTIFICATE, VERIFY_PIN, MSE = "> 00 A4 09 0C 06 3F 00 00 01 B0 01", "> 00 20 00 01 04", "> 00 22 41"

OTHER = """
import sys, time
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
result, card, _ = SCardConnect(context, sys.argv[1], SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0)
assert result == 0, hex(result)
after, turns = {"leave": SCARD_LEAVE_CARD, "reset": SCARD_RESET_CARD}[sys.argv[2]], int(sys.argv[3])
pause = float(sys.argv[4])
def begin():
    while (result := SCardBeginTransaction(card) & 0xFFFFFFFF) == 0x80100068:
        SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0, SCARD_LEAVE_CARD)
    assert result == 0, hex(result)
print("ready", flush=True)
while turns:
    time.sleep(pause)
    started = time.monotonic()
    begin()
    waited = time.monotonic() - started
    result, answer = SCardTransmit(card, SCARD_PCI_T0, [0, 0xA4, 9, 0x0C, 2, 0x3F, 0])
    assert result == 0, hex(result)
    SCardEndTransaction(card, after)
    turns -= 1
    print(f"{waited:.3f}", flush=True)
"""

PROBE = """
import sys
from smartcard.scard import *
_, context = SCardEstablishContext(SCARD_SCOPE_USER)
result, card, _ = SCardConnect(context, sys.argv[1], SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0)
assert result == 0, hex(result)
for text in ("00A4090C023F00", "0020000100", "0020000200"):
    _, answer = SCardTransmit(card, SCARD_PCI_T0, list(bytes.fromhex(text)))
    print(bytes(b & 255 for b in answer).hex())
"""


@dataclass
class Workstation:
    """pcscd, the agent's client, and the folder that both the agent and its test card live in."""

    pcscd: PcscdHandle
    client: Client
    folder: Path

    def states(self) -> list[str]:
        readers = self.client.status().get("readers", [])
        return [reader["state"] for reader in readers if reader["state"] != "empty"]

    def wait_for_card(self) -> None:
        wait_until(lambda: self.states() == ["ready"], "the card")

    def outcome(self) -> str:
        """What a login ends in."""
        try:
            self.client.authenticate(SITE, NONCE)
        except AgentProblemError as error:
            return error.code
        return "ok"

    def timed_outcome(self) -> tuple[str, float]:
        started = time.monotonic()
        return self.outcome(), time.monotonic() - started

    def wait_until_it_works(self, allowed: set[str]) -> None:
        """Ask until it does; in between only what is allowed is said."""

        def works() -> bool:
            outcome = self.outcome()
            assert outcome in {"ok", *allowed}
            return outcome == "ok"

        wait_until(works, "a login")

    def code_states(self) -> list[str]:
        """What another program that gives no code is told of the card."""
        run = subprocess.run(
            [command()[0], "-c", PROBE, self.pcscd.reader_names[0]],
            env=self.pcscd.env, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        return run.stdout.split()

    def require_closed(self) -> None:
        assert self.code_states() == ["9000", "63c3", "63c3"]

    @contextmanager
    def card(self, delay_ms: int = 0) -> Iterator[Trace]:
        """The test card in the reader until the block ends."""
        flags = ["--vpcd", f"127.0.0.1:{self.pcscd.vpcd_port}", "--data-dir", str(self.folder)]
        with program("virtual-card", *flags, "--delay", str(delay_ms), "--trace") as process:
            yield Trace(process)

    @contextmanager
    def other_program(self, after: str, turns: int, pause_s: float = 0.0) -> Iterator[subprocess.Popen[str]]:
        """A program that transacts again and again and ends each transaction so; it prints how long it waited."""
        with subprocess.Popen(
            [command()[0], "-c", OTHER, self.pcscd.reader_names[0], after, str(turns), str(pause_s)],
            env=self.pcscd.env, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            try:
                yield process
            finally:
                process.kill()


class Trace:
    """What is said to the card, as it is said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._seen = threading.Condition()
        self._lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, start: str, after: int = 0) -> None:
        """Wait until such a line was written; `after`: so many of them were there before."""
        with self._seen:
            assert self._seen.wait_for(lambda: self.count(start) > after, 15), f"no {start} in {self._lines}"

    def count(self, start: str) -> int:
        return sum(line.startswith(start) for line in self._lines)

    def _read(self) -> None:
        assert self.process.stdout
        try:
            for line in self.process.stdout:
                with self._seen:
                    self._lines.append(line)
                    self._seen.notify_all()
        except ValueError:  # closed: the card was pulled
            return


class Background:
    """Work in a thread, and what it gave."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._result: list[object] = []
        self._thread = threading.Thread(target=lambda: self._result.append(work()), daemon=True)
        self._thread.start()

    def get(self, timeout_s: float = 30.0) -> object:
        self._thread.join(timeout_s)
        assert self._result, "no end"
        return self._result[0]


CI = bool(os.environ.get("CI"))
