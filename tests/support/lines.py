"""Raw lines to a running agent, and waiting with a deadline."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

DEADLINE_S = 20.0


def open_line(port: int, data: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    """A TCP connection on which `data` was sent."""
    line = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S, source_address=(source, 0))
    line.sendall(data)
    return line


def page_request(port: int, path: str, body: bytes, origin: str) -> bytes:
    """The bytes of a page's POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def until(condition: Callable[[], object]) -> None:
    """Wait for it, not for ever."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)
