"""What is kept of the door over a planned restart: its sockets, and where the conversation with each program stands."""

from __future__ import annotations

import base64
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
    def from_json(cls, value: Json) -> Visit:
        """Read what `to_json` wrote."""
        unread, identity = base64.b64decode(value["unread"]), Identity(*value["identity"])
        return cls(value["fd"], value["version"], unread, value["initialized"], identity)


@dataclass(frozen=True, slots=True)
class LeftListener:
    """A listening socket, its path, and the file that was there."""

    fd: int
    path: Path
    file: FileId | None


@dataclass(frozen=True, slots=True)
class DoorState:
    """A door that is to be opened again. `keeper`: its process and the line to it."""

    listeners: tuple[LeftListener, ...] = ()
    visits: tuple[Visit, ...] = ()
    keeper: tuple[int, int] | None = None

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
    def from_json(cls, value: Json) -> DoorState:
        """Read what `to_json` wrote; nothing written is nothing left."""
        listeners = (
            LeftListener(fd, Path(path), file and tuple(file)) for fd, path, file in value.get("listeners", ())
        )
        visits = tuple(Visit.from_json(visit) for visit in value.get("visits", ()))
        keeper = value.get("keeper")
        return cls(tuple(listeners), visits, (keeper[0], keeper[1]) if keeper else None)
