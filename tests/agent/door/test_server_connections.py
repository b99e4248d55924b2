"""Connections of the door: handshake, order, caps, bad bytes, programs that go away, and whose they are."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.door_stand_in import frame
from support.lines import until
from support.open_door import OpenDoor, flood, open_door
from support.p11_client import RefusedError

from agent.door import connection as connection_module
from agent.door.connection import MAX_CALLS
from agent.door.cryptoki import (
    CKR_FUNCTION_CANCELED,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_GENERAL_ERROR,
    CKR_SESSION_HANDLE_INVALID,
)
from agent.door.server import MAX_CONNECTIONS

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
SLEEP = shutil.which("sleep") or "/bin/sleep"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[OpenDoor]:
    async with open_door(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("offered", "answered", "modern"), [(0, 0, False), (1, 1, False), (2, 2, True), (255, 2, True)]
)
async def test_version_that_both_sides_speak(door, offered, answered, modern):
    with await door.connect(offered) as client:
        assert client.agreed == answered
        assert await asyncio.to_thread(client.call, "Finalize") == ()
    assert door.house.opened[0].modern == modern


async def test_calls_share_an_application_and_connections_do_not(door):
    with await door.connect() as one, await door.connect() as other:
        handle = await asyncio.to_thread(one.open_session, 1)
        assert await asyncio.to_thread(one.refusal, "GetSessionInfo", handle) == 0
        assert await asyncio.to_thread(other.refusal, "GetSessionInfo", handle) == CKR_SESSION_HANDLE_INVALID
    await until(lambda: all(application.closed for application in door.house.opened))


async def test_answers_come_in_any_order(door):
    question = asyncio.Event()
    door.house.on_wait = question.wait
    with await door.connect() as client:
        slow = client.send("WaitForSlotEvent", 0)
        assert await asyncio.to_thread(client.call, "GetInfo")
        question.set()
        assert (await asyncio.to_thread(client.receive)).code == slow


async def test_call_that_is_not_taken_is_answered(door):
    with await door.connect() as client:
        assert await asyncio.to_thread(client.refusal, "GetSlotInfo", 1) == CKR_FUNCTION_NOT_SUPPORTED
        assert await asyncio.to_thread(client.call, "GetInfo")


async def test_defect_costs_one_call_and_its_message_stays_out_of_the_log(door, caplog):
    with await door.connect() as client:
        assert await asyncio.to_thread(client.refusal, "Logout", 1) == CKR_GENERAL_ERROR
        assert await asyncio.to_thread(client.call, "GetInfo")
    assert "C_Logout failed: RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text
    caplog.clear()


async def test_frames_in_crumbs(door):
    with await door.connect() as client:
        for byte in frame(0x77, "GetInfo"):
            client.socket.sendall(bytes([byte]))
            await asyncio.sleep(0)
        assert (await asyncio.to_thread(client.receive)).code == 0x77


async def test_frames_in_a_heap_are_each_answered_once(door):
    with await door.connect() as client:
        heap = b"".join(frame(code, "GetInfo") for code in range(1000, 1500))
        sending = asyncio.create_task(asyncio.to_thread(client.socket.sendall, heap))
        codes = [(await asyncio.to_thread(client.receive)).code for _ in range(500)]
        await sending
    assert sorted(codes) == list(range(1000, 1500))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff" * 12,
        b"\0" * 12,
        b"\0\0\0\x10\0\0\0\0\0\0\0\x04abcd",
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(8) + b"\x7f\xff\xff\xff",
    ],
)
async def test_attack_bytes_that_are_no_request_end_the_connection_and_are_not_quoted(door, garbage, caplog):
    caplog.set_level(logging.INFO)
    with await door.connect() as client:
        await asyncio.to_thread(client.call, "GetInfo")
        client.socket.sendall(garbage)
        with pytest.raises((EOFError, ConnectionError)):
            await asyncio.to_thread(client.receive)
    assert caplog.text.count("no request") == 1
    assert "HTTP" not in caplog.text
    with await door.connect() as client:
        assert await asyncio.to_thread(client.call, "GetInfo")


async def test_attack_nonsense_without_end_does_not_fill_the_log(door, caplog):
    for _ in range(50):
        with await door.connect() as client:
            client.raw(b"\xff" * 12)
            with pytest.raises((EOFError, ConnectionError)):
                await asyncio.to_thread(client.receive)
    assert caplog.text.count("no request") == 1


async def test_program_that_goes_away_takes_its_questions_back(door):
    with await door.connect() as client:
        client.send("WaitForSlotEvent", 0)
        await until(lambda: "WaitForSlotEvent" in door.asked)
    await until(lambda: door.house.opened[0].closed)
    assert door.house.opened[0].cancelled == 1


async def test_half_closed_program_waits_for_nothing(door):
    with await door.connect() as client:
        client.send("WaitForSlotEvent", 0)
        client.socket.shutdown(socket.SHUT_WR)
        with pytest.raises((EOFError, ConnectionError)):
            await asyncio.to_thread(client.receive)


async def test_attack_endless_questions_stop_being_read(door):
    with await door.connect() as client:
        client.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            await flood(client.socket, frame(0x10, "WaitForSlotEvent", 0) * 10_000)
        assert len(door.asked) == MAX_CALLS
    await until(lambda: not door.server._connections or door.house.opened[0].closed)


async def test_calls_beyond_the_cap_wait_their_turn(door):
    turn = asyncio.Event()
    door.house.on_wait = turn.wait
    with await door.connect() as client:
        codes = [client.send("WaitForSlotEvent", 0) for _ in range(MAX_CALLS + 5)]
        await until(lambda: len(door.asked) == MAX_CALLS)
        turn.set()
        answered = [(await asyncio.to_thread(client.receive)).code for _ in codes]
    assert sorted(answered) == codes


async def test_attack_reader_that_never_reads_is_not_answered_without_end(door):
    with await door.connect() as client:
        client.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            await flood(client.socket, frame(0x10, "GetInfo") * 1000)
        (connection,) = door.server._connections
        assert connection._transport.get_write_buffer_size() < 1024 * 1024
        client.socket.setblocking(True)
        assert (await asyncio.to_thread(client.receive)).code == 0x10


async def test_attack_more_connections_than_there_can_be(door):
    clients = [await door.connect() for _ in range(MAX_CONNECTIONS)]
    for _ in range(3):
        with pytest.raises((EOFError, ConnectionError)):
            await door.connect()
    assert await asyncio.to_thread(clients[0].call, "GetInfo")
    await until(lambda: not door.server._notes)
    assert await door.journal_of() == [("door", "too-many-requests", 1)]
    clients.pop().close()
    await until(lambda: len(door.server._connections) < MAX_CONNECTIONS)
    clients.append(await door.connect())
    for client in clients:
        client.close()


async def test_silent_connection_is_dropped(door, monkeypatch):
    monkeypatch.setattr(connection_module, "HANDSHAKE_S", 0.05)
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(20)
        line.connect(str(door.path))
        assert await asyncio.to_thread(line.recv, 1) == b""


STRANGER = """
import os, socket, sys
line = socket.socket(socket.AF_UNIX)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    line.connect(sys.argv[1])
    line.sendall(b"\\0")
    print(line.recv(1))
