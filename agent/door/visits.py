"""What is kept of the door over a planned restart: its sockets, and where the conversation with each program stands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.door.identity import Identity

if TYPE_CHECKING:
    from agent.client import Json

FileId = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One program's connection. `version`: what it offered, None before that.

    `unread`: descriptor of a file in memory with what came in, but was not begun; None for nothing.
    `initialized`: it has called C_Initialize, and is not to be told that it has to.
    """

    fd: int
    version: int | None
    unread: int | None
    initialized: bool
    identity: Identity

    def to_json(self) -> Json:
        """As the next run reads it."""
        return {
            "fd": self.fd,
            "version": self.version,
            "unread": self.unread,
            "initialized": self.initialized,
            "identity": [self.identity.pid, self.identity.started, self.identity.executable],
        }

    @classmethod
    def from_json(cls, value: Json, moved: Mapping[int, int]) -> Visit:
        """Read what `to_json` wrote; `moved`: descriptors of then and now."""
        unread = None if value["unread"] is None else moved[value["unread"]]
        return cls(moved[value["fd"]], value["version"], unread, value["initialized"], Identity(*value["identity"]))


def leave_unread(parts: Sequence[bytes | bytearray]) -> int | None:
    """Keep bytes for the next run where they can be wiped: a PIN that a program sends by habit may be among them."""
    if not any(parts):
        return None
    descriptor = os.memfd_create("cps-agent")
    with os.fdopen(os.dup(descriptor), "wb", buffering=0) as file:
        for part in parts:
            file.write(part)
    return descriptor


def take_unread(descriptor: int | None) -> bytearray:
    """What was kept, once; it is the caller's to wipe."""
    if descriptor is None:
        return bytearray()
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        content = bytearray(os.fstat(descriptor).st_size)
        os.preadv(descriptor, [content], 0)
        os.truncate(file.fileno(), 0)
    return content


@dataclass(frozen=True, slots=True)
class LeftListener:
    """A listening socket, its path, and the file that was there."""

    fd: int
    path: Path
    file: FileId | None


@dataclass(frozen=True, slots=True)
class DoorState:
    """A door that is to be opened again. `keeper`: its process and the line to it; `orphans`: of a run that crashed."""

    listeners: tuple[LeftListener, ...] = ()
    visits: tuple[Visit, ...] = ()
    keeper: tuple[int, int] | None = None
    orphans: tuple[int, ...] = ()

    @property
    def descriptors(self) -> set[int]:
        """All that must stay open."""
        keeper = {self.keeper[1]} if self.keeper else set()
        unread = {visit.unread for visit in self.visits if visit.unread is not None}
        return {listener.fd for listener in self.listeners} | {visit.fd for visit in self.visits} | unread | keeper

    def to_json(self) -> Json:
        """As the next run reads it."""
        return {
            "listeners": [[one.fd, str(one.path), one.file] for one in self.listeners],
            "visits": [visit.to_json() for visit in self.visits],
            "keeper": self.keeper,
        }

    @classmethod
    def from_json(cls, value: Json, moved: Mapping[int, int]) -> DoorState:
        """Read what `to_json` wrote, as far as its descriptors are there; nothing written is nothing left."""
        listeners = [
            LeftListener(moved[fd], Path(path), None if file is None else (file[0], file[1]))
            for fd, path, file in value.get("listeners", ())
            if fd in moved
        ]
        visits = [Visit.from_json(visit, moved) for visit in value.get("visits", ()) if _is_there(visit, moved)]
        pid, line = value.get("keeper") or (0, -1)
        return cls(tuple(listeners), tuple(visits), (pid, moved[line]) if line in moved else None)


def _is_there(visit: Json, moved: Mapping[int, int]) -> bool:
    """Without what it had said already, a program would be misunderstood from here on."""
    return visit["fd"] in moved and (visit["unread"] is None or visit["unread"] in moved)
