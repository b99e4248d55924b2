"""A planned restart: the agent becomes its next run by execve(2); sockets stay open, and the port stays its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

if TYPE_CHECKING:
    from agent.client import Json

log = logging.getLogger(__name__)

VARIABLE: Final = "CPS_AGENT_SUCCEEDS"
"""Names a descriptor in the environment of the next run: a file in memory, since a program's bytes may be in it."""
STDERR: Final = 2
FORMAT: Final = 1
"""Raised when a run of before could be misread by one of after an upgrade; then the programs begin anew."""
THREADS_S: Final = 3.0
"""More than a transaction with a card takes: it is to end as it would have, and leave the card as found."""


@dataclass(slots=True)
class Succession:
    """What the next run gets. `http`: listening sockets; `door`: as agent.door.visits writes it, by descriptors.

    `moved`: descriptors as `http` and `door` name them, with their numbers of today; `programs`: those of programs.
    `listening`, `orphans`: of systemd, a listener for the door, and programs of a run that has crashed. `by_exec`: the
    agent itself becomes the next run.
    """

    http: list[int] = field(default_factory=list)
    door: Json = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    programs: set[int] = field(default_factory=set)
    listening: list[int] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)
    by_exec: bool = True

    def to_json(self) -> Json:
        """As the next run reads it."""
        return {"format": FORMAT, "http": self.http, "door": self.door}

    @classmethod
    def from_json(cls, value: Json, moved: Mapping[int, int]) -> Self:
        """Read what `to_json` wrote. Raises KeyError, TypeError, ValueError for what is of another format."""
        if value["format"] != FORMAT:
            raise ValueError(value["format"])
        http = [moved[number] for number in value["http"] if number in moved]
        return cls(http if len(http) == len(value["http"]) else [], value["door"], dict(moved))

    def add(self, descriptors: Iterable[int]) -> None:
        """Let these stay open."""
        self.moved.update((number, number) for number in descriptors)


def take_over(environment: MutableMapping[str, str]) -> Succession | None:
    """What the run before this one has left, once: no child of ours is to see the variable."""
    text = environment.pop(VARIABLE, None)
    if text is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        left = json.loads(read_memory(_descriptor(text)))
        for number in left["descriptors"]:
            os.set_inheritable(number, False)
        _bury_children()
        return Succession.from_json(left["left"], {number: number for number in left["descriptors"]})
    log.warning("what the agent has left for its next run cannot be read: programs that were connected begin anew")
    return None


def _bury_children() -> None:
    """Nobody else waits for those of the run before that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descriptor(text: str) -> int:
    number = int(text)
    if number <= STDERR:
        raise ValueError(text)
    return number


def hand_over(succession: Succession) -> NoReturn:
    """Become the next run. Everything else that is open ends, what C libraries have opened as well. Raises OSError."""
    _wait_for_cards()
    descriptors = sorted(succession.moved)
    left = write_memory({"left": succession.to_json(), "descriptors": descriptors})
    _leave_open({0, 1, 2, left, *descriptors})
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # a second request says what is done already
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, own_command(), {**os.environ, VARIABLE: str(left)})  # noqa: S606 - this program itself


def own_command() -> list[str]:
    """How to run this program again with the words, and Python's own flags, that it was started with."""
    if getattr(sys, "frozen", False):
        return [sys.executable, *sys.argv[1:]]
    return [sys.executable, *sys.orig_argv[1:]]


def write_memory(value: Any) -> int:
    """A file in memory with this JSON, to be read from its beginning."""
    descriptor = os.memfd_create("cps-agent")
    with os.fdopen(os.dup(descriptor), "w", encoding="ascii") as file:
        json.dump(value, file)
    return descriptor


def read_memory(descriptor: int) -> bytes:
    """The whole of such a file, which is closed."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read()


def _leave_open(descriptors: set[int]) -> None:
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, not paths
        try:
            os.set_inheritable(int(entry), int(entry) in descriptors)
        except OSError:  # that of the listing itself
            continue


def _wait_for_cards() -> None:
    """Threads end with execve wherever they are: one that talks to a card is to finish."""
    end = time.monotonic() + THREADS_S
    for thread in threading.enumerate():
        if thread.name.startswith("slot "):
            thread.join(max(0.0, end - time.monotonic()))
