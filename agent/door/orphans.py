"""Programs whose conversation cannot go on: told by an end, and not by SIGPIPE, which would kill them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable


class Orphan(asyncio.Protocol):
    """Says that no answer comes, and takes what the program says on until it closes its side."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").shutdown(socket.SHUT_WR)


class Orphans:
    """Those of a run that has crashed, or from before the door was closed."""

    def __init__(self) -> None:
        self._transports: list[asyncio.Transport] = []

    async def take(self, descriptors: Iterable[int]) -> None:
        """End these conversations."""
        loop = asyncio.get_running_loop()
        for descriptor in descriptors:
            transport, _ = await loop.connect_accepted_socket(Orphan, socket.socket(fileno=descriptor))
            self._transports.append(transport)

    def release(self) -> None:
        """End with this run; systemd has them still, if it had them before."""
        for transport in self._transports:
            transport.abort()
