"""Connections to mail servers: TLS from the first byte (RFC 8314), and a login by XOAUTH2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from agent.services.catalog import Mailbox
from agent.services.mssante import imap, smtp
from agent.services.mssante.dialogue import Dialogue, ServerLine
from agent.services.mssante.doorstep import Doorstep
from agent.services.mssante.errors import MailServerCertificateError, MailServerError

CONNECT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Protocol:
    """What is spoken on one port of the bridge, and to the server behind it on `port` unless the catalog says more."""

    name: str
    port: int
    address_of: Callable[[Mailbox], str]
    speak: Callable[[Doorstep], Dialogue]
    log_in: Callable[[ServerLine, str], Awaitable[str]]


IMAP: Final = Protocol("imap", 993, attrgetter("imap"), imap.ImapDialogue, imap.log_in)
SMTP: Final = Protocol("smtp", 465, attrgetter("smtp"), smtp.SmtpDialogue, smtp.log_in)


async def connect(address: str, protocol: Protocol, context: ssl.SSLContext) -> ServerLine:
    """Open a line. Raises MailServerError, MailServerCertificateError."""
    host, port = split_address(address, protocol.port)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise MailServerCertificateError(error.verify_message) from error
    except (OSError, TimeoutError) as error:  # OSError: what else TLS does not like, too
        raise MailServerError(str(error)) from error
    return ServerLine(reader, writer)


async def log_in(line: ServerLine, protocol: Protocol, initial_response: str) -> str:
    """Log in on a line. Gives the server's words. Raises TokenRejectedError, MailServerError."""
    try:
        async with asyncio.timeout(CONNECT_S):
            return await protocol.log_in(line, initial_response)
    except (OSError, TimeoutError) as error:
        raise MailServerError(str(error)) from error


def split_address(address: str, usual_port: int) -> tuple[str, int]:
    """Host, without brackets, and port of an address as the catalog has them."""
    host, port = address, str(usual_port)
    if not address.endswith("]") and ":" in address:
        host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
