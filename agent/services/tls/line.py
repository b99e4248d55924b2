"""A TLS line to a server: connected, its handshake done, and handed to asyncio once it stands.

All that blocks runs in a thread of its own, the key's signature too: nothing waits for it but whoever wants the line.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.fetching import Dialing, FetchError, hang_up
from agent.patience import call_in_time, run_apart
from agent.services.tls.errors import ServerUnreachableError, TlsVersionError
from agent.services.tls.faults import explain
from agent.services.tls.signing import Watch, watching

PIECE: Final = 64 * 1024
MAX_HANDSHAKE: Final = 1024 * 1024
"""Bytes that a server may send before it has said who it is."""


@dataclass(frozen=True, slots=True)
class LineRequest:
    """Where to, and with what. `session`: the one to go on with, of the same context; the key then signs nothing.

    `judge` raises for a server that is not to be believed although its certificate holds: called once, in the thread of
    the handshake, before our own certificate is sent. `timeout_s`: what connecting may take, and how long the server
    may keep us waiting in the handshake.
    """

    host: str
    port: int
    context: ssl.SSLContext
    session: ssl.SSLSession | None = None
    timeout_s: float = 15.0
    judge: Callable[[Line], None] | None = None


class Line:
    """What has been agreed upon, and where the bytes go. Used by one thread at a time."""

    def __init__(self, sock: socket.socket, request: LineRequest) -> None:
        self.sock = sock
        self.host = request.host
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = request.context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=request.host, session=request.session
        )
        self.watch = Watch()
        self._session: ssl.SSLSession | None = None

    @property
    def resumed(self) -> bool:
        """Whether an earlier session goes on."""
        return bool(self.tls.session_reused)

    @property
    def version(self) -> str:
        """As Python's ssl names it: TLSv1.2."""
        return self.tls.version() or ""

    @property
    def session(self) -> ssl.SSLSession | None:
        """What the next line may go on with; None while there is nothing that could be.

        In TLS 1.3 the server sends it some time after the handshake (RFC 8446 §4.6.1).
        """
        if self._session is None:
            self._session = self._find_session()
        return self._session

    def _find_session(self) -> ssl.SSLSession | None:
        # Not twice: CPython before 3.12.8 and 3.13.1 loses 5 KB each time it is asked (python/cpython#116810).
        session = self.tls.session
        lasts = session is not None and (session.has_ticket or (self.version == "TLSv1.2" and session.id))
        return session if lasts else None

    @property
    def certificate_der(self) -> bytes:
        """The server's, as soon as it was verified."""
        try:
            return self.tls.getpeercert(binary_form=True) or b""
        except ValueError:  # the handshake goes on
            return next(iter(self._sent_der()), b"")

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        """What the server has sent along with its certificate, whatever it is."""
        return self._sent_der()[1:]

    def _sent_der(self) -> tuple[bytes, ...]:
        public = getattr(self.tls, "get_unverified_chain", None)
        if public is not None:  # Python 3.13
            return tuple(public())
        sent = self.tls._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]  # noqa: SLF001
        return tuple(ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in sent)

    def close(self) -> None:
        """Let go of it, at once; whoever reads from it learns that it has ended."""
        hang_up(self.sock)
        self.sock.close()


async def open_line(request: LineRequest) -> Line:
    """Connect and shake hands. Raises TlsError, and what the key raises; cancelled, the line is given up."""
    opening = _Opening(request)
    try:
        return await run_apart(opening.run, "cps-agent-tls")
    except BaseException:
        opening.give_up()
        raise


class _Opening:
    """One attempt. `give_up` from another thread ends it, wherever it waits for the server."""

    def __init__(self, request: LineRequest) -> None:
        self._request = request
        self._left_s = request.timeout_s
        self._left = MAX_HANDSHAKE
        self._dialing = Dialing(request.host, request.port, request.timeout_s)
        self._sock: socket.socket | None = None
        self._given_up = False

    def run(self) -> Line:
        self._sock = sock = self._dial()
        try:
            line = Line(sock, self._request)
            self._shake_hands(line)
        except BaseException:
            sock.close()
            raise
        return line

    def give_up(self) -> None:
        self._given_up = True
        self._dialing.close()
        if self._sock is not None:
            self._sock.close()

    def _dial(self) -> socket.socket:
        """Connect, in one time for all of it: names are looked up, and proxies answer, as slowly as they like."""
        try:
            return call_in_time(self._reach, self._request.timeout_s, "cps-agent-dial")
        except (FetchError, TimeoutError) as error:
            self.give_up()
            raise ServerUnreachableError(str(error)) from error

    def _reach(self) -> socket.socket:
        sock = self._dialing.run()
        if self._given_up:  # nobody takes it any more
            sock.close()
        return sock

    def _shake_hands(self, line: Line) -> None:
        judge = self._request.judge
        with watching(
            may_sign=self._request.session is None, judge=None if judge is None else lambda: judge(line)
        ) as watch:
            line.watch = watch
            try:
                self._exchange(line)
            except OSError as error:
                watch.agreed = line.tls.cipher() is not None
                raise watch.failure or explain(error, watch) from error
            watch.agreed = True
            watch.judge_server()
        if watch.asked and not watch.signatures:
            raise TlsVersionError("the server takes no signature that this key makes")

    def _exchange(self, line: Line) -> None:
        while not self._given_up:
            try:
                line.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send(line)
                self._receive(line)
            except ssl.SSLError:
                with suppress(OSError):
                    self._send(line)  # the alert, for the server's log
                raise
            else:
                return self._send(line)
        raise ServerUnreachableError("nobody waits for it any more")

    def _send(self, line: Line) -> None:
        line.sock.settimeout(self._request.timeout_s)
        line.sock.sendall(line.outgoing.read())

    def _receive(self, line: Line) -> None:
        """Wait for more, as long as the server may keep us waiting in all."""
        if self._left_s <= 0:
            raise ServerUnreachableError("the server did not answer in time")
        line.sock.settimeout(self._left_s)
        began = time.monotonic()
        data = line.sock.recv(PIECE)
        self._left_s -= time.monotonic() - began
        self._left -= len(data)
        if not data:
            raise ServerUnreachableError("the server hung up")
        if self._left < 0:
            raise ServerUnreachableError("the server sends too much before it has said who it is")
        line.incoming.write(data)
