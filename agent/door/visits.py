"""What is kept of the door over a planned restart: its sockets, and where the conversation with each program stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.door.identity import Identity


@dataclass(frozen=True, slots=True)
class Visit:
    """One program's connection. `version`: what it offered, None before that; `unread`: came in, but was not begun."""

    fd: int
    version: int | None
    unread: bytes
    identity: Identity


@dataclass(frozen=True, slots=True)
class DoorState:
    """A door that is to be opened again. `listeners`: descriptors with their paths; `keeper`: its process and line."""

    listeners: tuple[tuple[int, Path], ...]
    visits: tuple[Visit, ...]
    keeper: tuple[int, int] | None
