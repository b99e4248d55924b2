"""Answers that end too early or too late, and requests without end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from support.gateway import SERVICE, Gateway, open_gateway
from support.tls_servers import ServerTerms

from drivers.virtual.link import VirtualReaders

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CUT: dict[str, bytes] = {
    "a length that is not kept": OK + b"Content-Length: 10\r\n\r\nhalf",
    "chunks that do not end": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "a chunk of no size": OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
    "no goodbye": OK + b"\r\nhalf",
}


@contextlib.asynccontextmanager
async def raw_server(folder: Path, say: Callable[[], bytes], *, goodbye: bool = True) -> AsyncIterator[int]:
    """Says something to each request and hangs up; with TLS's own goodbye, or without."""
    ServerTerms(folder).write()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(say())
                await writer.drain()
                if not goodbye:
                    await asyncio.sleep(0.05)  # what was written is out: now the line is torn
                    writer.transport.abort()
                if goodbye and not KEEPS:
                    writer.close()
                    await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


KEEPS: list[bool] = []


@contextlib.asynccontextmanager
async def gateway_to(
    folder: Path, readers: VirtualReaders, say: Callable[[], bytes], *, goodbye: bool = True
) -> AsyncIterator[Gateway]:
    async with raw_server(folder / "raw", say, goodbye=goodbye) as port:
        more = SERVICE.format(name="raw", port=port, path="", more='certificate = "none"')
        async with open_gateway(folder, readers, more=more) as gateway:
            yield gateway


@pytest.mark.parametrize("how", CUT)
async def test_half_an_answer_never_looks_whole(folder: Path, readers: VirtualReaders, how: str) -> None:
    async with gateway_to(folder, readers, lambda: CUT[how], goodbye=how != "no goodbye") as gateway:
        try:
            answer = await gateway.ask("GET", "raw/")
        except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            return
        assert answer.code in ("service-cut", "service-unreadable"), answer


async def test_an_answer_that_ends_with_the_connection_is_whole_after_a_goodbye(
    folder: Path, readers: VirtualReaders
) -> None:
    async with gateway_to(folder, readers, lambda: OK + b"\r\nwhole") as gateway:
        assert (await gateway.ask("GET", "raw/")).body == b"whole"


async def test_an_answer_that_nobody_asked_for_is_nobodys(folder: Path, readers: VirtualReaders) -> None:
    """A second answer right behind the first must not become that of the next request."""
    own, other = OK + b"Content-Length: 3\r\n\r\nown", OK + b"Content-Length: 5\r\n\r\nother"
    KEEPS.append(True)
    try:
        async with gateway_to(folder, readers, lambda: own + other) as gateway:
            bodies = [(await gateway.ask("GET", "raw/")).body for _ in range(5)]
    finally:
        KEEPS.clear()
    assert bodies == [b"own"] * 5


async def test_one_caller_cannot_have_requests_without_end(folder: Path, readers: VirtualReaders) -> None:
    stop = asyncio.Event()

    async def hold(_request: object) -> object:
        await stop.wait()
        raise AssertionError

    async with open_gateway(folder, readers, {"hold": hold}) as gateway:
        await gateway.ask("GET", "essai/")
        held = [asyncio.ensure_future(gateway.ask("GET", "essai/app/hold")) for _ in range(64)]
        async with asyncio.timeout(10):
            while (await gateway.agent.program("GET", "/v1/gateway")).body["channels"][0]["requests"] < 65:
                await asyncio.sleep(0.01)
        more = await gateway.ask("GET", "essai/app/hold")
        assert (more.status, more.code) == (429, "too-many-requests")
        await gateway.agent.program("DELETE", "/v1/gateway/essai")
        assert {answer.code for answer in await asyncio.gather(*held)} == {"channel-ended"}
