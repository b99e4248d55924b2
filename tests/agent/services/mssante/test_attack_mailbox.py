"""Attacks on mailboxes: another professional's, another user's, a browser's, and whoever does not stop talking."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import os
import smtplib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from support.mail_desk import ALICE, BOB, MailDesk, MailServers, evil_server, mail_desk, mailboxes, speak, until
from support.waiting import wait_until
from test_bridge import REASONS, read_subjects, refusal

from agent.access.peer import Endpoint, Peer, PeerFinder, peer_finder
from agent.services.mssante import bridge as bridge_module
from agent.services.mssante.doorstep import Credentials
from agent.services.mssante.errors import PasswordRefusedError
from agent.services.mssante.pipe import Pipe


async def test_after_a_card_swap_every_old_session_is_dead(desk: MailDesk, servers: MailServers) -> None:
    """The leak of 2026: after the swap doctor A's open window went on showing, and to doctor B."""
    for name, box in desk.room.mailboxes.items():
        servers.imap.deliver(box.address, f"secret-of-{name}")
    desk.sessions.log_in(ALICE)
    old = [await asyncio.to_thread(desk.imap, "alice") for _ in range(2)]
    assert await asyncio.to_thread(read_subjects, old[0]) == ["secret-of-alice"]
    sending = await asyncio.to_thread(_open_smtp, desk, "alice")
    asked = len(servers.imap.asked)

    desk.sessions.log_in(BOB)

    for program in old:
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            await asyncio.to_thread(program.noop)
        program.file.close()
        program.sock.close()
    with sending, pytest.raises((OSError, smtplib.SMTPException)):
        await asyncio.to_thread(sending.sendmail, "alice@x.example", ["bob@x.example"], "Subject: late\n\n.")
    await until(lambda: desk.bridge.count("alice") == 0)
    assert REASONS["person"] in await refusal(desk, "alice")
    assert len(servers.imap.asked) == asked  # nothing of hers went to the server
    assert REASONS["password"] in await refusal(desk, "alice", desk.passwords["bob"])
    bobs = await asyncio.to_thread(desk.imap, "bob")
    assert await asyncio.to_thread(read_subjects, bobs) == ["secret-of-bob"]
    await asyncio.to_thread(bobs.logout)


def _open_smtp(desk: MailDesk, name: str) -> smtplib.SMTP:
    program = desk.smtp()
    program.login(desk.room.mailboxes[name].address, desk.passwords[name])
    return program


async def test_what_was_on_its_way_does_not_arrive(desk: MailDesk, servers: MailServers) -> None:
    """A whole folder is being fetched when the card goes: what the agent has read already is not handed out either."""
    session = desk.sessions.log_in(ALICE)
    program = await asyncio.to_thread(desk.imap, "alice")
    message = b"Subject: long\r\n\r\n" + b"x" * 78 + b"\r\n"
    await asyncio.to_thread(program.append, "INBOX", "", "", message * 100_000)
    await asyncio.to_thread(program.select)
    program.send(b"Z FETCH 1:* (BODY[])\r\n")
    (pipe,) = desk.bridge._open
    await asyncio.to_thread(_wait_for_backlog, pipe)

    session.end()

    received = await asyncio.to_thread(_drain, program.sock)
    assert received < 8_000_000
    program.shutdown()


def _wait_for_backlog(pipe: Pipe) -> None:
    writer = pipe._halves[0][1]
    wait_until(lambda: writer.transport.get_write_buffer_size() > 0, "the agent to have more than the program took")


def _drain(sock: socket.socket) -> int:
    total = 0
    with contextlib.suppress(OSError):
        while piece := sock.recv(65536):
            total += len(piece)
    return total


@pytest.mark.parametrize("moment", ["the token is taken", "the server is asked"])
async def test_a_session_that_ends_during_a_login(desk: MailDesk, servers: MailServers, moment: str) -> None:
    session = desk.sessions.log_in(ALICE)
    if moment == "the token is taken":
        session.on_token = session.end
    else:
        servers.imap.on_ask = session.end
    try:
        assert REASONS["login"] in await refusal(desk)
    finally:
        servers.imap.on_ask = None
    assert desk.bridge.count("alice") == 0


async def test_a_session_that_is_over_stays_over(desk: MailDesk) -> None:
    desk.sessions.log_in(ALICE).end()
    assert REASONS["login"] in await refusal(desk)


