"""Programs that ask for more than there is room for: they wait at their own cost, and nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from struct import pack

import pytest
from support.door_stand_in import frame
from support.lines import until
from support.open_door import OpenDoor, open_door

from agent.door.connection import LIGHT, MAX_CALLS, MAX_PENDING, Connection
from agent.door.cursor import MAX_ATTRIBUTES
from agent.door.frames import LONGEST, MAX_BODY
from agent.door.server import MAX_CONNECTIONS, MAX_KEPT
from agent.door.values import Attribute, AttributesAnswer

PART = 1024 * 1024
LONG = 16 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


async def send_until_full(line: socket.socket, heap: bytes, most: int) -> int:
    """How much the other side takes before it takes no more; at most `most` bytes."""
    line.setblocking(False)
    sent = quiet = 0
    view = memoryview(heap)
    while sent < most and quiet < 50:
        try:
            sent += line.send(view[sent % len(heap) :])
            quiet = 0
        except BlockingIOError:
            quiet += 1
        await asyncio.sleep(0.002)
    return sent


async def test_attack_long_messages_that_wait_are_not_kept_without_end(door):
    """Sixty-four calls of a megabyte each, in a session that waits for a person."""
    door.house.on_sign_update = asyncio.Event().wait
    with await door.connect() as client:
        await asyncio.to_thread(client.call, "GetInfo")
        heap = frame(0x10, "SignUpdate", 1, bytes(PART))
        assert await send_until_full(client.socket, heap, MAX_CALLS * len(heap)) < MAX_PENDING + 4 * PART
        assert door.asked.count("SignUpdate") <= MAX_PENDING // PART + 1
        with await door.connect() as other:
            assert await asyncio.to_thread(other.call, "GetInfo")


async def test_long_messages_are_read_on_when_their_turn_has_come(door):
    turn = asyncio.Event()
    door.house.on_sign_update = turn.wait
    count = MAX_PENDING // PART + 6
    with await door.connect() as client:
        sending = asyncio.create_task(asyncio.to_thread(send_all, client, count))
        await until(lambda: door.asked.count("SignUpdate") >= MAX_PENDING // PART)
        turn.set()
        await sending
        codes = [(await asyncio.to_thread(client.receive)).code for _ in range(count)]
    assert len(set(codes)) == count


def send_all(client, count):
    for _ in range(count):
        client.send("SignUpdate", 1, bytes(PART))


@pytest.mark.parametrize("count", [MAX_CALLS - 1, MAX_CALLS, MAX_CALLS + 1])
async def test_as_many_calls_as_there_can_be_at_once_and_one_after_them(door, count):
    turn = asyncio.Event()
    door.house.on_wait = turn.wait
    with await door.connect() as client:
        codes = [client.send("WaitForSlotEvent", 0) for _ in range(count)]
        await until(lambda: len(door.asked) == min(count, MAX_CALLS))
        turn.set()
        assert sorted([(await asyncio.to_thread(client.receive)).code for _ in codes]) == codes
        assert await asyncio.to_thread(client.call, "GetInfo")


async def test_attack_long_answers_that_nobody_reads_are_not_made(door):
    """Each asks for the longest value there is, as often as a message can; one or two answers are kept, not all."""
    answer = AttributesAnswer((Attribute(0x11, bytes(LONG)),) * MAX_ATTRIBUTES, 0)
    made = []

    def tell(*_: object) -> tuple[AttributesAnswer]:
        made.append(answer)
        return (answer,)

    door.house.on_attributes = tell
    with await door.connect() as client:
        await asyncio.to_thread(client.call, "GetInfo")
        client.raw(frame(0x10, "GetAttributeValue", 1, 1, ()) * MAX_CALLS)
        with await door.connect() as other:
            for _ in range(20):
                await asyncio.to_thread(other.call, "GetInfo")
        assert len(made) <= 2
        for _ in range(MAX_CALLS):
            await asyncio.to_thread(client.receive)


async def test_attack_long_messages_that_are_never_whole_are_not_kept_by_the_dozen(door):
    """A program with as many connections as there can be, each one byte short of the longest message."""
    beginning = pack(">III", 0x10, 0, MAX_BODY) + bytes(MAX_BODY - 1)
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(await door.connect()) for _ in range(MAX_CONNECTIONS - 1)]
        for line in lines:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(line.raw, beginning)
        other = stack.enter_context(await door.connect())
        assert await asyncio.to_thread(other.call, "GetInfo")
        kept = [connection.weight for connection in door.server._connections]
        assert sum(kept) <= MAX_KEPT + LONGEST
        assert len(kept) < len(lines)
        assert LIGHT < max(kept) <= LONGEST


async def test_attack_calls_that_are_not_taken_delay_nobody_more_than_others(door, monkeypatch):
    """Eight hundred at a time: another program's turn comes between them."""
    answered, write = [], Connection._write

    def note(self: Connection, code: int, body: bytes) -> None:
        answered.append(code)
        write(self, code, body)

    monkeypatch.setattr(Connection, "_write", note)
    heap = (pack(">III", 0x1000, 0, 8) + pack(">II", 200, 0)) * 800
    with await door.connect() as client, await door.connect() as other:
        await asyncio.to_thread(other.call, "GetInfo")
        client.raw(heap)
        code = other.send("GetInfo")  # the loop has not seen the flood before this
        assert (await asyncio.to_thread(other.receive)).code == code
        assert [(await asyncio.to_thread(client.receive)).code for _ in range(800)] == [0x1000] * 800
    assert answered[1:].index(code) < 4 * MAX_CALLS
