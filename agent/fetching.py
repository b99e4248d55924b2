"""The agent's only way out to other hosts: HTTP to those that the settings name, through the system's proxy.

Nothing is followed: no redirect, no cookie, no credentials in a URL. Imported where it is used: it brings ssl.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from agent import __version__
from agent.patience import call_in_time

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
PIECE: Final = 64 * 1024
USER_AGENT: Final = f"cps-agent/{__version__}"
_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Connection": "close"}


class FetchError(Exception):
    """Nothing usable came back; the message says why."""


class HostRefusedError(FetchError):
    """The settings do not name this host, or this is no address of one. Nothing was sent."""


class UnreachableError(FetchError):
    """No connection, a proxy that refuses, a certificate that does not hold, or an answer that is no HTTP."""


class FetchTimeoutError(UnreachableError):
    """The answer was not complete in time."""


class AnswerTooLargeError(FetchError):
    """More came than was asked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `max_size`: bytes of the answer's body; `timeout_s`: for all of it, from the first look-up.

    No repr shows headers or body: secrets and tokens are in them.
    """

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_size: int = 1024 * 1024
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, whatever its status. Names of headers are in lower case; of several alike the last counts."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Fetcher:
    """Ask hosts that are allowed: `example.org` by the port of its scheme alone, `example.org:8080` by that one.

    `anchors_der`: authorities for TLS besides those of the system.
    """

    def __init__(self, hosts: Container[str], anchors_der: Iterable[bytes] = ()) -> None:
        self._hosts = hosts
        self._anchors_der = tuple(anchors_der)

    def allows(self, url: str) -> bool:
        """Whether this is the URL of an allowed host."""
        try:
            self._split(url)
        except HostRefusedError:
            return False
        return True

    def fetch(self, request: Request) -> Response:
        """Exchange one request, which blocks for `timeout_s` at most. Raises FetchError."""
        parts = self._split(request.url)
        exchange = _Exchange(request, parts, self._anchors_der)
        try:
            return call_in_time(exchange.run, request.timeout_s, "cps-agent-fetch")
        except TimeoutError as error:
            raise FetchTimeoutError(f"{parts.hostname}: {error}") from error
        except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: a header that is none
            raise UnreachableError(f"{parts.hostname}: {error}") from error
        finally:
            exchange.close()

    def _split(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            default, port = DEFAULT_PORTS.get(parts.scheme), parts.port
        except ValueError as error:
            raise HostRefusedError("not a URL") from error
        hidden = not url.isascii() or not url.isprintable() or " " in url or parts.username is not None
        if default is None or not parts.hostname or hidden:
            raise HostRefusedError("not a plain http or https URL")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        names = {f"{host}:{port or default}"} | ({host} if port in (None, default) else set())
        if not any(name in self._hosts for name in names):
            raise HostRefusedError(f"{host}: not among the hosts that the settings allow")
        return parts


class Dialing:
    """A connection to a host for TLS, through the system's proxy where there is one: opened once.

    Each step, the look-up of a name apart, takes `timeout_s` at most. `close` from another thread ends it wherever it
    hangs.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._parts = urlsplit(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> socket.socket:
        """Give what is connected. Raises UnreachableError."""
        proxy = _find_proxy(self._parts)
        connection = http.client.HTTPConnection(*_first_hop(self._parts, proxy), timeout=self._timeout_s)
        self._connection = connection
        if proxy is not None:
            connection.set_tunnel(*_address(self._parts), _credentials(proxy))
        try:
            connection.connect()
        except (OSError, ValueError, http.client.HTTPException) as error:
            connection.close()
            raise UnreachableError(f"{self._parts.hostname}: {error}") from error
        return connection.sock

    def close(self) -> None:
        """End it, also what it has given."""
        if self._connection is not None and self._connection.sock is not None:
            hang_up(self._connection.sock)


def hang_up(sock: socket.socket) -> None:
    """Let whoever waits for it, here or there, know that it has ended."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class _Exchange:
    """One request on one connection. `close` from another thread ends it, wherever it hangs."""

    def __init__(self, request: Request, parts: SplitResult, anchors_der: Iterable[bytes]) -> None:
        self._request = request
        self._parts = parts
        self._anchors_der = anchors_der
        self._end = time.monotonic() + request.timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._opened: socket.socket | None = None

    def run(self) -> Response:
        request, parts = self._request, self._parts
        proxy = _find_proxy(parts)
        self._connection = self._connect(proxy)
        path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        headers = _HEADERS | dict(request.headers)
        if proxy is not None and parts.scheme == "http":
            path, headers = parts._replace(fragment="").geturl(), headers | _credentials(proxy)
        try:
            self._connection.request(request.method, path, request.body, headers)
            self._opened = self._connection.sock  # which the connection lets go of once a body begins
            with self._connection.getresponse() as response:
                body = self._read(response)
                names = {name.lower(): value for name, value in response.getheaders()}
                return Response(response.status, names, body)
        finally:
            self._connection.close()

    def close(self) -> None:
        opened = self._connection.sock if self._connection is not None else None
        opened = opened or self._opened
        if opened is not None:
            hang_up(opened)

    def _connect(self, proxy: SplitResult | None) -> http.client.HTTPConnection:
        first, timeout_s = _first_hop(self._parts, proxy), self._request.timeout_s
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(*first, timeout=timeout_s)
        connection = http.client.HTTPSConnection(*first, timeout=timeout_s, context=self._context())
        if proxy is not None:
            connection.set_tunnel(*_address(self._parts), _credentials(proxy))
        return connection

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for anchor in self._anchors_der:
            context.load_verify_locations(cadata=anchor)
        return context

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        body = bytearray()
        while piece := response.read1(PIECE):
            body += piece
            if len(body) > self._request.max_size:
                raise AnswerTooLargeError(f"{self._parts.hostname}: more than {self._request.max_size} bytes")
            if time.monotonic() > self._end:
                raise TimeoutError("the answer came too slowly")
        if response.length:
            raise http.client.IncompleteRead(bytes(body), response.length)
        return bytes(body)


def _find_proxy(parts: SplitResult) -> SplitResult | None:
    """The system's proxy for this URL: none where it has none, or where its list of exceptions names the host."""
    address = getproxies().get(parts.scheme)
    if not address or proxy_bypass(parts.hostname or ""):
        return None
    return urlsplit(address if "//" in address else f"http://{address}")


def _first_hop(parts: SplitResult, proxy: SplitResult | None) -> tuple[str, int]:
    return _address(parts) if proxy is None else (proxy.hostname or "", proxy.port or DEFAULT_PORTS["http"])


def _address(parts: SplitResult) -> tuple[str, int]:
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
