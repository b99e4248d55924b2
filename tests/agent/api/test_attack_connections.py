"""Attacks on the listener: silence, crowds, floods, and another user of the workstation."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import subprocess
import sys

import pytest
from support.agent import PAGE, RunningAgent
from support.lines import DEADLINE_S, open_line, until

from agent.api import connections
from agent.api.connections import MAX_STRANGERS
from agent.cards import events

NOBODY = 65534
only_root = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user")


def read_all(line: socket.socket) -> bytes:
    with line:
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := line.recv(65_536):
                answer += piece
        return answer


@pytest.mark.parametrize("start", [b"", b"GET /v1/sta", b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1"])
async def test_attack_silent_connection_is_closed(
    agent: RunningAgent, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(connections, "FIRST_REQUEST_S", 0.05)
    line = open_line(agent.port, start)
    assert await asyncio.to_thread(read_all, line) == b""


async def test_attack_kept_connection_of_this_user_is_left_alone(
    agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "FIRST_REQUEST_S", 0.05)
    first = await asyncio.to_thread(http.client.HTTPConnection, "127.0.0.1", agent.port, timeout=DEADLINE_S)

    def ask() -> int:
        first.request("GET", "/v1/status")
        response = first.getresponse()
        response.read()
        return response.status

    assert await asyncio.to_thread(ask) == 200
    silent = open_line(agent.port)
    assert await asyncio.to_thread(read_all, silent) == b""  # later than `first`, so its time has passed as well
    assert await asyncio.to_thread(ask) == 200
    first.close()


async def test_attack_crowd_of_silent_connections_keeps_nobody_out(agent: RunningAgent) -> None:
    crowd = await asyncio.to_thread(lambda: [open_line(agent.port) for _ in range(4 * MAX_STRANGERS)])
    assert (await agent.page("GET", "/v1/status")).status == 200
    assert (await agent.program("GET", "/v1/cards")).status == 200
    await until(lambda: sum(is_closed(line) for line in crowd) >= 3 * MAX_STRANGERS)
    for line in crowd:
        line.close()


def is_closed(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        return line.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def test_attack_flood_behind_a_refusal_is_not_read(agent: RunningAgent) -> None:
    request = f"GET /v1/cards HTTP/1.1\r\nHost: evil.example:{agent.port}\r\n\r\n".encode()
    line = open_line(agent.port)

    def flood() -> bytes:
        with contextlib.suppress(ConnectionError, TimeoutError):
            line.sendall(request * 20_000)
        return read_all(line)

    answers = await asyncio.to_thread(flood)
    assert answers.count(b"HTTP/1.1 ") <= 1
    journal = await agent.ask(lambda client: client.journal())
    assert [entry["count"] for entry in journal if entry["outcome"] == "host-refused"] == [1]


OTHER_USER = """
import os, socket, sys
"a".encode("idna")  # loaded while the library can still be read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
port = int(sys.argv[1])
lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
request = sys.argv[2].replace("|", "\\r\\n").encode()
speaking = socket.create_connection(("127.0.0.1", port), timeout=10)
speaking.sendall(request)
answer = b""
while piece := speaking.recv(65536):
    answer += piece
print(answer.decode(), flush=True)
sys.stdin.read()
"""


@only_root
async def test_attack_another_user_with_the_token_and_two_hundred_connections(agent: RunningAgent) -> None:
    request = f"GET /v1/cards HTTP/1.1|Host: 127.0.0.1:{agent.port}|Authorization: Bearer {agent.token}||" * 3
    command = [sys.executable, "-I", "-c", OTHER_USER, str(agent.port), request]
    child = await asyncio.to_thread(subprocess.Popen, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        first = await asyncio.to_thread(child.stdout.readline)
        assert first.startswith("HTTP/1.1 403")
        assert (await agent.page("GET", "/v1/status", origin=PAGE)).status == 200
    finally:
        child.stdin.close()
        rest = await asyncio.to_thread(child.stdout.read)
        child.stdout.close()
        await asyncio.to_thread(child.wait)
    assert rest.count('"code": "peer-refused"') == 1
    assert "HTTP/1.1" not in rest
    assert "99900001" not in rest


async def test_attack_listener_that_never_reads_is_cut_off() -> None:
    bus = events.EventBus()
    with bus.subscription() as queue:
        for _ in range(10 * events.MAX_WAITING):
            bus.publish(events.Event(events.EventType.CARD_READY, "r"))
        assert queue.qsize() == events.MAX_WAITING + 1
