"""The submission of mail (RFC 6409) up to the login, on both sides of the bridge."""

from __future__ import annotations

from typing import Final

from agent.services.mssante.dialogue import Dialogue, ServerLine
from agent.services.mssante.doorstep import (
    CancelledLoginError,
    Credentials,
    StrangerError,
    decode_base64,
    read_plain,
)
from agent.services.mssante.errors import MailError, MailServerError, TokenRejectedError

_USER, _PASSWORD = "VXNlcm5hbWU6", "UGFzc3dvcmQ6"  # what AUTH LOGIN asks with: "Username:", "Password:"
_READY: Final = "220"
_DONE: Final = "250"
_GO_ON: Final = "334"
_LOGGED_IN: Final = "235"


class SmtpDialogue(Dialogue):
    """With a mail program: AUTH PLAIN and LOGIN, and what needs no login.

    It is promised no extension besides: of those that the mail server has, it hears when it says EHLO again.
    """

    async def greet(self) -> None:
        """See Dialogue."""
        await self.door.say("220 localhost ESMTP cps-agent")

    async def hear_login(self) -> Credentials:
        """See Dialogue."""
        while True:
            verb, _, rest = (await self.door.hear()).partition(b" ")
            try:
                credentials = await self._obey(verb.decode().upper(), rest.strip())
            except CancelledLoginError:
                await self.door.say("501 5.5.2 no login")
                continue
            if credentials is not None:
                return credentials

    async def refuse(self, error: MailError) -> None:
        """See Dialogue."""
        await self.door.say(f"{error.smtp} {error.line}")

    async def welcome(self, words: str) -> None:  # noqa: ARG002 - whatever it says, the code is what counts
        """See Dialogue."""
        await self.door.say("235 2.7.0 logged in")

    async def _obey(self, verb: str, rest: bytes) -> Credentials | None:
        match verb:
            case "AUTH":
                return await self._authenticate(*rest.split())
            case "EHLO":
                await self.door.say("250-localhost")
                await self.door.say("250 AUTH PLAIN LOGIN")
            case "HELO" | "NOOP" | "RSET":
                await self.door.say("250 localhost")
            case "QUIT":
                await self.door.say("221 2.0.0 bye")
                raise StrangerError
            case _:
                await self.door.say("530 5.7.0 log in first")
        return None

    async def _authenticate(self, mechanism: bytes = b"", initial: bytes | None = None, *more: bytes) -> Credentials:
        match mechanism.upper():
            case b"PLAIN" if not more:
                return read_plain(initial if initial is not None else await self._ask(""))
            case b"LOGIN" if not more:
                user = decode_base64(initial if initial is not None else await self._ask(_USER))
                return Credentials(user, decode_base64(await self._ask(_PASSWORD)))
        raise CancelledLoginError

    async def _ask(self, question: str) -> bytes:
        await self.door.say(f"334 {question}")
        return await self.door.hear()


async def log_in(server: ServerLine, initial_response: str) -> str:
    """Authenticate to a mail server. Gives its words. Raises TokenRejectedError, MailServerError."""
    await _expect(server, _READY)
    await server.say("EHLO localhost")
    await _expect(server, _DONE)
    await server.say("AUTH XOAUTH2")
    await _expect(server, _GO_ON)
    await server.say(initial_response)
    code, words = await _hear_reply(server)
    if code == _GO_ON:  # the reason of a refusal, which an empty line brings about
        await server.say("")
        code, words = await _hear_reply(server)
    if code != _LOGGED_IN:
        raise TokenRejectedError
    return words


async def _expect(server: ServerLine, wanted: str) -> None:
    code, _ = await _hear_reply(server)
    if code != wanted:
        raise MailServerError(f"it says {code} where {wanted} was expected")


async def _hear_reply(server: ServerLine) -> tuple[str, str]:
    """The code and the last line of a reply (RFC 5321 §4.2.1)."""
    while True:
        line = await server.hear()
        if line[3:4] != "-":
            return line[:3], line[4:]
