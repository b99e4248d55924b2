"""Whatever a mail program or a mail server says before the login: a login, a refusal, or an end; never a crash."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.services.mssante import imap, smtp
from agent.services.mssante.dialogue import ServerLine
from agent.services.mssante.doorstep import MAX_LINES, Credentials, Doorstep, StrangerError
from agent.services.mssante.errors import MailError, PasswordRefusedError
from agent.services.mssante.upstream import IMAP, SMTP, Protocol

T = TypeVar("T")
Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[T]]

WORDS = [
    b"a1 ", b"LOGIN ", b"AUTHENTICATE ", b"PLAIN ", b'"', b"\\", b"{3}", b"{3+}", b"{99999999999}", b"(", b" ", b"\0",
    b"EHLO x", b"AUTH ", b"LOGIN", b"*", b"AGEAYg==", b"\r\n", b"\n", b"\r", b"abc", b"\xff", b"NOOP", b"LOGOUT",
    b"* OK ", b"A1 OK ", b"A1 NO ", b"A1 BAD ", b"+ ", b"220 ", b"220-", b"250 ", b"334 ", b"235 ", b"535 ", b"999",
]  # fmt: skip
talks = st.lists(st.sampled_from(WORDS) | st.binary(max_size=4), max_size=40).map(b"".join)


def over(talk: bytes, work: Streams[T]) -> tuple[T, bytes]:
    """Have one side hear `talk` and then no more. Gives what `work` gives, and everything that it said."""

    async def run() -> tuple[T, bytes]:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        try:
            there.sendall(talk)
            there.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(10):
                result = await work(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        said = bytearray()
        there.settimeout(5)
        with there:
            while piece := there.recv(65536):
                said += piece
        return result, bytes(said)

    return asyncio.run(run())


def hear_logins(protocol: Protocol, talk: bytes) -> tuple[list[Credentials], bytes]:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[Credentials]:
        dialogue, heard = protocol.speak(Doorstep(reader, writer)), []
        try:
            while True:
                heard.append(await dialogue.hear_login())
                await dialogue.refuse(PasswordRefusedError())
        except (StrangerError, OSError):
            return heard

    return over(talk, work)


@pytest.mark.parametrize("protocol", [IMAP, SMTP], ids=["imap", "smtp"])
@settings(max_examples=80, deadline=None)
@given(talk=talks)
@example(talk=b"a1 LOGIN {0}\r\n {0}\r\n\r\n")
@example(talk=b"a1 LOGIN" + b" {1+}\r\nx" * 30)
def test_a_mail_program_says_anything(protocol: Protocol, talk: bytes) -> None:
    heard, said = hear_logins(protocol, talk)
    assert len(heard) <= MAX_LINES
    assert said.isascii()
    assert not said.replace(b"\r\n", b"").count(b"\n")


@pytest.mark.parametrize("protocol", [IMAP, SMTP], ids=["imap", "smtp"])
@settings(max_examples=80, deadline=None)
@given(talk=talks)
@example(talk=b"* OK\r\n+ \r\nA1 OK \xff\r\n")
@example(talk=b"220 x\r\n250 x\r\n334 \r\n235 \xff\r\n")
def test_a_mail_server_says_anything(protocol: Protocol, talk: bytes) -> None:
    async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str | MailError | OSError:
        try:
            return await protocol.log_in(ServerLine(reader, writer), "dG9rZW4=")
        except (MailError, OSError) as error:
            return error

    result, said = over(talk, work)
    assert (b"dG9rZW4=" in said) or not isinstance(result, str)  # no yes without a token


NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)


@settings(max_examples=50, deadline=None)
@given(user=NAMES, password=NAMES)
def test_every_name_and_password_arrives_as_typed(user: str, password: str) -> None:
    plain = base64.b64encode(f"\0{user}\0{password}".encode())
    login = base64.b64encode(user.encode()), base64.b64encode(password.encode())
    literals = b"".join(b" {%d}\r\n%b" % (len(each.encode()), each.encode()) for each in (user, password))
    wanted = [Credentials(user, password)]
    assert hear_logins(IMAP, b"a AUTHENTICATE PLAIN " + plain + b"\r\n")[0] == wanted
    assert hear_logins(IMAP, b"a LOGIN" + literals + b"\r\n")[0] == wanted
    assert hear_logins(SMTP, b"AUTH PLAIN " + plain + b"\r\n")[0] == wanted
    assert hear_logins(SMTP, b"AUTH LOGIN " + login[0] + b"\r\n" + login[1] + b"\r\n")[0] == (wanted if user else [])


@pytest.mark.parametrize("text", ["secret", 'a"b', "a\\b", "with blank", "(x)", ""])
def test_quoted_strings_are_read_as_python_writes_them(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    heard, _ = hear_logins(IMAP, f"a LOGIN alice {quoted}\r\n".encode())
    assert heard == [Credentials("alice", text)]


def test_servers_are_not_believed_without_a_question() -> None:
    async def by_imap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(MailError):
            await imap.log_in(ServerLine(reader, writer), "dG9rZW4=")

    async def by_smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(MailError):
            await smtp.log_in(ServerLine(reader, writer), "dG9rZW4=")

    assert b"dG9rZW4=" not in over(b"* OK\r\nA1 OK\r\n", by_imap)[1]
    assert b"dG9rZW4=" not in over(b"220 x\r\n250 x\r\n235 x\r\n", by_smtp)[1]
