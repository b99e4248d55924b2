"""Mailboxes through the whole agent: a real OpenID provider's tokens, Dovecot, and mail programs of Python's."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import imaplib
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.agent import Answer, DeskPresence, Person, RunningAgent, running_agent
from support.mail_desk import MailServers, mail_servers
from support.oidc_provider import DOCTOR, NURSE, Provider, oidc_provider
from support.psc_desk import PROGRAM, PscDesk, psc_desk, psc_workstation
from support.secret_service import why_no_secret_service
from support.waiting import wait_until

from agent.commands.parser import make_parser
from agent.people.presence import AwayReason
from agent.people.prompt import Deed, DeedRequest, PromptRefusedError
from drivers.virtual.link import VirtualReaders

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))

MAILBOX = """
[mailboxes.{name}]
address = "{name}@medecin.mssante.example"
holder = "{holder}"
client = "logiciel"
imap = "{imap}"
smtp = "{smtp}"
"""
HOLDERS = {"camille": DOCTOR, "dominique": NURSE}
BRIDGE = "/v1/mssante/bridge"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    with psc_workstation(folder), oidc_provider(folder) as running:
        yield running


@pytest.fixture(scope="module")
def servers(provider: Provider) -> Iterator[MailServers]:
    """They ask the provider itself whether a token is good."""
    with mail_servers(lambda token: provider.introspect(token)["active"] is True) as running:
        for name in HOLDERS:
            running.imap.deliver(address(name), f"pour-{name}")
        yield running


@dataclass
class MailWorkstation:
    """An agent with both mailboxes."""

    psc: PscDesk
    presence: DeskPresence
    person: Person

    @property
    def agent(self) -> RunningAgent:
        return self.psc.agent

    async def bearer(self, name: str) -> Answer:
        return await self.agent.program("POST", f"/v1/mssante/{name}/bearer", {})

    async def mailbox(self, name: str) -> dict[str, Any]:
        return dict((await self.agent.program("GET", "/v1/mssante")).body["mailboxes"][name])

    async def open_bridge(self) -> dict[str, str]:
        """Let mail programs in; gives the passwords."""
        self.ports = (await self.agent.program("POST", BRIDGE, {})).body
        return {name: await self.password(name) for name in HOLDERS}

    async def password(self, name: str) -> str:
        answer = await self.agent.program("POST", f"/v1/mssante/{name}/password", {})
        assert answer.body["user"] == address(name)
        return str(answer.body["bridgePassword"])

    async def imap(self, name: str, password: str) -> imaplib.IMAP4:
        return await asyncio.to_thread(self._log_in, name, password)

    def _log_in(self, name: str, password: str) -> imaplib.IMAP4:
        program = imaplib.IMAP4("127.0.0.1", self.ports["imapPort"], timeout=20)
        try:
            program.login(address(name), password)
        except BaseException:
            program.shutdown()
            raise
        return program


@pytest.fixture
async def workstation(
    request: pytest.FixtureRequest, folder: Path, provider: Provider, servers: MailServers, readers: VirtualReaders
) -> AsyncIterator[MailWorkstation]:
    authorities = folder / "authorities.pem"
    known = (provider.authority, servers.imap.authority, servers.smtp.authority)
    authorities.write_text("".join(each.read_text() for each in known))
    there, presence = replace(provider, authority=authorities), DeskPresence()
    hosts = {"imap": servers.imap.host, "smtp": servers.smtp.host}
    boxes = "".join(MAILBOX.format(name=name, holder=holder, **hosts) for name, holder in HOLDERS.items())
    terms = {
        "presence": presence,
        "mail_imap_port": 0,
        "mail_smtp_port": 0,
        "more": boxes,
        **getattr(request, "param", {}),
    }
    person = Person()
    async with psc_desk(folder, there, readers, person, **terms) as desk:
        yield MailWorkstation(desk, presence, person)


def address(name: str) -> str:
    return f"{name}@medecin.mssante.example"


def read_subjects(program: imaplib.IMAP4) -> list[bytes]:
    program.select()
    _, (found,) = program.search(None, "ALL")
    answers = [program.fetch(number, "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0] for number in found.split()]
    return [answer[1].strip() for answer in answers]


async def test_a_program_reads_mail_with_its_bearer(workstation: MailWorkstation, servers: MailServers) -> None:
    assert (await workstation.bearer("camille")).code == "mail-login-needed"
    await workstation.psc.log_in()
    bearer = (await workstation.bearer("camille")).body
    assert bearer["user"] == address("camille")

    def read() -> list[bytes]:
        context = ssl.create_default_context(cafile=str(servers.imap.authority))
        with imaplib.IMAP4_SSL("127.0.0.1", servers.imap.port, ssl_context=context) as program:
            program.authenticate("XOAUTH2", lambda _: base64.b64decode(bearer["xoauth2"]))
            return read_subjects(program)

    assert await asyncio.to_thread(read) == [b"Subject: pour-camille"]
    assert servers.imap.asked[-1] == bearer["accessToken"]
    assert (await workstation.bearer("dominique")).code == "mail-other-person"
    assert (await workstation.bearer("nobody")).code == "mailbox-unknown"
    entries = (await workstation.agent.program("GET", "/v1/journal")).body["entries"]
    assert ("give-mail-bearer", "ok", address("camille")) in [
        (entry["action"], entry["outcome"], entry["subject"]) for entry in entries
    ]
    assert bearer["accessToken"] not in str(entries)


async def test_mail_programs_come_by_the_bridge(workstation: MailWorkstation, servers: MailServers) -> None:
    passwords = await workstation.open_bridge()
    await workstation.psc.log_in()
    program = await workstation.imap("camille", passwords["camille"])
    assert await asyncio.to_thread(read_subjects, program) == [b"Subject: pour-camille"]
    shown = await workstation.mailbox("camille")
    assert (shown["person"], shown["connections"], shown["hasPassword"]) == (DOCTOR, 1, True)

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", workstation.ports["smtpPort"], timeout=20) as sending:
            sending.login(address("camille"), passwords["camille"])
            sending.sendmail(address("camille"), ["b@other.example"], "Subject: ordonnance\n\n.")

    await asyncio.to_thread(send)
    assert [(user, subject) for user, _, subject in servers.smtp.sent] == [(address("camille"), "ordonnance")]
    entries = (await workstation.agent.program("GET", "/v1/journal")).body["entries"]
    opened = [entry for entry in entries if entry["action"] == "open-mail"]
    assert [(entry["outcome"], entry["subject"]) for entry in opened] == [("ok", address("camille"))]

    assert (await workstation.agent.program("DELETE", BRIDGE)).status == 204
    await _assert_dead(program)
    assert (await workstation.mailbox("camille"))["connections"] == 0


async def test_the_card_is_exchanged(workstation: MailWorkstation, readers: VirtualReaders) -> None:
    """The leak of 2026, through the whole agent: doctor A's mail program stays open, and doctor B comes."""
    passwords = await workstation.open_bridge()
    await workstation.psc.log_in(DOCTOR, by="CARD")
    old = await workstation.imap("camille", passwords["camille"])
    assert await asyncio.to_thread(read_subjects, old) == [b"Subject: pour-camille"]

    readers.remove()
    await _assert_dead(old)
    with pytest.raises(imaplib.IMAP4.error, match="cps-agent mail login"):
        await workstation.imap("camille", passwords["camille"])

    await workstation.psc.log_in(NURSE)
    assert (await workstation.bearer("camille")).code == "mail-other-person"
    with pytest.raises(imaplib.IMAP4.error, match="Un autre professionnel est connecte"):
        await workstation.imap("camille", passwords["camille"])
    new = await workstation.imap("dominique", passwords["dominique"])
    assert await asyncio.to_thread(read_subjects, new) == [b"Subject: pour-dominique"]

    workstation.presence.leave(AwayReason.LOCKED)
    await _assert_dead(new)


