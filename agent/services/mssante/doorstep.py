"""What a mail program may say before its login: few lines, none of them long, and nothing that a browser would send."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

MAX_LINE: Final = 4096
MAX_LINES: Final = 24
MAX_LITERAL: Final = 512
_HTTP: Final = re.compile(
    rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI)\s|.*\sHTTP/[0-9]", re.IGNORECASE
)
_PRINTABLE: Final = re.compile(rb"[\x20-\x7e]*\r?\n")


class StrangerError(Exception):
    """No mail program of this user's speaks: it is hung up on, without a word."""


class CancelledLoginError(Exception):
    """The mail program takes its login back, or sends what is none; it may try another."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person once typed into the mail program."""

    user: str
    password: str = field(repr=False)


class Doorstep:
    """The two halves of one connection, until the login is done. `reader` keeps whatever comes after it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._lines = 0
        self._first = b""

    async def say(self, line: str) -> None:
        """Send a line."""
        self.writer.write(line.encode("ascii") + b"\r\n")
        await self.writer.drain()

    async def hear(self) -> bytes:
        """The next line, without its end. Raises StrangerError, also when there is no more."""
        if not self._lines:
            await self._require_text()
        self._lines += 1
        try:
            line = self._first + await self.reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise StrangerError from error
        self._first = b""
        if self._lines > MAX_LINES or len(line) > MAX_LINE or not _PRINTABLE.fullmatch(line) or _HTTP.match(line):
            raise StrangerError
        return line.rstrip(b"\r\n")

    async def hear_literal(self, size: int) -> bytes:
        """So many bytes, whatever they are. Raises StrangerError."""
        if size > MAX_LITERAL:
            raise StrangerError
        try:
            return await self.reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise StrangerError from error

    async def _require_text(self) -> None:
        """A TLS client begins with a record that has no end of line: whoever waits for one waits in vain."""
        self._first = await self.reader.read(1)
        if not self._first or not 0x20 <= self._first[0] <= 0x7E:
            raise StrangerError


def read_plain(response: bytes) -> Credentials:
    """The message of SASL PLAIN (RFC 4616 §2), in base64. Raises CancelledLoginError."""
    acting_for, user, password = _split(decode_base64(response))
    if acting_for not in ("", user):
        raise CancelledLoginError
    return Credentials(user, password)


def decode_base64(response: bytes) -> str:
    """What was sent. Raises CancelledLoginError, also for the lone * that takes a login back (RFC 4954 §4)."""
    try:
        return base64.b64decode(response, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise CancelledLoginError from error


def _split(message: str) -> tuple[str, str, str]:
    parts = message.split("\0")
    if len(parts) != 3:
        raise CancelledLoginError
    return parts[0], parts[1], parts[2]
