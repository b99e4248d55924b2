"""One channel: requests of one caller to one service, over kept lines that one card has signed for."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    EofStream,
)
from aiohttp import ServerTimeoutError as AiohttpTimeoutError
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from agent.access.callers import Caller
from agent.services.channels.bodies import Upload
from agent.services.channels.connector import LineConnector
from agent.services.channels.cutting import Cut
from agent.services.channels.dialing import Dialer
from agent.services.channels.errors import (
    AnswerBrokenError,
    AnswerCutError,
    ChannelBusyError,
    ChannelEndedError,
    ServiceTimeoutError,
)
from agent.services.channels.heads import read_headers, read_reason, read_status
from agent.services.channels.values import ChannelEnd, Incoming, Outgoing
from agent.services.tls.errors import NotResumedError, TlsError
from agent.services.tls.key import Sign

if TYPE_CHECKING:
    from agent.cards.card import Card
    from agent.services.catalog import Service

SILENCE_S: Final = 120.0
"""How long a service may say nothing: a registry query of the DMP takes its time."""
MAX_UNDER_WAY: Final = 64
"""Requests that wait for a line hold a connection and a piece of their body each."""
MINUTES_AT_MOST: Final = 60
MAX_SIGN_INS: Final = 2
"""More signatures for one request, where the service resumes nothing: a person may be asked for each."""
MAX_LINE: Final = 16 * 1024
MAX_HEADERS: Final = 100
PIECE: Final = 64 * 1024
OURS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""What aiohttp would add by itself."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Between whom: a caller, the service by its name in the catalog, and the very card, or none.

    `among`: the cards that a person has chosen this one of. `minutes`: how long it lasts, where that is its own affair.
    """

    caller: Caller
    name: str
    service: Service
    card: Card | None = None
    among: tuple[Card, ...] = ()
    minutes: int | None = None


@dataclass(slots=True)
class Life:
    """When a channel began and is to end, for people and on the clock of Channels, and how much went over it."""

    deadline_s: float
    ends_at: datetime
    opened_at: datetime
    since_s: float = field(default_factory=time.monotonic)
    requests: int = 0
    end: ChannelEnd | None = None

    @classmethod
    def of(cls, minutes: int, now_s: float) -> Self:
        """A life of so many minutes from now; of none: MINUTES_AT_MOST, and no longer than something is under way."""
        opened_at, lasts = datetime.now(UTC), timedelta(minutes=minutes or MINUTES_AT_MOST)
        return cls(now_s + lasts.total_seconds(), opened_at + lasts, opened_at)


class Channel:
    """Made by Channels, which end it. All methods run in the event loop.

    `sign_in_again` has the person asked where the server resumes nothing; `on_rest` is told when nothing is under way.
    """

    def __init__(
        self,
        parties: Parties,
        life: Life,
        dialer: Dialer,
        sign_in_again: Callable[[], Awaitable[None]],
        on_rest: Callable[[Channel], None],
    ) -> None:
        self.parties = parties
        self.life = life
        self._origin = f"https://{_authority(parties.service)}"
        self._sign_in_again = sign_in_again
        self._on_rest = on_rest
        self._connector = LineConnector(dialer)
        self._session = _open_session(self._connector)
        self._cuts: set[Cut] = set()
        self.is_ready = not dialer.has_key

    async def sign_in(self, sign: Sign) -> None:
        """Make the line that the others resume. Raises ChannelEndedError, the errors of TLS, and what `sign` raises."""
        self._require_open()  # it may have ended while the person was asked
        try:
            await self._connector.sign_in(sign)
        except TlsError:
            self._require_open()
            raise
        self._require_open()
        self.is_ready = True

    @asynccontextmanager
    async def exchange(self, outgoing: Outgoing) -> AsyncIterator[Incoming]:
        """Send a request and give the answer; a line that the answer was not read from to its end is closed.

        Raises ChannelError, the errors of TLS, and where the person has to be asked again what that raises; what the
        caller's own body raises comes out as it is.
        """
        self._require_open()
        if len(self._cuts) >= MAX_UNDER_WAY:
            raise ChannelBusyError
        cut = Cut()
        self._cuts.add(cut)
        self.life.requests += 1
        try:
            async with cut:
                upload = Upload(outgoing.body, cut)
                response = await self._send(outgoing, upload)
                try:
                    yield self._describe(response)
                finally:
                    response.close()
        finally:
            self._cuts.discard(cut)
            if not self._cuts:
                self._on_rest(self)

    def end(self, reason: ChannelEnd) -> None:
        """Cut what is under way, and forget the sessions."""
        if self.life.end is not None:
            return
        self.life.end = reason
        for cut in self._cuts:
            cut.end(ChannelEndedError(reason))
        self._session.detach()
        self._connector.cut()

    def _require_open(self) -> None:
        if self.life.end is not None:
            raise ChannelEndedError(self.life.end)

    async def _send(self, outgoing: Outgoing, upload: Upload) -> ClientResponse:
        """A service that ends each line before it was used has the key sign MAX_SIGN_INS times more, and no further."""
        signed_in = 0
        while True:
            try:
                return await self._request(outgoing, upload)
            except NotResumedError as error:
                if signed_in == MAX_SIGN_INS:
                    raise AnswerCutError("the service ends each connection before it is used") from error
                signed_in += await self._find_a_line()
            except (ClientError, EofStream, HttpProcessingError, TimeoutError) as error:
                raise upload.failure or self._translate(error) from error

    async def _request(self, outgoing: Outgoing, upload: Upload) -> ClientResponse:
        return await self._session.request(
            outgoing.method,
            URL(self._origin + outgoing.target, encoded=True),
            headers=outgoing.headers,
            data=upload if outgoing.body is not None else None,
            allow_redirects=False,
        )

    async def _find_a_line(self) -> bool:
        """Have the key sign once more, unless there is a line to wait for. Gives whether it has."""
        self._require_open()
        self._connector.narrow()
        if self._connector.has_lines:
            return False
        await self._sign_in_again()
        self._require_open()
        return True

    def _describe(self, response: ClientResponse) -> Incoming:
        status, headers = read_status(response.status), read_headers(response.raw_headers)
        return Incoming(status, read_reason(response.reason), headers, self._read(response))

    async def _read(self, response: ClientResponse) -> AsyncIterator[bytes]:
        """RuntimeError: aiohttp's word for a line that ended between two pieces."""
        try:
            while piece := await response.content.readany():
                yield piece
        except (ClientError, HttpProcessingError, TimeoutError, RuntimeError) as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> Exception:
        if self.life.end is not None:
            return ChannelEndedError(self.life.end)
        return translate(error)


def translate(error: Exception) -> Exception:
    """What aiohttp says, in our words."""
    if isinstance(error, AiohttpTimeoutError | TimeoutError):
        return ServiceTimeoutError("the service says nothing")
    if isinstance(error, ClientResponseError | HttpProcessingError):
        return AnswerBrokenError("no HTTP/1.1")
    return AnswerCutError(f"{type(error).__name__}")


def _open_session(connector: LineConnector) -> ClientSession:
    """A client that adds nothing, keeps nothing, follows nothing and opens nothing."""
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=OURS,
        auto_decompress=False,
        trust_env=False,
        timeout=ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=SILENCE_S),
        read_bufsize=PIECE,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        max_headers=MAX_HEADERS,
    )


def _authority(service: Service) -> str:
    host = f"[{service.host}]" if ":" in service.host else service.host
    return host if service.port == 443 else f"{host}:{service.port}"
