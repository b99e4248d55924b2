"""The door's listeners, and who has come through. What a program needs is loaded when the first one comes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Final

from agent.access.errors import PeerRefusedError, StoreError
from agent.access.journal import Journal, JournalEntry
from agent.door.address import DoorPaths
from agent.door.listening import BACKLOG, AddressTakenError, Listener

if TYPE_CHECKING:
    from agent.door.connection import Application, Connection
    from agent.door.program import Program

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 64
CROWD_NOTE_S: Final = 60.0
ANSWER_S: Final = 2.0
"""How long what was begun may take at the end: a transaction with a card; a question to a person is taken back."""
ACTION: Final = "door"
CROWDED: Final = "too-many-requests"


class DoorServer:
    """Serve every program of this user that connects to one of the sockets."""

    def __init__(self, open_application: Callable[[Program, bool], Application], journal: Journal) -> None:
        self.open_application = open_application
        self.listeners: list[Listener] = []
        self.unavailable: str | None = None
        self._journal = journal
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._crowd_noted = -CROWD_NOTE_S
        self._notes: set[asyncio.Task[None]] = set()

    async def start(self, paths: DoorPaths) -> None:
        """Listen. Raises AddressTakenError, StoreError, OSError when the agent's own address cannot be used."""
        await self.listen(Listener.claim(paths.own))
        if paths.common is not None:
            try:
                await self.listen(Listener.claim(paths.common))
            except (AddressTakenError, StoreError, OSError) as error:
                log.info("the door: programs that are not told the agent's address go elsewhere: %s", error)

    async def listen(self, listener: Listener) -> None:
        """Serve whoever comes by this listener."""
        self.listeners.append(listener)
        loop = asyncio.get_running_loop()
        self._servers.append(
            await loop.create_unix_server(self._meet, sock=listener.socket, backlog=BACKLOG),
        )

    async def stop(self) -> None:
        """Answer what was begun, and say goodbye."""
        self._stop_listening()
        for listener in self.listeners:
            listener.close()
        await _together(connection.farewell(ANSWER_S) for connection in list(self._connections))
        await _together(self._notes)

    def admit(self, connection: Connection) -> None:
        """See Door."""
        if len(self._connections) >= MAX_CONNECTIONS:
            raise TooManyError
        self._connections.add(connection)

    def dismiss(self, connection: Connection) -> None:
        """See Door."""
        self._connections.discard(connection)

    def note_refusal(self, error: PeerRefusedError) -> None:
        """See Door: a stranger is written down each time (the journal counts), a crowd once in a minute."""
        crowd = isinstance(error, TooManyError)
        if crowd and time.monotonic() < self._crowd_noted + CROWD_NOTE_S:
            return
        if crowd:
            self._crowd_noted = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._record(CROWDED if crowd else error.code))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    def _meet(self) -> asyncio.BaseProtocol:
        from agent.door.connection import Connection  # noqa: PLC0415 - most runs of the agent never meet a program

        return Connection(self)

    async def _record(self, outcome: str) -> None:
        try:
            await self._journal.record(JournalEntry(ACTION, "", outcome))
        except StoreError as error:
            log.warning("the door: a refusal could not be written down: %s", error)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()


class TooManyError(PeerRefusedError):
    """There are as many connections of this user as there can be."""


async def _together(work: Iterable[Coroutine[Any, Any, None] | asyncio.Task[None]]) -> None:
    await asyncio.gather(*work)
