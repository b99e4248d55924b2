"""Connections that have not proved to be this user's: few, short, and never at the cost of one that has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

MAX_STRANGERS = 64
FIRST_REQUEST_S = 10.0  # another user of the workstation can connect as well, and say nothing


class Strangers:
    """Every connection is a stranger until the gate has found that its peer is this user.

    When there are too many the oldest goes: a program of this user says who it is within milliseconds.
    """

    def __init__(self) -> None:
        self._timers: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def watch(self, transport: asyncio.Transport) -> None:
        """Close the connection later, unless it is admitted."""
        while len(self._timers) >= MAX_STRANGERS:
            _abort(next(iter(self._timers)), self)
        loop = asyncio.get_running_loop()
        self._timers[transport] = loop.call_later(FIRST_REQUEST_S, _abort, transport, self)

    def forget(self, transport: asyncio.BaseTransport | None) -> None:
        """It was admitted, or is gone."""
        timer = self._timers.pop(transport, None) if transport is not None else None
        if timer is not None:
            timer.cancel()


def _abort(transport: asyncio.BaseTransport, strangers: Strangers) -> None:
    strangers.forget(transport)
    if isinstance(transport, asyncio.Transport):
        transport.abort()


STRANGERS = web.AppKey("strangers", Strangers)


class Doorstep(asyncio.Protocol):
    """Stand before aiohttp's protocol of one connection and pass everything on."""

    def __init__(self, make: Callable[[], asyncio.Protocol], strangers: Strangers) -> None:
        self._inner = make()
        self._strangers = strangers
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        assert isinstance(transport, asyncio.Transport)
        self._strangers.watch(transport)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._strangers.forget(self._transport)
        self._inner.connection_lost(exc)
