"""A server that begins anew on a line that stands, to have the key sign once more: it signs nothing, and nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.tls_clients import Listener
from support.tls_keys import CountedKey
from support.tls_servers import Authority, ServerTerms

from agent.services.tls.context import make_context
from agent.services.tls.errors import TlsError
from agent.services.tls.line import LineRequest, open_line
from agent.services.tls.transport import attach


@contextlib.asynccontextmanager
async def obeying(terms: ServerTerms, version: str) -> AsyncIterator[tuple[int, asyncio.StreamWriter]]:
    """OpenSSL's server, which does what it is told on its input: R begins anew and asks for the key (s_server(1))."""
    terms.write()
    own = ["-cert", "server.pem", "-key", "server.key", "-Verify", "4", "-CAfile", "clients.pem", version]
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-accept", "127.0.0.1:0", *own),
        cwd=terms.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    assert process.stdout
    try:
        while not (line := await process.stdout.readline()).startswith(b"ACCEPT"):
            assert line, "s_server did not start"
        yield int(line.rpartition(b":")[2]), process.stdin
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("command", [b"R\n", b"r\n"])
async def test_attack_renegotiation(cps3: CountedKey, authority: Authority, tmp_path: Path, command: bytes) -> None:
    terms = ServerTerms(tmp_path / "server", cps3.authorities_der, authority)
    async with asyncio.timeout(20), obeying(terms, "-tls1_2") as (port, server):
        line = await open_line(LineRequest("localhost", port, make_context(cps3.key, [authority.der])))
        _, listener = await attach(line, Listener)
        server.write(command)
        assert isinstance(await listener.over, TlsError)
        assert len(cps3.signed) == 1


async def test_attack_a_certificate_that_is_asked_for_later(
    cps4: CountedKey, authority: Authority, tmp_path: Path
) -> None:
    """TLS 1.3 has it (RFC 8446 §4.6.2) for clients that offer it: ours does not."""
    terms = ServerTerms(tmp_path / "server", cps4.authorities_der, authority)
    async with asyncio.timeout(20), obeying(terms, "-tls1_3") as (port, server):
        line = await open_line(LineRequest("localhost", port, make_context(cps4.key, [authority.der])))
        transport, listener = await attach(line, Listener)
        for command in (b"c\n", b"K\n", b"hello\n"):  # K: new keys, to which we have to answer
            server.write(command)
            await asyncio.sleep(0.05)  # it takes what comes at once for one command
        while b"hello" not in listener.data:
            server.write(b"hello\n")
            await asyncio.sleep(0.05)
        assert len(cps4.signed) == 1
        transport.abort()
        await listener.over