except OSError as error:
    print(error.strerror)
"""


def ask_as_stranger(path: Path) -> str:
    command = [sys.executable, "-I", "-c", STRANGER, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@only_root
async def test_attack_other_user_finds_a_closed_door(door):
    assert await asyncio.to_thread(ask_as_stranger, door.path) == "Permission denied"


@only_root
async def test_attack_other_user_who_gets_at_the_socket_is_refused_and_written_down(door, tmp_path):
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(0o711)
    door.path.chmod(0o666)
    for _ in range(3):
        assert await asyncio.to_thread(ask_as_stranger, door.path) in ("b''", "Connection reset by peer", "Broken pipe")
    await until(lambda: not door.server._notes)
    assert await door.journal_of() == [("door", "peer-refused", 3)]
    assert not door.house.opened


PROGRAM = """
import os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.sendall(b"\\0")
line.recv(1)
line.sendall(bytes.fromhex(sys.argv[2]))
line.recv(1)
sys.stdin.readline()
os.set_inheritable(line.fileno(), True)
if sys.argv[3] == "exec":
    os.execv(sys.argv[4], [sys.argv[4], "60"])
elif os.fork():
    os._exit(0)
else:
    sys.stdin.read()
"""


@pytest.mark.parametrize("becomes", ["exec", "fork"])
async def test_attack_program_that_becomes_another_has_no_name(door, becomes):
    command = [sys.executable, "-I", "-c", PROGRAM, str(door.path), frame(0x10, "GetInfo").hex(), becomes, SLEEP]
    child = await asyncio.to_thread(subprocess.Popen, command, stdin=subprocess.PIPE)
    try:
        await until(lambda: door.house.opened)
        program = door.house.opened[0].program
        assert program.name() == os.path.realpath(sys.executable)
        assert (program.pid, program.user) == (child.pid, "root" if os.geteuid() == 0 else program.user)
        child.stdin.write(b"go\n")
        child.stdin.flush()
        await until(lambda: program.name() == "")
        assert not door.house.opened[0].closed
    finally:
        child.kill()
        child.stdin.close()
        await asyncio.to_thread(child.wait)
    await until(lambda: door.house.opened[0].closed)


async def test_end_of_the_door_answers_what_was_asked(door, monkeypatch):
    monkeypatch.setattr("agent.door.server.ANSWER_S", 0.05)
    with await door.connect() as client:
        client.send("WaitForSlotEvent", 0)
        await until(lambda: door.house.opened)
        await door.server.stop()
        with pytest.raises(RefusedError) as refusal:
            client.finish(await asyncio.to_thread(client.receive))
        assert refusal.value.rv == CKR_FUNCTION_CANCELED
        with pytest.raises(EOFError):
            await asyncio.to_thread(client.receive)
    assert not door.path.exists()


async def test_round_trip_takes_no_time(door):
    with await door.connect() as client:
        handle = await asyncio.to_thread(client.open_session, 1)

        def measure() -> float:
            begun = time.perf_counter()
            for _ in range(200):
                assert client.call("GetSessionInfo", handle)
            return (time.perf_counter() - begun) / 200

        best = min([await asyncio.to_thread(measure) for _ in range(5)])
    assert best < 0.002  # both ends are this process, which shares one interpreter lock
