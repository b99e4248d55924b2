"""What is kept of the door over a planned restart: its sockets, and where the conversation with each program stands."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.client import Json
from agent.door.identity import Identity

FileId = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One program's connection. `version`: what it offered, None before that; `unread`: came in, but was not begun.

    `initialized`: it has called C_Initialize, and is not to be told that it has to.
    """

    fd: int
    version: int | None
    unread: bytes
    initialized: bool
    identity: Identity

    def to_json(self) -> Json:
        """As the next run reads it."""
        return {
            "fd": self.fd,
            "version": self.version,
            "unread": base64.b64encode(self.unread).decode(),
            "initialized": self.initialized,
            "identity": [self.identity.pid, self.identity.started, self.identity.executable],
        }

    @classmethod
    def from_json(cls, value: Json, moved: Mapping[int, int]) -> Visit:
        """Read what `to_json` wrote; `moved`: descriptors of then and now."""
        unread, identity = base64.b64decode(value["unread"]), Identity(*value["identity"])
        return cls(moved[value["fd"]], value["version"], unread, value["initialized"], identity)


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
        return {listener.fd for listener in self.listeners} | {visit.fd for visit in self.visits} | keeper

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
        visits = [Visit.from_json(visit, moved) for visit in value.get("visits", ()) if visit["fd"] in moved]
        pid, line = value.get("keeper") or (0, -1)
        return cls(tuple(listeners), tuple(visits), (pid, moved[line]) if line in moved else None)
