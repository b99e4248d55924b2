"""A mail program and its server, once both are logged in: bytes both ways, which nobody looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agent.services.tls.errors import TlsError

PIECE: Final = 64 * 1024
FINISH_S: Final = 10.0
Half = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pipe:
    """Two lines that are one. `cut` ends both at once: what is on its way gets lost."""

    def __init__(self, program: Half, server: Half) -> None:
        self._halves = (program, server)
        self._heard = False

    async def run(self) -> None:
        """Until either side hangs up, and the other has been given everything that it said."""
        (program_reader, program_writer), (server_reader, server_writer) = self._halves
        pumps = (
            asyncio.ensure_future(_pump(program_reader, server_writer, self._hear)),
            asyncio.ensure_future(_pump(server_reader, program_writer, lambda: None)),
        )
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await self._finish()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _finish(self) -> None:
        """Send what waits, for a side that reads on; one that does not is hung up on."""
        for _, writer in self._halves:
            writer.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await asyncio.gather(*(writer.wait_closed() for _, writer in self._halves), return_exceptions=True)

    def take_heard(self) -> bool:
        """Whether the program has said anything since this was asked last."""
        heard, self._heard = self._heard, False
        return heard

    def _hear(self) -> None:
        self._heard = True

    def cut(self) -> None:
        """Nothing more goes either way, not even what was read already."""
        for _, writer in self._halves:
            hang_up(writer)


def hang_up(writer: asyncio.StreamWriter) -> None:
    """End a line at once. One that has ended stays as it is: CPython 3.11 fails to abort what was closed in peace."""
    opened = writer.get_extra_info("socket")
    if opened is None or opened.fileno() >= 0:
        writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, note: Callable[[], None]) -> None:
    with suppress(OSError, TlsError):
        while (piece := await source.read(PIECE)) and not sink.transport.is_closing():
            note()
            sink.write(piece)
            await sink.drain()
