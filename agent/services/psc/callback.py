"""Where the browser comes back to: a listener on loopback, for one login and one answer (RFC 8252 §7.3, §8.10).

It is not the agent's API: nothing of it is reflected, and whatever does not know the login's `state` is sent away.
Whoever is signed in to this workstation can read the address that the browser was opened at, `state` and all, in the
list of processes: another user's answer, with a login of his own, is none.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from agent.access.errors import PeerRefusedError
from agent.access.peer import Endpoint, PeerFinder, peer_finder
from agent.loopback import PortTakenError, bind_loopback
from agent.services.psc.errors import LoginTimeoutError, RedirectPortError

HOST: Final = "127.0.0.1"
MAX_HEAD: Final = 16 * 1024
MAX_FIELDS: Final = 16
MAX_VISITS: Final = 8
"""Connections at a time: a browser needs one."""
READ_S: Final = 5.0
FINISH_S: Final = 1.0
LOGIN_S: Final = 300.0

PAGE: Final = """<!DOCTYPE html>
<html lang="fr"><head><meta charset="utf-8"><title>Pro Santé Connect</title><link rel="icon" href="data:,"></head>
<body><p>La réponse est arrivée. Vous pouvez fermer cette fenêtre et revenir à votre logiciel.</p>
<p lang="en">The answer has arrived. You may close this window and go back to your software.</p></body></html>
"""
NOT_HERE: Final = """<!DOCTYPE html>
<html lang="fr"><head><meta charset="utf-8"><title>CPS</title><link rel="icon" href="data:,"></head>
<body><p>Rien à voir ici.</p><p lang="en">Nothing is expected here.</p></body></html>
"""
HEADERS: Final = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    "Connection: close",
    "Content-Security-Policy: default-src 'none'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy: same-origin",
    "Cross-Origin-Resource-Policy: same-origin",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
)
NAVIGATION: Final = {
    "sec-fetch-site": ("cross-site", "none"),
    "sec-fetch-mode": ("navigate",),
    "sec-fetch-dest": ("document",),
}
"""What a browser says of a page that another site sends it to, or that it was opened at and sent on from (`none`, which
no page can bring about). One that says nothing is older than these headers."""


class NotTheAnswerError(Exception):
    """A request that is not what the issuer sends the browser with; the message is for developers."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where exactly, and the `state` that proves that a request belongs to this login."""

    port: int
    path: str
    state: str

    @property
    def uri(self) -> str:
        """The redirect URI."""
        return f"http://{HOST}:{self.port}{self.path}"


def read_answer(head: bytes, place: Place) -> dict[str, str]:
    """The parameters of the answer in the head of a request. Raises NotTheAnswerError."""
    method, target, headers = _read_head(head)
    path, _, query = target.partition("?")
    if method != "GET" or path != place.path or "#" in target:
        raise NotTheAnswerError("another method or path")
    if headers.get("host") != f"{HOST}:{place.port}" or "origin" in headers:
        raise NotTheAnswerError("another host, or a request of a page's")
    if any(headers.get(name, usual[0]) not in usual for name, usual in NAVIGATION.items()):
        raise NotTheAnswerError("no navigation to a page")
    parameters = _read_query(query)
    if not hmac.compare_digest(parameters.get("state", "").encode(), place.state.encode()):
        raise NotTheAnswerError("another state")
    return parameters


def _read_head(head: bytes) -> tuple[str, str, dict[str, str]]:
    try:
        first, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = first.split(" ")
    except ValueError as error:
        raise NotTheAnswerError("no HTTP") from error
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise NotTheAnswerError("another version")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or name.lower() in headers:
            raise NotTheAnswerError("a header that is none, or twice")
        headers[name.lower()] = value.strip()
    return method, target, headers


def _read_query(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, strict_parsing=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:  # a UnicodeDecodeError as well
        raise NotTheAnswerError("no query") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise NotTheAnswerError("a parameter twice")
    return parameters


class Callback:
    """An open listener, until its answer has come."""

    def __init__(self, place: Place, peers: PeerFinder) -> None:
        self.place = place
        self._peers = peers
        self._answer: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()
        self._visits: dict[asyncio.Task[object], None] = {}

    async def wait(self, timeout_s: float = LOGIN_S) -> Mapping[str, str]:
        """The parameters that the browser brought. Raises LoginTimeoutError."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer
        except TimeoutError as error:
            raise LoginTimeoutError from error

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one request, one page."""
        task = asyncio.current_task()
        assert task is not None
        while len(self._visits) >= MAX_VISITS:  # the oldest goes: no page that holds connections keeps the answer out
            oldest = next(iter(self._visits))
            del self._visits[oldest]
            oldest.cancel()
        self._visits[task] = None
        try:
            await self._serve(reader, writer)
        finally:
            self._visits.pop(task, None)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(PeerRefusedError, TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(READ_S):
                await self._require_own(writer)
                status, page = self._judge(await reader.readuntil(b"\r\n\r\n"))
                content = page.encode()
                lines = (f"HTTP/1.1 {status}", *HEADERS, f"Content-Length: {len(content)}", "", "")
                writer.write("\r\n".join(lines).encode("ascii") + content)
                await writer.drain()

    async def _require_own(self, writer: asyncio.StreamWriter) -> None:
        """Raise PeerRefusedError for a browser of another user."""
        here, there = (Endpoint.from_sockaddr(writer.get_extra_info(name)) for name in ("sockname", "peername"))
        peer = await asyncio.to_thread(self._peers.find_peer, here, there)
        peer.require_same_user()

    def _judge(self, head: bytes) -> tuple[str, str]:
        """Take the answer, the first time that it comes."""
        try:
            parameters = read_answer(head, self.place)
        except NotTheAnswerError:
            return "404 Not Found", NOT_HERE
        if self._answer.done():
            return "404 Not Found", NOT_HERE
        self._answer.set_result(parameters)
        return "200 OK", PAGE

    async def finish(self) -> None:
        """Let the browser have its page, and end what takes longer, or what was never the answer."""
        if visits := list(self._visits):
            answered = self._answer.done() and not self._answer.cancelled()
            _, late = await asyncio.wait(visits, timeout=FINISH_S if answered else 0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


@asynccontextmanager
async def open_callback(port: int, path: str, state: str, peers: PeerFinder | None = None) -> AsyncIterator[Callback]:
    """Listen while the block lasts, for browsers of this user; `port` 0: any free one. Raises RedirectPortError."""
    try:
        listener, *others = bind_loopback([port])
    except PortTakenError as error:
        raise RedirectPortError(str(error)) from error
    for other in others:
        other.close()  # the redirect URI names 127.0.0.1 (RFC 8252 §8.3)
    callback = Callback(Place(listener.getsockname()[1], path, state), peers or peer_finder())
    server = await asyncio.start_server(callback.visit, sock=listener, limit=MAX_HEAD)
    try:
        yield callback
    finally:
        server.close()
        await callback.finish()