async def _assert_dead(program: imaplib.IMAP4) -> None:
    """The line ends, and nothing came by it meanwhile."""
    program.sock.settimeout(20)
    with program.sock, program.file, contextlib.suppress(ConnectionResetError):
        assert await asyncio.to_thread(program.sock.recv, 1) == b""


async def test_a_new_password_ends_what_came_by_the_old_one(workstation: MailWorkstation) -> None:
    passwords = await workstation.open_bridge()
    await workstation.psc.log_in()
    old = await workstation.imap("camille", passwords["camille"])
    new = await workstation.password("camille")
    await _assert_dead(old)
    assert new != passwords["camille"]
    program = await workstation.imap("camille", new)
    await asyncio.to_thread(program.logout)
    assert (await workstation.agent.program("DELETE", "/v1/mssante/camille/password")).status == 204
    assert (await workstation.mailbox("camille"))["hasPassword"] is False


async def test_a_password_is_made_with_the_persons_leave_alone(workstation: MailWorkstation) -> None:
    """Whoever has it needs no other: the person is asked each time, by the program's name."""
    await workstation.password("camille")
    (asked,) = [question for question in workstation.person.asked if isinstance(question, DeedRequest)]
    assert (asked.deed, asked.asker.caller, asked.subject) == (Deed.MAIL_PASSWORD, PROGRAM, address("camille"))
    workstation.person.refuses = PromptRefusedError()
    answer = await workstation.agent.program("POST", "/v1/mssante/dominique/password", {})
    assert answer.code == "pin-refused"
    assert (await workstation.mailbox("dominique"))["hasPassword"] is False


