"""Programs that say anything, cut anywhere, and leave in any way: nothing of them is left, and others are served."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from struct import pack

import pytest
from support.door_stand_in import frame
from support.lines import until
from support.open_door import OpenDoor, open_door

from agent.door.values import Attribute, AttributesAnswer

AT_ONCE, PROGRAMS = 12, 240
ABORT = pack("ii", 1, 0)
"""struct linger: a close that says nothing (socket(7))."""


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        opened.house.on_attributes = lambda *_: (AttributesAnswer((Attribute(0x11, bytes(60_000)),), 0),)
        yield opened


class Rude:
    """One program: what it says comes of its seed."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path = path
        self._random = random.Random(seed)

    async def visit(self) -> None:
        line = socket.socket(socket.AF_UNIX)
        line.setblocking(False)
        loop = asyncio.get_running_loop()
        with line, contextlib.suppress(OSError, TimeoutError):
            await loop.sock_connect(line, str(self._path))
            async with asyncio.timeout(0.3):
                for piece in self._cut(b"".join(self._speech())):
                    await loop.sock_sendall(line, piece)
                    await self._act(line)
            self._leave(line)

    def _speech(self) -> Iterator[bytes]:
        yield bytes([self._random.randrange(256)])
        for _ in range(self._random.randrange(60)):
            yield self._nonsense() if self._random.randrange(60) == 0 else self._call()

    def _call(self) -> bytes:
        said = frame(self._random.randrange(1 << 32), *self._random.choice(CALLS))
        if self._random.randrange(60) == 0:  # a bit of it is another one
            at = self._random.randrange(len(said))
            said = said[:at] + bytes([said[at] ^ 1 << self._random.randrange(8)]) + said[at + 1 :]
        return said

    def _nonsense(self) -> bytes:
        body = self._random.randbytes(self._random.randrange(40))
        length = len(body) if self._random.randrange(8) else self._random.randrange(1 << 32)
        return pack(">III", self._random.randrange(1 << 32), 0, length) + body

    def _cut(self, speech: bytes) -> Iterator[bytes]:
        while speech:
            size = self._random.choice((1, 3, 12, 20, 500, 2000, 20_000))
            yield speech[:size]
            speech = speech[size:]

    async def _act(self, line: socket.socket) -> None:
        action = self._random.randrange(4)
        if action == 0:
            with contextlib.suppress(BlockingIOError):
                line.recv(self._random.choice((1, 100, 100_000)))
        elif action == 1:
            await asyncio.sleep(self._random.choice((0, 0.001, 0.003)))

    def _leave(self, line: socket.socket) -> None:
        way = self._random.randrange(4)
        if way == 0:
            line.shutdown(socket.SHUT_WR)
        elif way == 1:
            line.shutdown(socket.SHUT_RD)
        elif way == 2:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)


CALLS = (
    ("Initialize", b"", 0, None),
    ("Finalize",),
    ("GetInfo",),
    ("OpenSession", 1, 4),
    ("GetSessionInfo", 1),
    ("WaitForSlotEvent", 0),
    ("GetAttributeValue", 1, 1, ()),
    ("SignUpdate", 1, bytes(5000)),
    ("Login", 1, 1, b"1234"),
)


def count_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, not paths


@pytest.mark.parametrize("seed", range(3))
async def test_attack_anything_said_in_any_way(door: OpenDoor, caplog: pytest.LogCaptureFixture, seed: int) -> None:
    caplog.set_level(logging.ERROR)
    before = count_descriptors()
    programs = iter([Rude(door.path, seed * PROGRAMS + number) for number in range(PROGRAMS)])

    async def come_and_go() -> None:
        for program in programs:
            await program.visit()

    await asyncio.gather(*(come_and_go() for _ in range(AT_ONCE)))
    await until(lambda: not door.server._connections)
    assert len(door.house.opened) > AT_ONCE
    assert all(application.closed for application in door.house.opened)
    with await door.connect() as client:
        assert await asyncio.to_thread(client.call, "GetInfo")
    await until(lambda: not door.server._connections)
    await until(lambda: count_descriptors() <= before + 1)  # the keeper's line, while it lives
    assert [record.message for record in caplog.records] == []