@pytest.mark.parametrize(
    "hello",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\na1 LOGIN alice secret\r\n",
        b"OPTIONS / HTTP/1.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"X-Unknown /?a=EHLO+x HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x01",
        b"\r\na1 LOGIN a b\r\n",
    ],
)
@pytest.mark.parametrize("port", ["imap", "smtp"])
async def test_a_browser_is_hung_up_on_at_its_first_line(desk: MailDesk, port: str, hello: bytes) -> None:
    answer = await asyncio.to_thread(speak, getattr(desk.ports, port), hello)
    assert answer.count(b"\r\n") == 1  # the greeting, which goes to everybody
    assert desk.notes == []


@pytest.mark.parametrize(
    "talk",
    [
        b"a1 LOGIN alice " + b"x" * 5000 + b"\r\n",
        b"a1 LOGIN {600}\r\n",
        b"a1 LOGIN {999999999+}\r\n",
        b"a" * 200_000,
        b"a1 NOOP\r\n" * 40,
        b"a1 LOGIN \xff\xfe x\r\n",
        b"a1 LOGIN {4}\r\nali",
        b"",
    ],
)
async def test_whoever_says_too_much_before_a_login_is_hung_up_on(desk: MailDesk, talk: bytes) -> None:
    answer = await asyncio.to_thread(speak, desk.ports.imap, talk)
    assert b"LOGIN" not in answer
    assert desk.notes == []


@pytest.mark.parametrize(
    "command",
    [
        b"a1 SELECT INBOX",
        b"a1 STARTTLS",
        b"a1 AUTHENTICATE XOAUTH2 dXNlcj0=",
        b"a1 AUTHENTICATE PLAIN bm90IHBsYWlu",
        b"a1 AUTHENTICATE PLAIN Ym9iAGFsaWNlAHNlY3JldA==",  # bob, as alice
        b"a1 LOGIN alice",
        b"a1 LOGIN a b c",
        b'a1 LOGIN "a b',
        b"a1",
    ],
)
async def test_nothing_but_a_login_before_the_login(desk: MailDesk, servers: MailServers, command: bytes) -> None:
    desk.sessions.log_in(ALICE)
    answer = await asyncio.to_thread(speak, desk.ports.imap, command + b"\r\n")
    assert answer.splitlines()[1:] == [b"a1 BAD " + answer.split(b"BAD ", 1)[1].strip()]
    assert desk.notes == []


async def test_smtp_sends_nothing_before_the_login(desk: MailDesk, servers: MailServers) -> None:
    desk.sessions.log_in(ALICE)
    talk = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nAUTH CRAM-MD5\r\nAUTH PLAIN *\r\nSTARTTLS\r\n"
    answer = await asyncio.to_thread(speak, desk.ports.smtp, talk)
    codes = [line[:3] for line in answer.splitlines()]
    assert codes == [b"220", b"250", b"250", b"530", b"530", b"530", b"501", b"501", b"530"]
    assert servers.smtp.sent == []


async def test_wrong_passwords_are_slow_and_few(servers: MailServers, tmp_path: Path) -> None:
    boxes = mailboxes(servers.imap.host, servers.smtp.host)
    async with mail_desk(tmp_path, boxes, servers.good, slow_s=0.05) as desk:
        started = asyncio.get_running_loop().time()
        talk = b"".join(b"a%d LOGIN alice guess\r\n" % number for number in range(9))
        answers = await asyncio.gather(*(asyncio.to_thread(speak, desk.ports.imap, talk) for _ in range(3)))
        assert [answer.count(b" NO ") for answer in answers] == [3, 3, 3]
        assert asyncio.get_running_loop().time() - started >= 9 * 0.05  # one after another, over all connections
        assert desk.notes == [(None, "mail-password-wrong")] * 9


async def test_a_password_belongs_to_an_address_and_a_holder(desk: MailDesk, tmp_path: Path) -> None:
    """Whoever changes the catalog does not give one's mailbox the password of another."""
    passwords, names = desk.room.passwords, ("alice", "bob")
    changed = {"alice": desk.room.mailboxes["bob"], "bob": desk.room.mailboxes["alice"]}
    assert passwords.find(names, desk.room.mailboxes, desk.passwords["alice"]) == "alice"
    assert passwords.find(names, changed, desk.passwords["alice"]) is None
    passwords.forget("alice")
    assert passwords.find(names, desk.room.mailboxes, desk.passwords["alice"]) is None
    assert passwords.find(names, desk.room.mailboxes, "") is None


