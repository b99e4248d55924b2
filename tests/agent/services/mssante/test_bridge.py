"""Mail programs read and send through the bridge: Python's own, Dovecot and aiosmtpd behind it."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import smtplib
import socket
from pathlib import Path

import msgspec
import pytest
from support.mail_desk import ALICE, BOB, MailDesk, MailServers, mail_desk, mailboxes

REASONS = {
    "login": "Votre session Pro Sante Connect est fermee.",
    "person": "Un autre professionnel est connecte : cette boite aux lettres ne s'ouvre que pour son titulaire.",
    "token": "Le serveur de messagerie refuse votre connexion Pro Sante Connect.",
    "certificate": "Le serveur de messagerie n'a pas prouve son identite (certificat).",
    "password": "Nom ou mot de passe de la boite aux lettres incorrect.",
}


def read_subjects(program: imaplib.IMAP4) -> list[str]:
    program.select()
    _, (found,) = program.search(None, "ALL")
    answers = [program.fetch(number, "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0] for number in found.split()]
    return [answer[1].decode().strip().removeprefix("Subject: ") for answer in answers]


async def refusal(desk: MailDesk, name: str = "alice", password: str | None = None) -> str:
    """What a mail program is told that is not let in."""
    with pytest.raises(imaplib.IMAP4.error) as caught:
        await asyncio.to_thread(desk.imap, name, password)
    return caught.value.args[0].decode()


async def test_a_mailbox_is_read(desk: MailDesk, servers: MailServers) -> None:
    servers.imap.deliver(desk.room.mailboxes["alice"].address, "compte-rendu")
    session = desk.sessions.log_in(ALICE)

    def read() -> list[str]:
        program = desk.imap("alice")
        subjects = read_subjects(program)
        program.logout()
        return subjects

    assert await asyncio.to_thread(read) == ["compte-rendu"]
    assert servers.imap.asked[-1:] == session.tokens
    assert desk.notes == [("alice", "ok")]


async def test_a_large_message_passes_both_ways(desk: MailDesk) -> None:
    desk.sessions.log_in(ALICE)
    message = b"Subject: image\r\n\r\n" + base64.encodebytes(bytes(range(256)) * 12_000).replace(b"\n", b"\r\n")

    def keep() -> bytes:
        program = desk.imap("alice")
        program.create("images")
        program.append("images", "", "", message)
        program.select("images")
        kept = program.fetch("1", "(BODY[])")[1][0][1]
        program.logout()
        return kept

    assert await asyncio.to_thread(keep) == message


def by_literals(program: imaplib.IMAP4, user: str, password: str) -> None:
    tag = program._command("LOGIN", f"{{{len(user)}}}")  # waits for the server to ask
    program.send(f"{user} {{{len(password)}}}\r\n".encode())
    assert program._get_response() is None
    program.send(f"{password}\r\n".encode())
    program._command_complete("LOGIN", tag)
    program.state = "AUTH"


def by_two_steps(program: imaplib.IMAP4, user: str, password: str) -> None:
    program.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())


def by_name_in_capitals(program: imaplib.IMAP4, user: str, password: str) -> None:
    program.login(user.upper(), password.replace("-", " "))


@pytest.mark.parametrize("way", [by_literals, by_two_steps, by_name_in_capitals])
async def test_every_way_to_log_in_by_imap(desk: MailDesk, way: object) -> None:
    desk.sessions.log_in(ALICE)
    assert callable(way)

    def log_in() -> list[bytes]:
        program = imaplib.IMAP4("127.0.0.1", desk.ports.imap, timeout=10)
        program.noop()
        way(program, desk.room.mailboxes["alice"].address, desk.passwords["alice"])
        program.capability()
        names = program.list()[1]
        program.logout()
        return names

    assert any(b"INBOX" in name for name in await asyncio.to_thread(log_in))


@pytest.mark.parametrize("way", ["auth_plain", "auth_login"])
@pytest.mark.parametrize("initial", [True, False])
async def test_every_way_to_log_in_by_smtp(desk: MailDesk, servers: MailServers, way: str, *, initial: bool) -> None:
    desk.sessions.log_in(ALICE)

    def send() -> None:
        with desk.smtp() as program:
            program.ehlo()
            program.user, program.password = desk.room.mailboxes["alice"].address, desk.passwords["alice"]
            mechanism = way.removeprefix("auth_").upper()
            program.auth(mechanism, getattr(program, way), initial_response_ok=initial)
            program.ehlo()
            assert program.has_extn("8bitmime")  # the server's own words from now on
            program.sendmail("alice@x.example", ["bob@x.example"], f"Subject: {way}\n\n.")

    await asyncio.to_thread(send)
    assert [subject for *_, subject in servers.smtp.sent] == [way]


async def test_who_has_no_session_is_told_to_log_in(desk: MailDesk, servers: MailServers) -> None:
    asked = len(servers.imap.asked)
    words = await refusal(desk)
    assert words.startswith("[UNAVAILABLE] ")
    assert REASONS["login"] in words
    assert "Log in with `cps-agent mail login`" in words
    assert len(servers.imap.asked) == asked
    assert desk.notes == [("alice", "mail-login-needed")]


async def test_a_token_that_the_server_does_not_take(desk: MailDesk, servers: MailServers) -> None:
    session = desk.sessions.log_in(ALICE)
    session.on_token = servers.good.clear  # expired, when it arrives

    words = await refusal(desk)
    assert words.startswith("[UNAVAILABLE] ")
    assert REASONS["token"] in words
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        await asyncio.to_thread(_log_in_by_smtp, desk)
    assert caught.value.smtp_code == 454
    assert REASONS["token"].encode() in caught.value.smtp_error


def _log_in_by_smtp(desk: MailDesk) -> None:
    with desk.smtp() as program:
        program.login(desk.room.mailboxes["alice"].address, desk.passwords["alice"])


async def test_each_connection_takes_a_token_of_its_own(desk: MailDesk, servers: MailServers) -> None:
    """They live two minutes: a connection lives on at the server, the next one needs another."""
    session = desk.sessions.log_in(ALICE)
    first = await asyncio.to_thread(desk.imap, "alice")
    servers.good.clear()
    second = await asyncio.to_thread(desk.imap, "alice")
    assert (await asyncio.to_thread(first.noop))[0] == "OK"
    assert len(session.tokens) == 2
    for program in (first, second):
        await asyncio.to_thread(program.logout)


async def test_a_server_with_another_certificate_gets_no_token(servers: MailServers, tmp_path: Path) -> None:
    boxes = mailboxes(servers.imap.host, servers.smtp.host)
    asked = len(servers.imap.asked)
    async with mail_desk(tmp_path, boxes, servers.good) as desk:
        desk.sessions.log_in(ALICE)
        words = await refusal(desk)
    assert REASONS["certificate"] in words
    assert len(servers.imap.asked) == asked
    assert desk.notes == [("alice", "mail-server-certificate")]


async def test_a_server_of_another_name_gets_no_token(servers: MailServers, tmp_path: Path) -> None:
    port = servers.imap.port
    boxes = mailboxes(f"[::ffff:7f00:1]:{port}", f"[::ffff:7f00:1]:{port}")
    async with mail_desk(tmp_path, boxes, servers.good, servers.imap.authority) as desk:
        desk.sessions.log_in(ALICE)
        assert REASONS["certificate"] in await refusal(desk)


async def test_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_in_a_moment:
        host = f"127.0.0.1:{closed_in_a_moment.getsockname()[1]}"
    boxes = mailboxes(host, host)
    async with mail_desk(tmp_path, boxes, set()) as desk:
        desk.sessions.log_in(ALICE)
        assert "Verifiez le reseau de ce poste" in await refusal(desk)


async def test_one_address_of_two_holders_opens_as_each(servers: MailServers, tmp_path: Path) -> None:
    """The mailbox of a structure: the password says who comes."""
    boxes = mailboxes(servers.imap.host, servers.smtp.host)
    shared = {name: msgspec.structs.replace(box, address="cabinet@x.example") for name, box in boxes.items()}
    async with mail_desk(tmp_path, shared, servers.good, servers.imap.authority) as desk:
        desk.sessions.log_in(BOB)
        assert REASONS["person"] in await refusal(desk, "alice")
        program = await asyncio.to_thread(desk.imap, "bob")
        await asyncio.to_thread(program.logout)


async def test_a_mail_program_that_speaks_keeps_its_session(servers: MailServers, tmp_path: Path) -> None:
    boxes = mailboxes(servers.imap.host, servers.smtp.host)
    async with mail_desk(tmp_path, boxes, servers.good, servers.imap.authority, keep_s=0.05) as desk:
        session = desk.sessions.log_in(ALICE)
        program = await asyncio.to_thread(desk.imap, "alice")
        used = asyncio.Event()
        session.on_token = used.set
        await asyncio.to_thread(program.noop)
        await asyncio.wait_for(used.wait(), 10)
        await asyncio.to_thread(program.logout)


async def test_one_that_is_silent_does_not(desk: MailDesk) -> None:
    desk.sessions.log_in(ALICE)
    program = await asyncio.to_thread(desk.imap, "alice")
    await asyncio.to_thread(program.noop)
    (pipe,) = desk.bridge._open
    assert (pipe.take_heard(), pipe.take_heard()) == (True, False)
    await asyncio.to_thread(program.logout)


async def curl(*words: str, given: bytes = b"") -> bytes:
    program = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--max-time", "20", *words, stdin=-1, stdout=-1, stderr=-1
    )
    out, err = await program.communicate(given)
    assert program.returncode == 0, err
    return out


async def test_a_foreign_program_reads_and_sends(desk: MailDesk, servers: MailServers) -> None:
    """curl knows both protocols, and nothing of Pro Santé Connect."""
    session = desk.sessions.log_in(BOB)
    box = desk.room.mailboxes["bob"]
    servers.imap.deliver(box.address, "curl")
    login = ("--user", f"{box.address}:{desk.passwords['bob']}")
    message = await curl(*login, f"imap://127.0.0.1:{desk.ports.imap}/INBOX;MAILINDEX=1")
    assert b"Subject: curl" in message
    sending = ("--mail-from", box.address, "--mail-rcpt", "c@other.example", "--upload-file", "-")
    await curl(*login, *sending, f"smtp://127.0.0.1:{desk.ports.smtp}", given=b"Subject: by curl\r\n\r\n.\r\n")
    assert servers.smtp.sent == [(box.address, session.tokens[-1], "by curl")]


async def test_both_families_of_the_loopback_are_served(desk: MailDesk) -> None:
    for host in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(host, desk.ports.imap)
        writer.close()
        await writer.wait_closed()
