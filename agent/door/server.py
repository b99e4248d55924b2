"""The door's listeners, and who has come through. What a program needs is loaded when the first one comes."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.access.errors import PeerRefusedError, StoreError
from agent.access.journal import Journal, JournalEntry
from agent.door.address import DoorPaths
from agent.door.listening import BACKLOG, AddressTakenError, Listener
from agent.door.orphans import Orphans
from agent.door.visits import DoorState, Visit

if TYPE_CHECKING:
    from agent.door.connection import Application, Connection
    from agent.door.cursor import WireError
    from agent.door.keeper import Keeper
    from agent.door.program import Program

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 64
MAX_KEPT: Final = 128 * 1024 * 1024
"""Bytes of messages, all programs together, beyond the first of each: a dozen may send their longest at once."""
NOTE_AGAIN_S: Final = 60.0
ANSWER_S: Final = 2.0
"""How long what was begun may take at the end: a transaction with a card; a question to a person is taken back."""
STAYS_S: Final = 0.25
"""A program that stays for longer has its socket kept for the end of the agent: a tool's listing costs no process."""
ACTION: Final = "door"
STRANGER: Final = "unknown program"
CROWDED: Final = "too-many-requests"


class DoorServer:
    """Serve every program of this user that connects to one of the sockets."""

    def __init__(
        self,
        open_application: Callable[[Program, bool], Application],
        journal: Journal,
        open_keeper: Callable[[], Keeper],
    ) -> None:
        self.open_application = open_application
        self._open_keeper = open_keeper
        self.unavailable: str | None = None
        self._journal = journal
        self._listeners: list[Listener] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._keeper: Keeper | None = None
        self._orphans = Orphans()
        self._crowd_noted = self._nonsense_noted = -NOTE_AGAIN_S
        self._notes: set[asyncio.Task[None]] = set()

    async def start(self, paths: DoorPaths, left: DoorState) -> None:
        """Listen, and go on with whom the run before this one has left.

        Raises AddressTakenError, StoreError, OSError when the agent's own address cannot be used; they are turned away.
        """
        listeners = [listener for one in left.listeners if (listener := Listener.inherit(one))]
        try:
            if paths.own not in [listener.path for listener in listeners]:
                listeners.append(Listener.claim(paths.own))
        except (AddressTakenError, StoreError, OSError):
            await self._turn_away(left, listeners)
            raise
        for listener in listeners:
            await self._listen(listener)
        if paths.common is not None and paths.common not in [listener.path for listener in listeners]:
            await self._listen_in_common(paths.common)
        await self._resume(left)
        await self._orphans.take(left.orphans)

    async def stay_closed(self, left: DoorState) -> None:
        """Turn away whom the run before this one has left: there is no door any more."""
        await self._turn_away(left, [listener for one in left.listeners if (listener := Listener.inherit(one))])

    async def stop(self) -> None:
        """Answer what was begun, and say goodbye."""
        self._stop_listening()
        for listener in self._listeners:
            listener.close()
        self._keep_all()
        await asyncio.gather(*(connection.farewell(ANSWER_S) for connection in list(self._connections)))
        await self._end()

    async def suspend(self) -> DoorState:
        """Answer what was begun, and leave the rest to the next run."""
        listeners = tuple(listener.leave() for listener in self._listeners)
        self._stop_listening()
        self._keep_all()
        keeper = self._keeper.state if self._keeper else None
        visits = await asyncio.gather(*(connection.suspend(ANSWER_S) for connection in list(self._connections)))
        await self._end()
        return DoorState(listeners, tuple(filter(None, visits)), keeper)

    def admit(self, connection: Connection) -> None:
        """See Door."""
        if len(self._connections) >= MAX_CONNECTIONS:
            raise TooManyError
        self._connections.add(connection)
        keeper = self._find_keeper()
        asyncio.get_running_loop().call_later(STAYS_S, self._keep, keeper, connection)

    def dismiss(self, connection: Connection) -> None:
        """See Door."""
        self._connections.discard(connection)
        if self._keeper is not None:
            self._keeper.forget(connection)

    def has_room(self) -> bool:
        """See Door."""
        return sum(connection.weight for connection in self._connections) <= MAX_KEPT

    def note_nonsense(self, who: str, error: WireError) -> None:
        """See Door: once in a minute, or a program that does nothing else would fill the log."""
        if time.monotonic() >= self._nonsense_noted + NOTE_AGAIN_S:
            self._nonsense_noted = time.monotonic()
            log.warning("the door: %s sends what is no request: %s", who, error)

    def note_refusal(self, error: PeerRefusedError) -> None:
        """See Door: a stranger is written down each time (the journal counts), a crowd once in a minute."""
        crowd = isinstance(error, TooManyError)
        if crowd and time.monotonic() < self._crowd_noted + NOTE_AGAIN_S:
            return
        if crowd:
            self._crowd_noted = time.monotonic()
        task = asyncio.get_running_loop().create_task(self._record(CROWDED if crowd else error.code))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _turn_away(self, left: DoorState, listeners: Iterable[Listener]) -> None:
        for listener in listeners:
            listener.close()
        await self._orphans.take([*(visit.fd for visit in left.visits), *left.orphans])

    async def _listen(self, listener: Listener) -> None:
        self._listeners.append(listener)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_unix_server(self._meet, sock=listener.socket, backlog=BACKLOG))

    async def _listen_in_common(self, path: Path) -> None:
        """Where every client looks; when somebody serves it already, the agent's own address has to be told."""
        try:
            await self._listen(Listener.claim(path))
        except (AddressTakenError, StoreError, OSError) as error:
            log.info("the door: programs that are not told the agent's address go elsewhere: %s", error)

    async def _resume(self, left: DoorState) -> None:
        if left.keeper is not None:
            self._find_keeper().adopt(*left.keeper)
        loop = asyncio.get_running_loop()
        for visit in left.visits:
            await loop.connect_accepted_socket(partial(self._meet, visit), socket.socket(fileno=visit.fd))

    def _meet(self, visit: Visit | None = None) -> asyncio.BaseProtocol:
        from agent.door.connection import Connection  # noqa: PLC0415 - many runs of the agent never meet a program

        connection = Connection(self, visit)
        if visit is not None and self._keeper is not None:
            self._keeper.note(connection)
        return connection

    def _find_keeper(self) -> Keeper:
        if self._keeper is None:
            self._keeper = self._open_keeper()
        return self._keeper

    def _keep(self, keeper: Keeper, connection: Connection) -> None:
        if connection in self._connections:
            keeper.keep(self._connections)

    def _keep_all(self) -> None:
        """At the end those too that have only just come."""
        if self._connections:
            self._find_keeper().keep(self._connections)

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _end(self) -> None:
        await asyncio.gather(*self._notes)
        self._orphans.release()
        if self._keeper is not None:
            self._keeper.detach()

    async def _record(self, outcome: str) -> None:
        try:
            await self._journal.record(JournalEntry(ACTION, STRANGER, outcome))
        except StoreError as error:
            log.warning("the door: a refusal could not be written down: %s", error)


class TooManyError(PeerRefusedError):
    """There are as many connections of this user as there can be."""
