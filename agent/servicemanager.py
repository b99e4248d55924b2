"""What systemd keeps for the agent, over a crash and over a restart: sd_listen_fds(3), sd_notify(3) with FDSTORE.

Programs' sockets are stored while they are open. When the agent is ended, its listeners go there as well, with a file
in memory that says where each conversation stands; without that file the next run ends the conversations.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Final

from agent.succession import Succession, read_memory, write_memory

FIRST: Final = 3
DOOR: Final = "door"
"""The listener of cps-agent.socket, by its FileDescriptorName."""
PROGRAM, LEFT, STATE = "program", "left", "state"
BARRIER_S: Final = 2
_LISTEN: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class ServiceManager:
    """The systemd that runs this process as a service."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    @classmethod
    def find(cls, environment: Mapping[str, str]) -> ServiceManager | None:
        """None for a process that only runs somewhere below a service."""
        address = environment.get("NOTIFY_SOCKET", "")
        own = environment.get("SYSTEMD_EXEC_PID") == str(os.getpid())
        return cls(address) if own and address.startswith(("/", "@")) else None

    def store(self, name: str, descriptors: Iterable[int]) -> None:
        """Have these kept; what is kept already is recognised, what has hung up is forgotten. Raises OSError."""
        for descriptor in descriptors:
            self._notify(f"FDSTORE=1\nFDNAME={name}", [descriptor])

    def forget(self, *names: str) -> None:
        """Have these kept no longer. Raises OSError."""
        for name in names:
            self._notify(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def leave(self, succession: Succession) -> None:
        """Have everything kept for the next run. Raises OSError."""
        inodes = {number: _inode(number) for number in succession.moved}
        with os.fdopen(write_memory({"left": succession.to_json(), "inodes": inodes}), "rb") as state:
            self.store(PROGRAM, succession.programs)
            self.store(LEFT, succession.moved.keys() - succession.programs)
            self.store(STATE, [state.fileno()])
            self._wait()

    def _wait(self) -> None:
        """Until all was read: what is still unread when this process ends is nobody's."""
        ours, theirs = os.pipe()
        try:
            self._notify("BARRIER=1", [theirs])
        finally:
            os.close(theirs)
        select.select([ours], [], [], BARRIER_S)
        os.close(ours)

    def _notify(self, text: str, descriptors: Iterable[int] = ()) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(BARRIER_S)
            line.connect(self._address)
            socket.send_fds(line, [text.encode()], list(descriptors))


def recall(environment: MutableMapping[str, str], manager: ServiceManager | None) -> Succession | None:
    """What systemd hands to this run: the door's listener, and what the run before has left, or had in a crash."""
    received = _receive(environment)
    if not received:
        return None
    succession = _read_state([number for name, number in received if name == STATE], received)
    used = set(succession.moved.values())
    succession.listening = [number for name, number in received if name == DOOR and number not in used]
    succession.orphans = [number for name, number in received if name == PROGRAM and number not in used]
    for _, number in received:
        if number not in used | {*succession.listening, *succession.orphans}:
            os.close(number)
    if manager is not None:
        with contextlib.suppress(OSError):
            manager.forget(LEFT, STATE)
    return succession


def _receive(environment: MutableMapping[str, str]) -> list[tuple[str, int]]:
    """Names and descriptors that are meant for this process; none of its children is to see them."""
    pid, count, names = (environment.pop(name, "") for name in _LISTEN)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    numbers = range(FIRST, FIRST + int(count))
    for number in numbers:
        os.set_inheritable(number, False)
    return list(zip(names.split(":"), numbers, strict=False))


def _read_state(states: list[int], received: list[tuple[str, int]]) -> Succession:
    """What was left, by the descriptors of today; read once, since a crash may bring the same file again."""
    found = {_inode(number): number for name, number in received if name != STATE}
    for state in states:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            kept = json.loads(read_memory(os.dup(state)))
            os.truncate(state, 0)
            inodes = kept["inodes"].items()
            return Succession.from_json(kept["left"], {int(old): found[one] for old, one in inodes if one in found})
    return Succession()


def _inode(descriptor: int) -> int:
    return os.fstat(descriptor).st_ino
