"""The connections of mail programs: who may speak at all, what opens, and when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from agent.access.errors import PeerRefusedError, StoreError
from agent.access.journal import OK
from agent.access.peer import Endpoint, Peer, PeerFinder
from agent.services.mssante.dialogue import Dialogue
from agent.services.mssante.doorstep import Doorstep, StrangerError
from agent.services.mssante.errors import MailError, PasswordRefusedError, TooManyConnectionsError
from agent.services.mssante.mailroom import Mailroom, OpenMailbox
from agent.services.mssante.pipe import Pipe, hang_up
from agent.services.mssante.sessions import MailSession
from agent.services.mssante.upstream import Protocol

log = logging.getLogger(__name__)

LOGIN_S: Final = 60.0
TRIES: Final = 3
MAX_STRANGERS: Final = 64
"""Connections whose user is not known yet: another user of the workstation can connect as well."""
MAX_GUESTS: Final = 16
"""Those of this user that have not logged in."""
MAX_OPEN: Final = 64
SLOW_S: Final = 2.0
KEEP_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A login of a mail program. `name`: the mailbox's, None for a wrong password; `session`: where it was let in."""

    peer: Peer
    name: str | None
    outcome: str
    session: MailSession | None = None


Note = Callable[[Visit], Awaitable[None]]
"""Tell the journal."""


@dataclass(frozen=True, slots=True)
class BridgeNeeds:
    """What the bridge works with. `slow_s`: how long a wrong password waits for its answer.

    `keep_s`: how often a session is used on behalf of a mail program that was heard meanwhile.
    """

    room: Mailroom
    peers: PeerFinder
    note: Note
    slow_s: float = SLOW_S
    keep_s: float = KEEP_S


class Crowd:
    """Tasks that have not come far yet, so many at most: when one more comes, the oldest ends."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def admit(self, task: asyncio.Task[Any]) -> None:
        """One more."""
        while len(self._tasks) >= self._most:
            oldest = next(iter(self._tasks))
            self.dismiss(oldest)
            oldest.cancel()
        self._tasks[task] = None

    def dismiss(self, task: asyncio.Task[Any]) -> None:
        """It has come further, or ended."""
        self._tasks.pop(task, None)


class Bridge:
    """All connections of both ports. All methods run in the event loop."""

    def __init__(self, needs: BridgeNeeds) -> None:
        self._needs = needs
        self._strangers = Crowd(MAX_STRANGERS)
        self._guests = Crowd(MAX_GUESTS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[Pipe, str] = {}
        self._slowness = asyncio.Lock()

    def count(self, name: str) -> int:
        """How many connections to a mailbox there are."""
        return sum(opened == name for opened in self._open.values())

    def cut(self, name: str) -> None:
        """End every connection to one mailbox, now."""
        for pipe in [pipe for pipe, opened in self._open.items() if opened == name]:
            pipe.cut()

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def accept(self, protocol: Protocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A mail program has connected: see to it until its end."""
        task = asyncio.get_running_loop().create_task(self._serve(protocol, reader, writer))
        self._tasks.add(task)
        self._strangers.admit(task)
        task.add_done_callback(lambda _: self._end(task, writer))

    def _end(self, task: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
        for crowd in (self._strangers, self._guests):
            crowd.dismiss(task)
        self._tasks.discard(task)
        hang_up(writer)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection of a mail program failed", exc_info=error)

    async def _serve(self, protocol: Protocol, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(LOGIN_S):
                peer = await self._find_peer(writer)
                self._move(self._strangers, self._guests)
                dialogue = protocol.speak(Doorstep(reader, writer))
                await dialogue.greet()
                opened = await self._let_in(protocol, dialogue, peer)
            if opened is not None:
                await self._join(opened, dialogue)
        except (StrangerError, PeerRefusedError, TimeoutError, OSError, StoreError) as error:
            log.info("a connection to the %s port was dropped: %s", protocol.name, type(error).__name__)

    def _move(self, before: Crowd, after: Crowd | None = None) -> None:
        task = asyncio.current_task()
        assert task is not None
        before.dismiss(task)
        if after is not None:
            after.admit(task)

    async def _find_peer(self, writer: asyncio.StreamWriter) -> Peer:
        """Whose program it is. Raises PeerRefusedError unless it is this user's."""
        local = Endpoint.from_sockaddr(writer.get_extra_info("sockname"))
        remote = Endpoint.from_sockaddr(writer.get_extra_info("peername"))
        peer = await asyncio.to_thread(self._needs.peers.find_peer, local, remote)
        peer.require_same_user()
        return peer

    async def _let_in(self, protocol: Protocol, dialogue: Dialogue, peer: Peer) -> OpenMailbox | None:
        """Try what the program logs in with, a few times."""
        for _ in range(TRIES):
            credentials = await dialogue.hear_login()
            name: str | None = None
            try:
                name = self._needs.room.find(credentials)
                self._require_room()
                opened = await self._needs.room.open(name, protocol)
            except MailError as error:
                await self._refuse(dialogue, peer, name, error)
            else:
                return await self._record(opened, peer)
        return None

    async def _record(self, opened: OpenMailbox, peer: Peer) -> OpenMailbox:
        try:
            await self._needs.note(Visit(peer, opened.name, OK, opened.session))
        except BaseException:
            opened.line.abort()
            raise
        return opened

    async def _refuse(self, dialogue: Dialogue, peer: Peer, name: str | None, error: MailError) -> None:
        """One wrong password at a time is answered, whoever sends many."""
        log.info("a mailbox stays closed: %s %s", error.code, error)
        await self._needs.note(Visit(peer, name, error.code))
        if isinstance(error, PasswordRefusedError):
            async with self._slowness:
                await asyncio.sleep(self._needs.slow_s)
        await dialogue.refuse(error)

    def _require_room(self) -> None:
        if len(self._open) >= MAX_OPEN:
            raise TooManyConnectionsError

    async def _join(self, opened: OpenMailbox, dialogue: Dialogue) -> None:
        """Bytes both ways, until either side hangs up or the session ends."""
        self._move(self._guests)
        door, line = dialogue.door, opened.line
        pipe = Pipe((door.reader, door.writer), (line.reader, line.writer))
        self._open[pipe] = opened.name
        forget = opened.session.on_end(pipe.cut)
        keeping = asyncio.create_task(self._keep(opened.session, pipe))
        try:
            await dialogue.welcome(opened.words)
            await pipe.run()
        finally:
            keeping.cancel()
            forget()
            pipe.cut()
            del self._open[pipe]

    async def _keep(self, session: MailSession, pipe: Pipe) -> None:
        """A mail program that speaks uses the session, which ends when nobody has used it for half an hour."""
        while True:
            await asyncio.sleep(self._needs.keep_s)
            if pipe.take_heard():
                with suppress(MailError):
                    await session.token()
