"""The mail bridge of a test, with sessions that the test opens and ends, before real mail servers."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import secrets
import smtplib
import socket
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.dovecot import Dovecot, dovecot, make_certificate
from support.submission import Submission, submission

from agent.access.peer import PeerFinder, peer_finder
from agent.certificates.trust import open_trust
from agent.services.catalog import Mailbox
from agent.services.mssante.bridge import Bridge, BridgeNeeds, Visit
from agent.services.mssante.listening import BridgePorts, Listening
from agent.services.mssante.mailroom import Mailroom
from agent.services.mssante.passwords import BridgePasswords
from agent.services.mssante.sessions import AccessToken, MailSession, MailSessions
from agent.services.mssante.upstream import Upstream
from agent.services.tls.availability import Availability
from agent.services.tls.lines import Lines
from agent.settings import Settings

ALICE, BOB = "899700000011", "899700000022"


@dataclass
class PlayedSession(MailSession):
    """A login that the test made; each token is another one."""

    person: str
    desk: PlayedSessions
    tokens: list[str] = field(default_factory=list)
    over: bool = False
    on_token: Callable[[], object] | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.over

    async def token(self) -> AccessToken:
        text = f"token-{self.person}-{len(self.tokens)}-" + "x" * 1200  # as long as those of Pro Santé Connect
        self.tokens.append(text)
        self.desk.good.add(text)
        if self.on_token is not None:
            self.on_token()
        return AccessToken(text, datetime.now(UTC) + timedelta(minutes=2))

    def on_end(self, tell: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(tell)
        return lambda: self.listeners.remove(tell)

    def end(self) -> None:
        self.over = True
        for tell in list(self.listeners):
            tell()


@dataclass
class PlayedSessions(MailSessions):
    """Who is logged in; `good`: the tokens that mail servers take."""

    current: PlayedSession | None = None
    good: set[str] = field(default_factory=set)

    def find(self, mailbox: Mailbox) -> MailSession | None:
        return self.current

    def log_in(self, person: str) -> PlayedSession:
        """Somebody logs in, as after a change of cards: whoever was before is not any more."""
        if self.current is not None:
            self.current.end()
        self.current = PlayedSession(person, self)
        return self.current


@dataclass
class MailServers:
    """The real ones, for all tests of a module."""

    imap: Dovecot
    smtp: Submission
    good: set[str]


@contextlib.contextmanager
def mail_servers(accepts: Callable[[str], bool] | None = None) -> Iterator[MailServers]:
    """In a folder apart: where the tests are root's, Dovecot's processes are others', and pytest shuts its own to them.

    They take the tokens in `good`, unless `accepts` says what they take.
    """
    good: set[str] = set()
    accepts = accepts or good.__contains__
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mail-")))
        folder.chmod(0o755)
        imap = stack.enter_context(dovecot(folder / "imap", accepts))
        smtp = stack.enter_context(submission(folder / "smtp", accepts))
        yield MailServers(imap, smtp, good)


@dataclass
class MailDesk:
    """A bridge that listens. `notes`: what the journal was told."""

    ports: BridgePorts
    bridge: Bridge
    room: Mailroom
    sessions: PlayedSessions
    passwords: dict[str, str]
    notes: list[tuple[str | None, str]]

    def imap(self, name: str, password: str | None = None) -> imaplib.IMAP4:
        """A mail program that has logged in."""
        program = imaplib.IMAP4("127.0.0.1", self.ports.imap, timeout=10)
        try:
            program.login(self.room.mailboxes[name].address, password or self.passwords[name])
        except BaseException:
            program.shutdown()
            raise
        return program

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.ports.smtp, timeout=10)


def mailboxes(imap: str, smtp: str) -> dict[str, Mailbox]:
    """Two that nobody has used before."""
    domain = f"{secrets.token_hex(4)}.mssante.example"
    return {
        name: Mailbox(address=f"{name}@{domain}", holder=holder, client="lps", imap=imap, smtp=smtp)
        for name, holder in (("alice", ALICE), ("bob", BOB))
    }


@contextlib.asynccontextmanager
async def mail_desk(
    folder: Path,
    boxes: dict[str, Mailbox],
    good: set[str],
    *authorities: Path,
    peers: PeerFinder | None = None,
    slow_s: float = 0.0,
    keep_s: float = 600.0,
) -> AsyncIterator[MailDesk]:
    """Until the block ends. Wrong passwords are answered at once, unless `slow_s` says otherwise."""
    sessions, passwords = PlayedSessions(good=good), BridgePasswords(folder)
    notes: list[tuple[str | None, str]] = []

    async def note(visit: Visit) -> None:
        notes.append((visit.name, visit.outcome))

    lines = _lines(folder, authorities)
    room = Mailroom(boxes, passwords, sessions, Upstream(lines))
    bridge = Bridge(BridgeNeeds(room, peers or peer_finder(), note, slow_s, keep_s))
    made = {name: passwords.make(name, box) for name, box in boxes.items()}
    listening = Listening(bridge)
    await listening.start(BridgePorts(0, 0))
    try:
        yield MailDesk(listening.ports, bridge, room, sessions, made, notes)
    finally:
        await listening.close()
        await lines.close()


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop go on until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def speak(port: int, talk: bytes) -> bytes:
    """Say something, then no more. Gives everything that was answered."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, contextlib.suppress(OSError):
        connection.sendall(talk)
        connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            answer += piece
    return answer


@contextlib.contextmanager
def evil_server(folder: Path, speech: bytes) -> Iterator[dict[str, Mailbox]]:
    """Mailboxes at a server that says the same to whoever comes by TLS, and hangs up; folder/server.pem vouches for it."""
    make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_say_once, args=(listener, context, speech), daemon=True)
        thread.start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        yield mailboxes(host, host)
        thread.join(10)


def _say_once(listener: socket.socket, context: ssl.SSLContext, speech: bytes) -> None:
    with contextlib.suppress(OSError):
        accepted, _ = listener.accept()
        accepted.settimeout(10)
        with context.wrap_socket(accepted, server_side=True) as connection:
            connection.sendall(speech)
            connection.unwrap()


def _lines(folder: Path, authorities: tuple[Path, ...]) -> Lines:
    settings = Settings(folder, test_authorities=authorities, revocation=False)
    return Lines(open_trust(settings, tuple), Availability())