async def test_pages_learn_of_no_mailbox(workstation: MailWorkstation) -> None:
    routes = [("GET", "/v1/mssante"), ("POST", BRIDGE), ("DELETE", BRIDGE)]
    routes += [("POST", "/v1/mssante/camille/bearer"), ("POST", "/v1/mssante/nobody/password")]
    for method, path in routes:
        answer = await workstation.agent.page(method, path, {} if method == "POST" else None)
        assert answer.code == "token-refused"


@pytest.mark.parametrize("workstation", [{"client": {"program": "/usr/bin/other"}}], indirect=True)
async def test_a_program_that_the_client_does_not_name(workstation: MailWorkstation) -> None:
    for what in ("bearer", "password"):
        answer = await workstation.agent.program("POST", f"/v1/mssante/camille/{what}", {})
        assert answer.code == "client-refused"


@pytest.mark.parametrize("workstation", [{"mail_bridge": True}], indirect=True)
async def test_the_bridge_that_the_settings_want(workstation: MailWorkstation) -> None:
    bridge = (await workstation.agent.program("GET", "/v1/mssante")).body["bridge"]
    assert bridge["running"] is True
    assert (await workstation.agent.program("POST", BRIDGE, {})).body == bridge  # it was up already
    assert (await workstation.agent.program("DELETE", BRIDGE)).status == 204
    assert (await workstation.agent.program("GET", "/v1/mssante")).body["bridge"]["running"] is False


async def test_who_starts_it_at_once_starts_it_once(workstation: MailWorkstation) -> None:
    answers = await asyncio.gather(*(workstation.agent.program("POST", BRIDGE, {}) for _ in range(3)))
    assert answers[0].body["imapPort"] > 0
    assert [answer.body for answer in answers] == [answers[0].body] * 3


async def test_a_port_of_somebody_else(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The agent starts all the same, and says what is in its way to whoever asks."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with running_agent(folder, mail_bridge=True, mail_imap_port=0, mail_smtp_port=port) as agent:
            assert f"the mail bridge does not listen: taken by another program: {port}" in caplog.text
            assert (await agent.program("POST", BRIDGE, {})).code == "mail-port-taken"
            assert (await agent.program("GET", "/v1/mssante")).body == {
                "bridge": {"running": False, "imapPort": None, "smtpPort": None},
                "mailboxes": {},
            }


async def test_the_commands(workstation: MailWorkstation, capsys: pytest.CaptureFixture[str]) -> None:
    assert await _mail(workstation, "login", "camille", "--way", "browser") == 0
    assert await _mail(workstation, "start") == 0
    assert await _mail(workstation, "password", address("camille")) == 0
    capsys.readouterr()
    assert await _mail(workstation) == 0
    told = capsys.readouterr().out
    assert f"camille: {address('camille')}\n  Open, connections: 0\n" in told
    assert "dominique: " in told
    assert "Closed: another professional is logged in" in told
    assert await _mail(workstation, "logout", "camille") == 0
    assert (await workstation.mailbox("camille"))["person"] is None
    assert await _mail(workstation, "password", "--remove", "camille") == 0
    assert await _mail(workstation, "stop") == 0
    assert await _mail(workstation, "login", "nobody") == 2
    assert "camille, dominique" in capsys.readouterr().err


async def test_a_login_of_somebody_else_is_said(
    workstation: MailWorkstation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await _mail(workstation, "login", "dominique") == 5
    assert "CAMILLE VIRTUEL is logged in, and is not the holder" in capsys.readouterr().err


async def test_a_login_by_e_cps_names_the_holder(workstation: MailWorkstation, provider: Provider) -> None:
    provider.change("/backchannel", body={"interval": 1})
    try:
        login = asyncio.create_task(_mail(workstation, "login", "camille", "--way", "ciba", "--channel", "MOBILE"))
        await asyncio.to_thread(wait_until, lambda: login.done() or provider.tell("calls"), "the phone to ring")
        (call,) = provider.tell("calls")
        provider.tell("answerCall", id=call["id"], by="MOBILE")
        assert await login == 0
    finally:
        provider.restore()
    assert (await workstation.mailbox("camille"))["person"] == DOCTOR
    assert (await workstation.bearer("camille")).status == 200


async def _mail(workstation: MailWorkstation, *words: str) -> int:
    """Run a command; DOCTOR goes through the browser wherever one is opened."""
    data_dir = str(workstation.psc.folder)
    arguments = make_parser().parse_args(["mail", "--data-dir", data_dir, *words])
    run = asyncio.create_task(asyncio.to_thread(arguments.run, arguments))
    if words[:1] == ("login",) and "ciba" not in words:
        page = workstation.psc.page_file
        await asyncio.to_thread(wait_until, lambda: run.done() or page.exists(), "the browser")
        if not run.done():
            await workstation.psc.visit()
    return int(await run)
