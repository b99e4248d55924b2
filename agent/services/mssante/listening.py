"""The two local ports, while the bridge is up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from agent.loopback import bind_loopback
from agent.services.mssante.bridge import Bridge
from agent.services.mssante.upstream import IMAP, SMTP, Protocol


@dataclass(frozen=True, slots=True)
class BridgePorts:
    """What mail programs are told."""

    imap: int
    smtp: int


class Listening:
    """A bridge that listens, until `close`."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.ports = BridgePorts(0, 0)
        self._servers: list[asyncio.Server] = []

    async def start(self, wanted: BridgePorts) -> None:
        """Listen on both ports (0: any free one). Raises PortTakenError; then on neither."""
        try:
            self.ports = BridgePorts(await self._listen(IMAP, wanted.imap), await self._listen(SMTP, wanted.smtp))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        for server in self._servers:
            server.close()
        await self.bridge.close()

    async def _listen(self, protocol: Protocol, port: int) -> int:
        sockets = bind_loopback((port,))
        for listener in sockets:
            accept = partial(self.bridge.accept, protocol)
            self._servers.append(await asyncio.start_server(accept, sock=listener))
        return int(sockets[0].getsockname()[1])
