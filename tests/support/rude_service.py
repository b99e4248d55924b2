"""A health service that means harm: TLS as it should be, and whatever bytes a test wants behind it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession
from support.agent import DeskPresence, Person, running_agent
from support.gateway import Gateway, services_file, tried_once, write_authority
from support.tls_servers import Authority, ServerTerms, TlsServer

from agent.certificates.test_root import TestRoot
from drivers.virtual.link import VirtualReaders

Say = Callable[["Visit"], Awaitable[object]]


@dataclass
class Visit:
    """One request on one connection: its head, and the way to answer. `number`: of the connection, from 1."""

    number: int
    head: bytes
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def path(self) -> str:
        return self.head.split(b" ")[1].decode()

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass
class RudeService:
    """`answers`: by the last word of a path. `heads`: what has come, with the number of its connection.

    `hangs_up`: whoever has shaken hands is left standing. `resumes` False: every line wants a signature.
    """

    answers: dict[str, bytes | Say] = field(default_factory=dict)
    heads: list[tuple[int, bytes]] = field(default_factory=list)
    lines: int = 0
    hangs_up: bool = False
    resumes: bool = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        if self.hangs_up:
            writer.transport.abort()
            return
        number = self.lines
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append((number, head))
                visit = Visit(number, head, reader, writer)
                answer = self.answers[visit.path.rpartition("/")[2].partition("?")[0]]
                if isinstance(answer, bytes):
                    await visit.say(answer)
                elif await answer(visit) is not None:
                    break
        writer.close()


def _context(folder: Path, clients_der: tuple[bytes, ...], authority: Authority) -> ssl.SSLContext:
    terms = ServerTerms(folder / "rude", clients_der, authority)
    terms.write()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(terms.folder / "server.pem", terms.folder / "server.key")
    context.load_verify_locations(terms.folder / "clients.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.asynccontextmanager
async def rude_gateway(
    folder: Path, readers: VirtualReaders, service: RudeService, more: str = 'assertion = "vihf"'
) -> AsyncIterator[Gateway]:
    """An agent whose service `essai` it is."""
    person, presence, authority = Person(), DeskPresence(), Authority()
    context = _context(folder, TestRoot(folder).authorities_der(), authority)
    if not service.resumes:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trusted = (write_authority(folder, authority),)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(server.close)
        await stack.enter_async_context(tried_once())
        file = stack.enter_context(services_file(folder, port, more))
        agent = await stack.enter_async_context(
            running_agent(folder, person, readers, presence, services=file, test_authorities=trusted)
        )
        client = await stack.enter_async_context(ClientSession(auto_decompress=False))
        yield Gateway(agent, TlsServer(port, folder / "rude", authority), person, presence, client)
