"""IMAP (RFC 3501) up to the login, on both sides of the bridge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agent.services.mssante.dialogue import Dialogue, ServerLine
from agent.services.mssante.doorstep import CancelledLoginError, Credentials, Doorstep, StrangerError, read_plain
from agent.services.mssante.errors import MailError, MailServerError, TokenRejectedError

CAPABILITIES: Final = "IMAP4rev1 SASL-IR AUTH=PLAIN"
_TAG: Final = re.compile(rb"[A-Za-z0-9.]{1,32}")
_LITERAL: Final = re.compile(rb"(.*)\{([0-9]{1,9})(\+?)\}\Z")
_ARGUMENT: Final = re.compile(rb' ("(?:[^"\\]|\\["\\])*"|[^ "(){%*\\]+)')
_OWN_TAG: Final = "A1"


@dataclass(frozen=True, slots=True)
class _Command:
    tag: str
    name: str
    arguments: tuple[bytes, ...]


class ImapDialogue(Dialogue):
    """With a mail program: LOGIN and AUTHENTICATE PLAIN, and what needs no login."""

    def __init__(self, door: Doorstep) -> None:
        super().__init__(door)
        self._tag = ""

    async def greet(self) -> None:
        """See Dialogue."""
        await self.door.say(f"* OK [CAPABILITY {CAPABILITIES}] cps-agent")

    async def hear_login(self) -> Credentials:
        """See Dialogue."""
        while True:
            command = await self._hear_command()
            self._tag = command.tag
            try:
                credentials = await self._obey(command)
            except CancelledLoginError:
                await self._answer("BAD", "no login")
                continue
            if credentials is not None:
                return credentials

    async def refuse(self, error: MailError) -> None:
        """See Dialogue."""
        await self._answer("NO", f"[{error.imap}] {error.line}")

    async def welcome(self, words: str) -> None:
        """See Dialogue."""
        await self._answer("OK", words if words.isascii() and words.isprintable() else "logged in")

    async def _obey(self, command: _Command) -> Credentials | None:
        match command.name, command.arguments:
            case "LOGIN", (user, password):
                return Credentials(_text(user), _text(password))
            case "AUTHENTICATE", (mechanism, *initial) if mechanism.upper() == b"PLAIN" and len(initial) < 2:
                return read_plain(initial[0] if initial else await self._ask())
            case "CAPABILITY", ():
                await self.door.say(f"* CAPABILITY {CAPABILITIES}")
                await self._answer("OK", "done")
            case "NOOP", ():
                await self._answer("OK", "done")
            case "LOGOUT", ():
                await self.door.say("* BYE")
                await self._answer("OK", "done")
                raise StrangerError
            case _:
                await self._answer("BAD", "log in first")
        return None

    async def _ask(self) -> bytes:
        await self.door.say("+ ")
        return await self.door.hear()

    async def _answer(self, kind: str, words: str) -> None:
        await self.door.say(f"{self._tag} {kind} {words}")

    async def _hear_command(self) -> _Command:
        """A line, and the literals in it (RFC 3501 §4.3). Raises StrangerError for what is none."""
        line = await self.door.hear()
        tag, _, rest = line.partition(b" ")
        name, _, _ = rest.partition(b" ")
        if not _TAG.fullmatch(tag):
            raise StrangerError
        arguments = await self._hear_arguments(rest[len(name) :])
        return _Command(tag.decode(), name.decode().upper(), arguments)

    async def _hear_arguments(self, text: bytes) -> tuple[bytes, ...]:
        arguments: list[bytes] = []
        while literal := _LITERAL.match(text):
            arguments += _read_arguments(literal[1].rstrip(b" "))
            if not literal[3]:  # RFC 7888: whoever writes {5+} does not wait
                await self.door.say("+ ")
            arguments.append(await self.door.hear_literal(int(literal[2])))
            text = await self.door.hear()
        return (*arguments, *_read_arguments(text))


def _read_arguments(text: bytes) -> list[bytes]:
    found = _ARGUMENT.findall(text)
    if b"".join(b" " + each for each in found) != text:
        return [b""] * 9  # no command takes so many: it is answered as any that is wrong
    return [_unquote(each) for each in found]


def _unquote(argument: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", argument[1:-1]) if argument.startswith(b'"') else argument


def _text(argument: bytes) -> str:
    return argument.decode("utf-8", "replace")


async def log_in(server: ServerLine, initial_response: str) -> str:
    """Authenticate to a mail server. Gives its words. Raises TokenRejectedError, MailServerError."""
    if not (await server.hear()).startswith("* OK"):
        raise MailServerError("it does not greet as IMAP servers do")
    await server.say(f"{_OWN_TAG} AUTHENTICATE XOAUTH2")
    sent = False
    while True:
        line = await server.hear()
        if line.startswith("+"):
            await server.say("" if sent else initial_response)  # a second question is the reason of a refusal
            sent = True
        elif line.startswith(f"{_OWN_TAG} "):
            return _take(line.removeprefix(f"{_OWN_TAG} "), sent=sent)


def _take(answer: str, *, sent: bool) -> str:
    kind, _, words = answer.partition(" ")
    if kind == "OK" and sent:
        return words
    if kind == "NO":
        raise TokenRejectedError
    raise MailServerError("it knows no XOAUTH2")
