"""One program's connection: the version byte, then frames; each request is answered when it is done, in any order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import traceback
from abc import abstractmethod
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from agent.access.errors import PeerRefusedError
from agent.door.calls import CALLS, HANDSHAKE
from agent.door.codec import Codec
from agent.door.cryptoki import CKR_FUNCTION_CANCELED, CKR_GENERAL_ERROR
from agent.door.cursor import WireError
from agent.door.frames import Frame, FrameReader, wipe, wipe_frames, write_frame
from agent.door.peers import LocalProgram
from agent.door.program import Program
from agent.door.values import CryptokiError, Request
from agent.door.visits import Visit, leave_unread, take_unread

log = logging.getLogger(__name__)

VERSION: Final = 2
"""The newest version of the protocol that is spoken: that of 0.25.6 and later."""
MAX_CALLS: Final = 64
MAX_PENDING: Final = 8 * 1024 * 1024
"""Bytes of the calls that are under way: what comes on is not read, so that a program cannot fill the agent."""
LIGHT: Final = 1024 * 1024
"""Bytes that any program may have kept here; with more it is asked whether there is room for all of them."""
HANDSHAKE_S: Final = 10.0
AT_ONCE: Final = 16 * 1024
"""Bytes that are received at a time: a call and its data, or a part of one that is long."""
ENDLESS: Final = "WaitForSlotEvent"
"""It waits for what a person may never do."""
INITIALIZE: Final = Request(CALLS[1], (HANDSHAKE, 0, None))
"""What a program has said that did so before a restart."""


class Application(Protocol):
    """What PKCS#11 calls an application: the sessions and objects of one connection. `initialized`: by C_Initialize."""

    initialized: bool

    @abstractmethod
    async def call(self, request: Request) -> tuple[object, ...]:
        """Give the values of the response's letters. Raises CryptokiError."""

    @abstractmethod
    def close(self) -> None:
        """Forget it: the program is gone."""


class Door(Protocol):
    """What a connection needs of the house behind it."""

    @abstractmethod
    def admit(self, connection: Connection) -> None:
        """Count it in. Raises PeerRefusedError when there are too many."""

    @abstractmethod
    def dismiss(self, connection: Connection) -> None:
        """Count it out."""

    @abstractmethod
    def has_room(self) -> bool:
        """Whether all connections together keep no more than they may."""

    @abstractmethod
    def note_nonsense(self, who: str, error: WireError) -> None:
        """Log that somebody does not speak the protocol."""

    @abstractmethod
    def note_refusal(self, error: PeerRefusedError) -> None:
        """Write down that somebody was turned away."""

    @abstractmethod
    def open_application(self, program: Program, modern: bool) -> Application:  # noqa: FBT001 - as Application takes it
        """Begin an application for this program."""


