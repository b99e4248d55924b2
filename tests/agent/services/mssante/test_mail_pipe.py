"""The blind pipe: nothing is lost when a side hangs up, and nothing more passes once it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from support.mail_desk import until

from agent.services.mssante.pipe import Pipe


@dataclass
class Ends:
    """A pipe that runs, and what stands at its ends."""

    pipe: Pipe
    running: asyncio.Task[None]
    program: socket.socket
    server: socket.socket
    to_program: asyncio.StreamWriter


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    with contextlib.ExitStack() as stack:
        program, here, there, server = (
            stack.enter_context(each) for each in (*socket.socketpair(), *socket.socketpair())
        )
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # so that the agent has to keep what is not read
        halves = [await asyncio.open_connection(sock=each) for each in (here, there)]
        pipe = Pipe(*halves)
        running = asyncio.create_task(pipe.run())
        for outside in (program, server):
            outside.settimeout(10)
        yield Ends(pipe, running, program, server, halves[0][1])
        pipe.cut()
        await running


def read_all(outside: socket.socket) -> bytes:
    content = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := outside.recv(65536):
            content += piece
    return bytes(content)


async def test_what_a_server_says_last_arrives_whole(ends: Ends) -> None:
    said = bytes(range(256)) * 200
    ends.server.sendall(said)
    ends.server.shutdown(socket.SHUT_WR)
    await until(ends.to_program.is_closing)
    for _ in range(100):
        await asyncio.sleep(0)
    assert not ends.running.done()  # or else it would be cut, with what nobody has read yet
    assert await asyncio.to_thread(read_all, ends.program) == said
    await asyncio.wait_for(ends.running, 10)


async def test_what_a_program_says_last_arrives_whole(ends: Ends) -> None:
    ends.program.sendall(b"QUIT")
    ends.program.shutdown(socket.SHUT_WR)
    assert await asyncio.to_thread(read_all, ends.server) == b"QUIT"
    await asyncio.wait_for(ends.running, 10)


async def test_what_is_cut_is_cut_at_once(ends: Ends) -> None:
    ends.server.sendall(bytes(100_000))
    await until(ends.to_program.transport.get_write_buffer_size)
    ends.pipe.cut()
    assert len(await asyncio.to_thread(read_all, ends.program)) < 100_000
    await asyncio.wait_for(ends.running, 10)
