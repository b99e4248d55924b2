"""Where conversations stand when the door is handed from one run to the next, in one process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.door_stand_in import StandIn, frame
from support.lines import until
from support.open_door import OpenDoor, flood, open_door
from support.p11_client import P11Client, RefusedError

from agent.door import server as server_module
from agent.door.address import DoorPaths
from agent.door.childkeeper import ChildKeeper
from agent.door.connection import MAX_CALLS
from agent.door.cryptoki import CKR_FUNCTION_CANCELED, CKR_SESSION_HANDLE_INVALID
from agent.door.listening import AddressTakenError
from agent.door.server import DoorServer
from agent.door.visits import DoorState


@pytest.fixture
async def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenDoor]:
    monkeypatch.setattr(server_module, "ANSWER_S", 0.1)
    async with open_door(tmp_path) as opened:
        yield opened


@contextlib.asynccontextmanager
async def next_run(door: OpenDoor) -> AsyncIterator[StandIn]:
    """Hand over by what is written for the next run, and serve on."""
    left = await door.server.suspend()
    house = StandIn()
    server = DoorServer(house.open, door.journal, ChildKeeper)
    moved = {number: number for number in left.descriptors}
    await server.start(DoorPaths(door.path), DoorState.from_json(left.to_json(), moved))
    try:
        yield house
    finally:
        await server.stop()


async def test_listener_stays_and_its_file_too(door):
    before = door.path.lstat().st_ino
    async with next_run(door):
        assert door.path.lstat().st_ino == before
        with await door.connect() as client:
            assert await asyncio.to_thread(client.call, "GetInfo")
    assert not door.path.exists()


async def test_program_that_comes_between_two_runs_waits(door):
    left = await door.server.suspend()
    waiting = asyncio.create_task(door.connect())
    await asyncio.sleep(0)
    server = DoorServer(StandIn().open, door.journal, ChildKeeper)
    await server.start(DoorPaths(door.path), left)
    with await waiting as client:
        assert await asyncio.to_thread(client.call, "GetInfo")
    await server.stop()


@pytest.mark.parametrize("at", [1, 11, 12, 19])
async def test_message_that_is_not_whole_is_completed(door, at):
    request = frame(0x55, "GetInfo")
    with await door.connect() as client:
        client.raw(request[:at])
        await until(lambda: [one._frames.pending for one in door.server._connections] == [request[:at]])
        async with next_run(door) as house:
            client.raw(request[at:])
            assert (await asyncio.to_thread(client.receive)).code == 0x55
            assert [application.calls for application in house.opened] == [["GetInfo"]]


async def test_program_that_has_initialized_need_not_again(door):
    with await door.connect(2) as client, await door.connect() as other:
        await asyncio.to_thread(client.initialize)
        handle = await asyncio.to_thread(client.open_session, 1)
        async with next_run(door) as house:
            assert await asyncio.to_thread(client.refusal, "GetSessionInfo", handle) == CKR_SESSION_HANDLE_INVALID
            assert await asyncio.to_thread(client.open_session, 1)
            await asyncio.to_thread(other.refusal, "Finalize")
            applications = {application.modern: application.calls for application in house.opened}
        assert applications == {True: ["Initialize", "GetSessionInfo", "OpenSession"], False: ["Finalize"]}


async def test_question_is_taken_back_and_what_was_not_begun_is_left_to_the_next_run(door):
    with await door.connect() as client:
        codes = [client.send("WaitForSlotEvent", 0) for _ in range(MAX_CALLS)]
        codes.append(client.send("GetInfo"))
        await until(lambda: len(door.asked) == MAX_CALLS)
        async with next_run(door) as house:
            replies = {}
            for _ in codes:
                reply = await asyncio.to_thread(client.receive)
                replies[reply.code] = reply
            assert client.finish(replies[codes[-1]])
            assert {refusal(client, replies[code]) for code in codes[:-1]} == {CKR_FUNCTION_CANCELED}
            assert house.opened[0].calls == ["GetInfo"]
    assert door.house.opened[0].cancelled == MAX_CALLS
    assert door.house.opened[0].closed


def refusal(client: P11Client, reply) -> int:
    with pytest.raises(RefusedError) as error:
        client.finish(reply)
    return error.value.rv


async def test_program_that_does_not_take_its_answers_is_not_waited_for(door):
    with await door.connect() as deaf, await door.connect() as other:
        deaf.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            await flood(deaf.socket, frame(0x10, "GetInfo") * 1000)
        async with next_run(door):
            assert await asyncio.to_thread(other.call, "GetInfo")


async def test_program_that_has_not_said_its_version(door):
    reader, writer = await asyncio.open_unix_connection(door.path)
    await until(lambda: door.server._connections)
    async with next_run(door):
        writer.write(b"\x01")
        assert await reader.read(1) == b"\x01"
        writer.close()
        await writer.wait_closed()


async def test_program_that_left_meanwhile(door):
    client = await door.connect()
    await asyncio.to_thread(client.call, "GetInfo")
    left = await door.server.suspend()
    client.close()
    house = StandIn()
    server = DoorServer(house.open, door.journal, ChildKeeper)
    await server.start(DoorPaths(door.path), left)
    await until(lambda: not server._connections)
    await server.stop()


async def test_listener_whose_file_is_gone_is_made_anew(door):
    left = await door.server.suspend()
    door.path.unlink()
    server = DoorServer(StandIn().open, door.journal, ChildKeeper)
    await server.start(DoorPaths(door.path), left)
    with await door.connect() as client:
        assert await asyncio.to_thread(client.call, "GetInfo")
    await server.stop()


async def test_address_that_was_lost_turns_programs_away(door):
    with await door.connect() as client:
        assert await asyncio.to_thread(client.call, "GetInfo")
        left = await door.server.suspend()
        door.path.unlink()
        door.path.mkdir()
        server = DoorServer(StandIn().open, door.journal, ChildKeeper)
        with pytest.raises(AddressTakenError):
            await server.start(DoorPaths(door.path), left)
        client.send("GetInfo")  # as a program does that waits for nothing: nobody kills it
        with pytest.raises(EOFError):
            await asyncio.to_thread(client.receive)
        client.send("GetInfo")
        await server.stop()
    door.path.rmdir()


async def test_door_that_stays_closed_gives_its_address_back(door):
    with await door.connect() as client:
        left = await door.server.suspend()
        server = DoorServer(StandIn().open, door.journal, ChildKeeper)
        await server.stay_closed(left)
        assert not door.path.exists()
        with pytest.raises(EOFError):
            await asyncio.to_thread(client.receive)
        await server.stop()


async def test_keeper_that_ended_between_two_runs_is_replaced(door):
    with await door.connect() as client:
        assert await asyncio.to_thread(client.call, "GetInfo")
        left = await door.server.suspend()
        pid = left.keeper[0]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not Path(f"/proc/{pid}").exists())
        server = DoorServer(StandIn().open, door.journal, ChildKeeper)
        await server.start(DoorPaths(door.path), left)
        assert await asyncio.to_thread(client.call, "GetInfo")
        await until(lambda: server._keeper._line)
        folder = Path(f"/proc/{server._keeper._pid}/fd")
        await until(
            lambda: [entry.is_socket() for entry in folder.iterdir()].count(True) == 2
        )  # the line, and the program
        await server.stop()
