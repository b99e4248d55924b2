"""aiohttp's pool of kept connections, over lines that a dialer makes.

BaseConnector has one hook for that, `_create_connection`; what else is used of its inside (_factory, _limit, _acquired,
_conns, _close) is that of aiohttp 3.14, whose version is pinned.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, cast

from aiohttp import BaseConnector, ClientPayloadError, ClientRequest, ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from agent.services.channels.dialing import Dialer
from agent.services.tls.errors import ServerUnreachableError
from agent.services.tls.key import Sign

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from aiohttp.http_parser import RawResponseMessage
    from aiohttp.tracing import Trace

MAX_LINES: Final = 8
MAX_INTERIM: Final = 64
FINAL: Final = 200
"""The first status that answers a request (RFC 9110 §15)."""
KEPT_S: Final = 60.0


class LineConnector(BaseConnector):
    """At most MAX_LINES at a time, and one where the server resumes no session: whoever comes then waits for it."""

    def __init__(self, dialer: Dialer) -> None:
        super().__init__(limit=MAX_LINES, keepalive_timeout=KEPT_S)
        self._factory = cast("functools.partial[ResponseHandler]", functools.partial(LineProtocol, loop=self._loop))
        self._dialer = dialer
        self._signed_in: list[ResponseHandler] = []
        self._resumes = not dialer.has_key

    @property
    def has_lines(self) -> bool:
        """Whether there is a line now, in use or kept."""
        return any(line.is_connected() for line in self._list())

    async def sign_in(self, sign: Sign) -> None:
        """Make a line with the key; the next request that needs one takes it."""
        line = await self._dialer.sign_in(self._factory, sign)
        if self.closed:
            line.abort()
            return
        self._signed_in.append(line)
        if self._resumes:
            self._limit = MAX_LINES

    def narrow(self) -> None:
        """The server resumes nothing: one line at a time from now on."""
        self._limit = 1

    def cut(self) -> None:
        """End every line at once."""
        for line in self._list():
            line.abort()
        self._signed_in.clear()
        self._close()
        self._dialer.close()

    def _list(self) -> list[ResponseHandler]:
        kept = (line for lines in self._conns.values() for line, _ in lines)
        lines = (*self._acquired, *kept, *self._signed_in)
        return [line for line in lines if isinstance(line, ResponseHandler)]  # not aiohttp's placeholders

    async def _create_connection(
        self,
        req: ClientRequest,  # noqa: ARG002 - one service: every request goes the same way
        traces: list[Trace],  # noqa: ARG002
        timeout: ClientTimeout,  # noqa: ARG002, ASYNC109 - the dialer has its own
    ) -> ResponseHandler:
        while self._signed_in:
            line = self._signed_in.pop()
            if line.is_connected():
                return line
        line = await self._dialer.resume(self._factory)
        self._resumes = True
        return line


class LineProtocol(ResponseHandler):
    """aiohttp's side of a line, where an end without TLS's own goodbye never completes an answer (RFC 8446 §6.1).

    It takes MAX_INTERIM answers that are none yet (1xx): aiohttp itself waits for the last of them for ever.
    """

    _interim = 0

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """See aiohttp.streams.DataQueue: one head has come."""
        self._interim = self._interim + 1 if data[0].code < FINAL else 0
        if self._interim <= MAX_INTERIM:
            super().feed_data(data, size)
        elif self._interim == MAX_INTERIM + 1:
            self.set_exception(HttpProcessingError(message="answers without end that are none"))
            if self.transport is not None:  # not `abort`, which forgets why
                self.transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See asyncio.Protocol. A request may be under way: then the server was within reach."""
        if exc is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(ClientPayloadError("cut off"))
        if isinstance(exc, ServerUnreachableError):
            exc = ConnectionResetError(str(exc))
        super().connection_lost(exc)
