"""How a protocol is spoken before the login: with the mail program, and with the mail server."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final

from agent.services.mssante.doorstep import Credentials, Doorstep
from agent.services.mssante.errors import MailError, MailServerError
from agent.services.mssante.pipe import hang_up

MAX_ANSWER: Final = 8192
MAX_ANSWERS: Final = 64


class Dialogue(ABC):
    """With one mail program. All of it raise StrangerError, and OSError when the line is gone."""

    def __init__(self, door: Doorstep) -> None:
        self.door = door

    @abstractmethod
    async def greet(self) -> None:
        """Speak first."""

    @abstractmethod
    async def hear_login(self) -> Credentials:
        """Answer whatever needs no login, until there is one."""

    @abstractmethod
    async def refuse(self, error: MailError) -> None:
        """Say why that login was none."""

    @abstractmethod
    async def welcome(self, words: str) -> None:
        """Say that it was one; `words` are the mail server's, after its own yes."""


class ServerLine:
    """What a mail server says before the login is done: lines that are bounded in length and number."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._answers = 0

    def abort(self) -> None:
        """End it, whatever is on its way."""
        hang_up(self.writer)

    async def say(self, line: str) -> None:
        """Send a line."""
        self.writer.write(line.encode("ascii") + b"\r\n")
        await self.writer.drain()

    async def hear(self) -> str:
        """The next line. Raises MailServerError."""
        self._answers += 1
        try:
            line = await self.reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise MailServerError("it hung up") from error
        if self._answers > MAX_ANSWERS or len(line) > MAX_ANSWER:
            raise MailServerError("it says too much")
        return line.decode("ascii", "replace").rstrip("\r\n")
