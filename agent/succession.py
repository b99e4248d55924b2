"""A planned restart: the agent becomes its next run by execve(2); sockets stay open, and the port stays its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from agent.client import Json

VARIABLE: Final = "CPS_AGENT_SUCCEEDS"
"""Names a descriptor in the environment of the next run: a file in memory, since a program's bytes may be in it."""
THREADS_S: Final = 3.0
"""More than a transaction with a card takes: it is to end as it would have, and leave the card as found."""


@dataclass(slots=True)
class Succession:
    """What the next run gets. `http`: listening sockets; `door`: as agent.door.visits writes it, by descriptors."""

    http: list[int] = field(default_factory=list)
    door: Json = field(default_factory=dict)
    descriptors: set[int] = field(default_factory=set)


def take_over(environment: MutableMapping[str, str]) -> Succession | None:
    """What the run before this one has left, once: no child of ours is to see the variable."""
    text = environment.pop(VARIABLE, None)
    if text is None:
        return None
    with os.fdopen(int(text), "rb") as file:
        left = json.loads(file.read())
    for descriptor in left["descriptors"]:
        os.set_inheritable(descriptor, False)
    return Succession(left["http"], left["door"], set(left["descriptors"]))


def hand_over(succession: Succession) -> NoReturn:
    """Become the next run. Everything else that is open ends, what C libraries have opened as well. Raises OSError."""
    _wait_for_cards()
    descriptors = sorted({*succession.http, *succession.descriptors})
    left = write_memory({"http": succession.http, "door": succession.door, "descriptors": descriptors})
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
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


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