class Connection(asyncio.BufferedProtocol):
    """Serve one program until it leaves. `visit`: where the run before this one has left off."""

    def __init__(self, door: Door, visit: Visit | None = None) -> None:
        self.program: LocalProgram | None = None
        self.lost = asyncio.get_running_loop().create_future()
        self._door = door
        self._visit = visit
        self._version: int | None = None
        self._codec = Codec(modern=False)
        self._application: Application | None = None
        self._frames = FrameReader()
        self._received = bytearray(AT_ONCE)
        self._waiting: deque[Frame] = deque()
        self._calls: dict[asyncio.Task[object], int] = {}
        self._pending = 0
        self._timer: asyncio.TimerHandle | None = None
        self._watch: select.epoll | None = None
        self._suspended = self._reopening = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who it is; anybody but this user is gone before a byte is read."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        try:
            self.program = LocalProgram.of(self.socket, self._visit.identity if self._visit else None)
            self._door.admit(self)
        except PeerRefusedError as error:
            self._door.note_refusal(error)
            transport.abort()
        else:
            self._begin()

    @property
    def socket(self) -> socket.socket:
        """The connection itself, for what asyncio has no word for."""
        return self._transport.get_extra_info("socket")  # type: ignore[no-any-return]

    @property
    def weight(self) -> int:
        """Bytes of this program that are kept: messages under way, and one that is not whole yet."""
        return self._pending + self._frames.room

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's
        """Receive into what can be wiped: programs send PINs by habit."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Take what came, and leave nothing of it here."""
        try:
            with memoryview(self._received) as received:
                self._receive(received[:nbytes])
        finally:
            wipe(self._received)

    def _receive(self, data: bytes | memoryview) -> None:
        """Take the version byte, then frames; bytes that are none end the connection."""
        if self._version is None:
            self._shake_hands(data[0])
            data = data[1:]
        self._take(data)

    def eof_received(self) -> None:
        """Whoever cannot ask any more waits for nothing."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """A program that does not read its answers is asked nothing more by us either."""
        self._flowing.clear()
        self._mind_reading()

    def resume_writing(self) -> None:
        """Go on with what it asked meanwhile."""
        self._flowing.set()
        self._take()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Take back what it asked, and end the application. Duplicates of the socket end as well."""
        if not self._suspended:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
        self._stop_timer()
        self._stop_watching()
        self._forget_unread()
        for call in self._calls:
            call.cancel()
        self._close_application()
        self._door.dismiss(self)
        if self.program is not None:
            self.program.close()
        if not self.lost.done():
            self.lost.set_result(None)

    async def suspend(self, patience_s: float) -> Visit | None:
        """Answer what was begun, cancel what takes longer, and let go of the socket without closing it.

        None when the program does not take its answers, or is gone.
        """
        self._suspended = True
        self._mind_reading()
        await self._settle(patience_s)
        visit = self._describe()
        self._suspended = visit is not None
        self._transport.abort()
        await self.lost
        return visit

    async def farewell(self, patience_s: float) -> None:
        """Answer what was begun and end the conversation from our side: the program's next call reads an end."""
        visit = await self.suspend(patience_s)
        if visit is not None:
            part(visit)

    def _describe(self) -> Visit | None:
        """Where the conversation stands, with a duplicate of the socket."""
        if self._transport.is_closing() or self._transport.get_write_buffer_size() or self.program is None:
            return None
        parts = [*(write_frame(frame.code, frame.body) for frame in self._waiting), self._frames.pending]
        initialized = self._reopening or (self._application is not None and self._application.initialized)
        line = os.dup(self.socket.fileno())
        return Visit(line, self._version, leave_unread(parts), initialized, self.program.identity)

    def _begin(self) -> None:
        """Wait for the version byte, or go on where the run before this one has left off."""
        visit, self._visit = self._visit, None
        if visit is None or visit.version is None:
            self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._transport.abort)
            return
        self._speak(visit.version)
        if visit.initialized:
            self._reopening = True
            self._spawn("Initialize", self._reopen())
        unread = take_unread(visit.unread)
        self._take(unread)
        wipe(unread)

    async def _reopen(self) -> None:
        """Say for the program what it has said before; what it says now waits for that."""
        await self._perform(INITIALIZE)
        self._reopening = False
        self._take()

    def _shake_hands(self, offered: int) -> None:
        self._stop_timer()
        self._speak(offered)
        self._transport.write(bytes([min(offered, VERSION)]))

    def _speak(self, offered: int) -> None:
        self._version = offered
        self._codec = Codec(modern=offered >= VERSION)

    def _take(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Begin what is whole, as far as there is room."""
        try:
            self._begin_calls(data)
        except WireError as error:
            self._door.note_nonsense(self._who(), error)
            self._forget_unread()
            self._transport.abort()
        self._mind_reading()

    def _begin_calls(self, data: bytes | bytearray | memoryview) -> None:
        """Raises WireError."""
        self._waiting.extend(self._frames.feed(data))
        while self._waiting and self._has_room():
            self._begin_call(self._waiting.popleft())
        if self.weight > LIGHT and not self._door.has_room():
            raise WireError("too much at once, with what other programs send")

    def _forget_unread(self) -> None:
        """A PIN may be in what is never going to be read."""
        wipe_frames(self._waiting)
        self._waiting.clear()
        self._frames.forget()

    def _begin_call(self, frame: Frame) -> None:
        """Raises WireError."""
        size = len(frame.body)
        try:
            request = self._codec.read_request(frame.body)
        except CryptokiError as error:
            self._spawn("", self._refuse(frame.code, error.rv))
        else:
            self._spawn(request.call.name, self._answer(frame.code, request), size)

    def _spawn(self, name: str, work: Coroutine[Any, Any, object], size: int = 0) -> None:
        call = asyncio.get_running_loop().create_task(work, name=name)
        self._calls[call] = size
        self._pending += size
        call.add_done_callback(self._end_call)

    def _end_call(self, call: asyncio.Task[object]) -> None:
        self._pending -= self._calls.pop(call)
        if self._waiting or self._watch is not None:
            self._take()

    async def _answer(self, code: int, request: Request) -> None:
        self._write(code, await self._perform(request))

    async def _refuse(self, code: int, rv: int) -> None:
        """Like any call: whoever sends nothing else delays nobody."""
        self._write(code, self._codec.write_error(rv))

    async def _perform(self, request: Request) -> bytes:
        """The answer to a request, whatever happens to it; not made before the program takes those made already."""
        try:
            while not self._flowing.is_set():
                await self._flowing.wait()
            if self._application is None:
                assert self.program is not None
                self._application = self._door.open_application(self.program, (self._version or 0) >= VERSION)
            values = await self._application.call(request)
            return self._codec.write_response(request.call, values)
        except CryptokiError as error:
            return self._codec.write_error(error.rv)
        except asyncio.CancelledError:
            if not self._suspended:
                raise
            return self._codec.write_error(CKR_FUNCTION_CANCELED)
        except Exception as error:  # noqa: BLE001 - the edge: a defect of ours costs a program one call
            _log_defect(request, error)
            return self._codec.write_error(CKR_GENERAL_ERROR)

    def _write(self, code: int, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(write_frame(code, body))

    def _has_room(self) -> bool:
        busy = len(self._calls) >= MAX_CALLS or self._pending >= MAX_PENDING
        return self._flowing.is_set() and not (busy or self._suspended or self._reopening)

    def _mind_reading(self) -> None:
        """Read on only while what comes can be begun: the rest waits at the program's own cost."""
        if self._transport.is_closing():
            return
        if self._has_room():
            self._transport.resume_reading()
            self._stop_watching()
        else:
            self._transport.pause_reading()
            self._watch_for_end()

    def _watch_for_end(self) -> None:
        """Nobody who does not read sees the end of a connection, unless the kernel is asked for that alone."""
        if self._watch is None:
            self._watch = select.epoll()
            self._watch.register(self.socket.fileno(), select.EPOLLRDHUP)
            asyncio.get_running_loop().add_reader(self._watch.fileno(), self._transport.abort)

    def _stop_watching(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            asyncio.get_running_loop().remove_reader(watch.fileno())
            watch.close()

    async def _settle(self, patience_s: float) -> None:
        """Wait for what was begun; what takes longer is cancelled, and answered so."""
        for call in self._calls:
            if call.get_name() == ENDLESS:
                call.cancel()
        if self._calls:
            _, late = await asyncio.wait(self._calls, timeout=patience_s)
            for call in late:
                call.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _close_application(self) -> None:
        application, self._application = self._application, None
        if application is not None:
            application.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _who(self) -> str:
        """For the log: plain text, whatever bytes the path has."""
        return repr(self.program.name() if self.program else "")


def part(visit: Visit) -> None:
    """End the conversation with a program from our side, and let its socket go."""
    wipe(take_unread(visit.unread))
    with socket.socket(fileno=visit.fd) as line, contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_WR)


def _log_defect(request: Request, error: Exception) -> None:
    """Where it happened, but not the message, which may quote what a program has sent."""
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("the door: C_%s failed: %s\n%s", request.call.name, type(error).__name__, where)
