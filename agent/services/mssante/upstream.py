"""Connections to mail servers: TLS from the first byte (RFC 8314), and a login by XOAUTH2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from agent.services.catalog import Mailbox
from agent.services.mssante import imap, smtp
from agent.services.mssante.dialogue import Dialogue, ServerLine
from agent.services.mssante.doorstep import Doorstep
from agent.services.mssante.errors import MailServerCertificateError, MailServerError
from agent.services.tls.errors import ServerCertificateError, TlsError
from agent.services.tls.line import Line, LineRequest
from agent.services.tls.transport import attach

if TYPE_CHECKING:
    from agent.services.tls.lines import Lines

CONNECT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is spoken on one port of the bridge, and to the server behind it on `port` unless the catalog says more.

    `alpn`: its name in TLS (RFC 7301), where it has one.
    """

    name: str
    port: int
    alpn: tuple[str, ...]
    address_of: Callable[[Mailbox], str]
    speak: Callable[[Doorstep], Dialogue]
    log_in: Callable[[ServerLine, str], Awaitable[str]]


IMAP: Final = Protocol("imap", 993, ("imap",), attrgetter("imap"), imap.ImapDialogue, imap.log_in)
SMTP: Final = Protocol("smtp", 465, (), attrgetter("smtp"), smtp.SmtpDialogue, smtp.log_in)


class Upstream:
    """The way to mail servers. All methods run in the event loop."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def connect(self, address: str, protocol: Protocol) -> ServerLine:
        """Open a line. Raises MailServerError, MailServerCertificateError."""
        host, port = split_address(address, protocol.port)
        try:
            line = await self._lines.open(LineRequest(host, port, await self._context(protocol), None, CONNECT_S))
        except ServerCertificateError as error:
            raise MailServerCertificateError(str(error)) from error
        except TlsError as error:
            raise MailServerError(str(error)) from error
        return await _attach(line)

    async def _context(self, protocol: Protocol) -> ssl.SSLContext:
        """Made once: to read the system's authorities takes a while."""
        if protocol.name not in self._contexts:
            context = await self._lines.make_context(None)
            context.set_alpn_protocols(protocol.alpn)
            self._contexts[protocol.name] = context
        return self._contexts[protocol.name]


async def _attach(line: Line) -> ServerLine:
    reader = asyncio.StreamReader()
    transport, protocol = await attach(line, lambda: asyncio.StreamReaderProtocol(reader))
    return ServerLine(reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop()))


async def log_in(line: ServerLine, protocol: Protocol, initial_response: str) -> str:
    """Log in on a line. Gives the server's words. Raises TokenRejectedError, MailServerError."""
    try:
        async with asyncio.timeout(CONNECT_S):
            return await protocol.log_in(line, initial_response)
    except (TlsError, OSError, TimeoutError) as error:
        raise MailServerError(str(error)) from error


def split_address(address: str, usual_port: int) -> tuple[str, int]:
    """Host, without brackets, and port of an address as the catalog has them."""
    host, port = address, str(usual_port)
    if not address.endswith("]") and ":" in address:
        host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
