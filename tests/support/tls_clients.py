"""A line used as a program uses it: one small HTTP exchange over it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

from support.tls_servers import TlsServer

from agent.services.tls.context import make_context
from agent.services.tls.key import TlsKey
from agent.services.tls.line import Line, LineRequest, open_line
from agent.services.tls.transport import attach


@dataclass
class Listener(asyncio.Protocol):
    """Keeps what comes; `over` tells how it ended."""

    data: bytearray = field(default_factory=bytearray)
    over: asyncio.Future[Exception | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    can_write: asyncio.Event = field(default_factory=asyncio.Event)
    said_goodbye: bool = False
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.can_write.set()

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.came.set()

    def eof_received(self) -> None:
        self.said_goodbye = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set_result(exc)

    def pause_writing(self) -> None:
        self.can_write.clear()

    def resume_writing(self) -> None:
        self.can_write.set()


def to(server: TlsServer, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> LineRequest:
    return LineRequest("localhost", server.port, context, session, timeout_s=10)


async def connect(server: TlsServer, key: TlsKey | None) -> Line:
    """A line to a server whose authority is believed."""
    return await open_line(to(server, make_context(key, [server.authority.der])))


async def ask(line: Line, path: str = "/") -> str:
    """Get a page until the server hangs up. Raises what ended the line."""
    transport, listener = await attach(line, Listener)
    transport.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(10):
        failure = await listener.over
    if failure is not None and not listener.data:
        raise failure
    return listener.data.decode()