async def test_passwords_are_kept_as_hashes_for_this_user_alone(desk: MailDesk, tmp_path: Path) -> None:
    file = tmp_path / "mailboxes.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(password in file.read_text() for password in desk.passwords.values())
    file.write_text("{")
    with pytest.raises(PasswordRefusedError):
        desk.room.find(Credentials("alice", desk.passwords["alice"]))


class OthersPeers(PeerFinder):
    """The system says that somebody else connects."""

    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:
        return Peer(uid=os.geteuid() + 1, inode=1)

    def find_program(self, peer: Peer) -> str | None:
        return None


async def test_another_user_hears_nothing(servers: MailServers, tmp_path: Path) -> None:
    boxes = mailboxes(servers.imap.host, servers.smtp.host)
    async with mail_desk(tmp_path, boxes, servers.good, peers=OthersPeers()) as desk:
        for port in (desk.ports.imap, desk.ports.smtp):
            assert await asyncio.to_thread(speak, port, b"") == b""


async def test_those_who_say_nothing_keep_nobody_out(desk: MailDesk) -> None:
    desk.sessions.log_in(ALICE)
    with contextlib.ExitStack() as stack:
        for _ in range(bridge_module.MAX_GUESTS + 4):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", desk.ports.imap), timeout=10))
            await asyncio.to_thread(silent.recv, 16)
        program = await asyncio.to_thread(desk.imap, "alice")
        await asyncio.to_thread(program.logout)
        assert len(desk.bridge._guests) <= bridge_module.MAX_GUESTS


class SlowPeers(PeerFinder):
    """The system takes its time to tell whose the others are."""

    def __init__(self) -> None:
        self.known = threading.Event()
        self._real = peer_finder()

    def find_peer(self, local: Endpoint, remote: Endpoint) -> Peer:
        self.known.wait(20)
        return self._real.find_peer(local, remote)

    def find_program(self, peer: Peer) -> str | None:
        return None


async def test_strangers_in_a_crowd_push_out_nobody_who_is_known(servers: MailServers, tmp_path: Path) -> None:
    boxes, peers = mailboxes(servers.imap.host, servers.smtp.host), SlowPeers()
    async with mail_desk(tmp_path, boxes, servers.good, servers.imap.authority, peers=peers) as desk:
        desk.sessions.log_in(ALICE)
        peers.known.set()
        program = await asyncio.to_thread(imaplib.IMAP4, "127.0.0.1", desk.ports.imap, 10)
        peers.known.clear()
        with contextlib.ExitStack() as stack:
            for _ in range(bridge_module.MAX_STRANGERS + 8):
                stranger = stack.enter_context(socket.socket())
                stranger.setblocking(False)
                await asyncio.get_running_loop().sock_connect(stranger, ("127.0.0.1", desk.ports.imap))
            await until(lambda: len(desk.bridge._strangers) >= bridge_module.MAX_STRANGERS)
            assert len(desk.bridge._strangers) == bridge_module.MAX_STRANGERS
            apart = stack.enter_context(ThreadPoolExecutor(1))  # the usual ones all wait for the system
            login = partial(program.login, boxes["alice"].address, desk.passwords["alice"])
            await asyncio.get_running_loop().run_in_executor(apart, login)
            peers.known.set()
        await asyncio.to_thread(program.logout)


async def test_a_server_that_floods_before_the_login(tmp_path: Path) -> None:
    with evil_server(tmp_path, b"* OK hi\r\n" + b"* BAD noise\r\n" * 200) as boxes:
        async with mail_desk(tmp_path, boxes, set(), tmp_path / "server.pem") as desk:
            desk.sessions.log_in(ALICE)
            assert "Le serveur de messagerie ne repond pas" in await refusal(desk)


@pytest.mark.parametrize("yes", [b"A1 OK too early\r\n", b"A1 BAD no\r\n", b"* BYE\r\n"])
async def test_a_server_whose_yes_answers_nothing(tmp_path: Path, yes: bytes) -> None:
    with evil_server(tmp_path, b"* OK hi\r\n" + yes) as boxes:
        async with mail_desk(tmp_path, boxes, set(), tmp_path / "server.pem") as desk:
            desk.sessions.log_in(ALICE)
            assert "[UNAVAILABLE]" in await refusal(desk)


async def test_no_secret_is_told_by_its_value(desk: MailDesk) -> None:
    session = desk.sessions.log_in(ALICE)
    token = await session.token()
    assert token.text not in repr(token)
    assert desk.passwords["alice"] not in repr(Credentials("alice", desk.passwords["alice"]))
