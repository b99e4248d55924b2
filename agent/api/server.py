"""Listen on 127.0.0.1 and ::1 with one port for both, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from agent.api.connections import STRANGERS, Doorstep
from agent.loopback import BACKLOG, bind_loopback

PORTS = (27710, 27720, 27730)
SHUTDOWN_S = 1.0


class Server:
    """The running listeners. `port` is the one that both families listen on."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(
            app,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            logger=_http_log(),
            auto_decompress=False,  # the gateway passes bodies on as they are, and no other route takes an encoding
        )
        self._strangers = app[STRANGERS]
        self._listeners: list[asyncio.Server] = []
        self.port = 0

    async def start(self, port: int | None = None, inherited: Sequence[int] = ()) -> None:
        """Listen on `port` (0: any free one), or on the first of PORTS that is free. Raises PortTakenError.

        `inherited`: descriptors of the listeners of the run before; they are kept unless another port is asked for.
        """
        sockets = _inherit(inherited, port) or bind_loopback((port,) if port is not None else PORTS)
        self.port = sockets[0].getsockname()[1]
        await self._runner.setup()
        make = self._runner.server
        assert make is not None
        loop = asyncio.get_running_loop()
        for listener in sockets:
            self._listeners.append(
                await loop.create_server(lambda: Doorstep(make, self._strangers), sock=listener, backlog=BACKLOG)
            )

    def duplicate_listeners(self) -> list[int]:
        """Descriptors for the next run: whoever connects meanwhile waits for it."""
        return [os.dup(listening.fileno()) for server in self._listeners for listening in server.sockets]

    async def stop(self) -> None:
        """Close the listeners and what is open."""
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()


def _inherit(descriptors: Sequence[int], port: int | None) -> list[socket.socket]:
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    if port and any(listening.getsockname()[1] != port for listening in sockets):
        for listening in sockets:
            listening.close()
        return []
    return sockets


def _http_log() -> logging.Logger:
    """Keep out of the log what aiohttp quotes of bytes that are no HTTP: the caller's headers, token and all."""
    log = logging.getLogger(f"{__name__}.http")
    log.addFilter(_is_no_quotation)
    return log


def _is_no_quotation(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
