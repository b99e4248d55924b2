"""A line in the hands of asyncio: flow control both ways, a goodbye, and an end that is told apart from being cut off."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from support.tls_clients import Listener, connect
from support.tls_keys import memory_key
from support.tls_servers import Authority, ServerTerms, TlsServer, nginx, s_server

from agent.services.tls import transport as transport_module
from agent.services.tls.errors import ServerUnreachableError, TlsError
from agent.services.tls.transport import TlsTransport, attach

LARGE = os.urandom(1 << 20) * 12

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
def server_context(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    terms = ServerTerms(tmp_path, (authority.der,))
    terms.write()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[request.param.replace(".", "_")]
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "clients.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.asynccontextmanager
async def line_to(
    serve: Serve, context: ssl.SSLContext, authority: Authority
) -> AsyncIterator[tuple[TlsTransport, Listener]]:
    """A line to a server in this loop."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        line = await connect(TlsServer(port, Path(), authority), memory_key(authority).key)
        transport, listener = await attach(line, Listener)
        try:
            yield transport, listener
        finally:
            transport.abort()
            async with asyncio.timeout(10):
                await listener.over


async def until(listener: Listener, size: int) -> bytes:
    async with asyncio.timeout(20):
        while len(listener.data) < size:
            listener.came.clear()
            await listener.came.wait()
    return bytes(listener.data)


async def test_much_goes_through_and_comes_back(server_context: ssl.SSLContext, authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        content = await reader.readexactly(len(LARGE))
        writer.write(hashlib.sha256(content).digest() + content)
        await writer.drain()

    async with line_to(serve, server_context, authority) as (transport, listener):
        transport.write(LARGE)
        assert not listener.can_write.is_set()
        assert transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]
        came = await until(listener, 32 + len(LARGE))
        assert listener.can_write.is_set()
        assert came == hashlib.sha256(LARGE).digest() + LARGE


async def test_whoever_does_not_want_more_gets_no_more(server_context: ssl.SSLContext, authority: Authority) -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for start in range(0, len(LARGE), 1 << 16):
            writer.write(LARGE[start : start + (1 << 16)])
            await writer.drain()
            sent += 1 << 16

    async with line_to(serve, server_context, authority) as (transport, listener):
        transport.pause_reading()
        assert not transport.is_reading()
        had, before = len(listener.data), -1
        while before < sent:  # until what lies between the two is full
            before = sent
            await asyncio.sleep(0.05)
        assert (len(listener.data), sent < len(LARGE)) == (had, True)
        transport.resume_reading()
        assert await until(listener, len(LARGE)) == LARGE


async def test_goodbye_is_said_and_heard(server_context: ssl.SSLContext, authority: Authority) -> None:
    ends = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        ends.set_result(await reader.read())

    async with line_to(serve, server_context, authority) as (transport, listener):
        transport.write(b"the last word")
        transport.close()
        transport.close()
        transport.write(b"too late")
        assert transport.is_closing()
        assert await ends == b"the last word"
        assert await listener.over is None


async def test_a_server_that_says_goodbye_ends_the_line(server_context: ssl.SSLContext, authority: Authority) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all of it")
        writer.close()

    async with line_to(serve, server_context, authority) as (_, listener):
        async with asyncio.timeout(10):
            assert await listener.over is None
        assert (bytes(listener.data), listener.said_goodbye) == (b"all of it", True)


async def test_attack_what_is_cut_off_is_not_taken_for_all_of_it(
    server_context: ssl.SSLContext, authority: Authority
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half of")
        await writer.drain()
        writer.transport.get_extra_info("socket").shutdown(2)

    async with line_to(serve, server_context, authority) as (_, listener):
        async with asyncio.timeout(10):
            assert isinstance(await listener.over, ServerUnreachableError)
        assert not listener.said_goodbye


async def test_what_else_a_transport_is_asked(server_context: ssl.SSLContext, authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with line_to(serve, server_context, authority) as (transport, listener):
        assert transport.get_protocol() is listener
        assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
        assert transport.get_extra_info("peername")[0] == "127.0.0.1"
        assert not transport.can_write_eof()


@contextlib.asynccontextmanager
async def commanded(authority: Authority, folder: Path, version: str) -> AsyncIterator[tuple[TlsServer, Listener]]:
    """A line to OpenSSL's own server, which does as it is told, and one hello from it."""
    terms = ServerTerms(folder / "server", (authority.der,), versions=(version,))
    with s_server(terms, commanded=True) as server:
        key = memory_key(authority)
        line, listener = await attach(await connect(server, key.key), Listener)
        server.command("hello")
        assert await until(listener, 6) == b"hello\n"
        yield server, listener
        line.abort()
        await listener.over
        assert len(key.signed) == 1


async def test_a_server_may_change_keys(authority: Authority, tmp_path: Path) -> None:
    async with commanded(authority, tmp_path, "TLSv1.3") as (server, listener):
        server.command("K")  # new keys, please, on your side too (RFC 8446 §4.6.3)
        async with asyncio.timeout(20):
            while b"again" not in listener.data:  # it takes a command by itself, or forgets what stands behind it
                server.command("again")
                await asyncio.sleep(0.02)
        assert not listener.over.done()


async def test_attack_a_server_that_has_us_answer_without_end_is_left(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "MAX_ANSWERS", -1)
    async with commanded(authority, tmp_path, "TLSv1.2") as (server, listener):
        server.command("r")
        async with asyncio.timeout(10):
            assert "without end" in str(await asyncio.shield(listener.over))


@pytest.mark.parametrize("command", ["r", "R"])
async def test_attack_nothing_is_agreed_upon_anew(authority: Authority, tmp_path: Path, command: str) -> None:
    """Neither a new handshake nor a request for a certificate within it reaches the key (OP_NO_RENEGOTIATION)."""
    async with commanded(authority, tmp_path, "TLSv1.2") as (server, listener):
        server.command(command)
        async with asyncio.timeout(10):
            assert isinstance(await asyncio.shield(listener.over), TlsError | None)


async def test_aiohttp_speaks_http_over_it(authority: Authority, tmp_path: Path) -> None:
    """Its own protocol of the client's side, which knows nothing of how the line came to be."""

    class Connector(aiohttp.BaseConnector):
        async def _create_connection(
            self,
            req: aiohttp.ClientRequest,
            traces: object,
            timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - as aiohttp has it
        ) -> ResponseHandler:
            line = await connect(server, memory_key(authority).key)
            return (await attach(line, lambda: ResponseHandler(self._loop)))[1]

    terms = ServerTerms(tmp_path / "server", (authority.der,), versions=("TLSv1.3",))
    with nginx(terms, "location /large { root .; }") as server:
        (server.folder / "large").write_bytes(LARGE)
        async with aiohttp.ClientSession(connector=Connector()) as session:
            async with session.get("https://localhost/") as answer:
                assert (await answer.text()).startswith("SUCCESS TLSv1.3")
            async with session.get("https://localhost/large") as answer:
                assert await answer.read() == LARGE
