"""A door in this process with the stand-in behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from support.door_stand_in import StandIn
from support.p11_client import P11Client

from agent.access.database import Database
from agent.access.journal import Journal
from agent.door.address import DoorPaths
from agent.door.childkeeper import ChildKeeper
from agent.door.server import DoorServer
from agent.door.visits import DoorState


@dataclass
class OpenDoor:
    server: DoorServer
    house: StandIn
    path: Path
    journal: Journal

    async def connect(self, version: int = 0) -> P11Client:
        return await asyncio.to_thread(P11Client, self.path, version)

    @property
    def asked(self) -> list[str]:
        """What the first program has called."""
        return self.house.opened[0].calls if self.house.opened else []

    async def journal_of(self) -> list[tuple[str, str, int]]:
        return [(one.entry.action, one.entry.outcome, one.count) for one in await self.journal.list()]


async def flood(line: socket.socket, heap: bytes) -> None:
    """Send without end; BlockingIOError once the other side does not take any more."""
    for _ in range(10_000):
        line.send(heap)
        await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def open_door(folder: Path) -> AsyncIterator[OpenDoor]:
    database = Database(folder / "agent.db")
    await database.open()
    journal, house, path = Journal(database), StandIn(), folder / "p11-kit.sock"
    server = DoorServer(house.open, journal, ChildKeeper)
    await server.start(DoorPaths(path), DoorState())
    try:
        yield OpenDoor(server, house, path, journal)
    finally:
        await server.stop()
        await database.close()
