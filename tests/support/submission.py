"""A server that takes mail over TLS (RFC 8314 §3.3) from whoever logs in by XOAUTH2: aiosmtpd, in a thread of the test."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from support.dovecot import make_certificate

REASON = base64.b64encode(b'{"status":"400","schemes":"Bearer"}').decode()


class _Smtp(SMTP):
    line_length_limit = 12288  # RFC 4954 §4.1: what a login may take
    spoken: ClassVar[list[_Smtp]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.spoken.append(self)
        super().connection_made(transport)


@dataclass
class Submission:
    """A running server. `sent`: who sent which subject, by the name and the token of the login."""

    folder: Path
    accepts: Callable[[str], bool]
    port: int = 0
    sent: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        return self.folder / "server.pem"

    async def auth_XOAUTH2(self, server: SMTP, words: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd finds it by its name
        """Failures as those who invented it tell them: a challenge with the reason, and after an empty answer the no."""
        response = base64.b64decode(words[1]) if words[1:] else await server.challenge_auth("")
        assert isinstance(response, bytes)
        user, bearer, *_ = response.decode().split("\1")
        token = bearer.removeprefix("auth=Bearer ")
        if self.accepts(token):
            return AuthResult(success=True, auth_data=(user.removeprefix("user="), token))
        await server.push(f"334 {REASON}")
        await server._reader.readline()
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, sender: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = sender
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        user, token = session.auth_data
        assert isinstance(envelope.content, bytes)
        self.sent.append((user, token, message_from_bytes(envelope.content)["Subject"]))
        return "250 taken"


@contextlib.contextmanager
def submission(folder: Path, accepts: Callable[[str], bool]) -> Iterator[Submission]:
    """Serve until the block ends."""
    folder.mkdir()
    make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    server, loop = Submission(folder, accepts), asyncio.new_event_loop()

    def speak() -> Any:
        return _Smtp(server, auth_require_tls=False, hostname="mail.example", loop=loop)

    listening = loop.run_until_complete(loop.create_server(speak, "127.0.0.1", 0, ssl=context))
    server.port = listening.sockets[0].getsockname()[1]
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(listening.close)
        asyncio.run_coroutine_threadsafe(_finish(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _finish() -> None:
    """Whoever still speaks is hung up on."""
    for spoken in _Smtp.spoken:
        if isinstance(spoken.transport, asyncio.Transport):
            spoken.transport.abort()
    _Smtp.spoken.clear()
    await asyncio.sleep(0)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
