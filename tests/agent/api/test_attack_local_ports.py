"""A local port of a service: plain HTTP of a program of this user whose executable was agreed to, and nothing else."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.agent import Answer, call, running_agent
from support.gateway import Gateway, open_gateway
from support.ports import free_port

from agent.people.prompt import ConfirmRequest, PinRequest
from drivers.virtual.link import VirtualReaders

XML = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"x"'}
SEEN: list[tuple[str, dict[str, str], bytes]] = []


async def take(request: web.Request) -> web.Response:
    SEEN.append((request.raw_path, dict(request.headers), await request.read()))
    return web.Response(body=b"<done/>", content_type="text/xml")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def gateway(folder: Path, readers: VirtualReaders, port: int) -> AsyncIterator[Gateway]:
    SEEN.clear()
    more = f'local_port = {port}\nmethods = ["POST", "GET"]\n'
    async with open_gateway(folder, readers, {"soap": take}, more) as opened:
        yield opened


async def say(port: int, headers: dict[str, str] = XML, **more: Any) -> Answer:
    method, path, body = more.get("method", "POST"), more.get("path", "/app/soap"), more.get("body", b"<a/>")
    return await asyncio.to_thread(call, port, method, path, body, headers, more.get("host", "127.0.0.1"))


async def test_software_that_cannot_be_changed_reaches_the_service(gateway: Gateway, port: int) -> None:
    for host in ("127.0.0.1", "::1"):
        headers = XML | {"Authorization": "Bearer of-the-service"}
        answer = await say(port, headers, host=host, path="/app/soap?a=b")
        assert (answer.status, answer.body) == (200, b"<done/>"), answer.body
    for path, headers, body in SEEN:
        assert (path, body) == ("/app/soap?a=b", b"<a/>")
        assert headers["Authorization"] == "Bearer of-the-service"
        assert headers["SOAPAction"] == '"x"'
    confirm, pin = gateway.person.asked
    assert isinstance(confirm, ConfirmRequest)
    assert "gateway" in confirm.abilities
    assert "python" in confirm.asker.caller
    assert isinstance(pin, PinRequest)


async def test_a_client_that_waits_for_100_continue_and_sends_in_pieces(
    gateway: Gateway, port: int, tmp_path: Path
) -> None:
    (tmp_path / "body").write_bytes(b"x" * 2_000_000)
    options = ["-H", "Content-Type: text/xml", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"]
    options += [
        "--expect100-timeout",
        "30",
        "--data-binary",
        f"@{tmp_path / 'body'}",
        "-w",
        "%{http_code} %{time_total}",
    ]
    command = ["curl", "-s", *options, f"http://localhost:{port}/app/soap"]
    told = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
    status, seconds = told.stdout.removeprefix("<done/>").split()
    assert status == "200"
    assert float(seconds) < 20
    ((_, headers, body),) = SEEN
    assert (len(body), headers.get("Transfer-Encoding")) == (2_000_000, "chunked")
    assert "Expect" not in headers


REFUSED: tuple[tuple[dict[str, Any], dict[str, str], str], ...] = (
    ({}, {"Origin": "https://evil.example"}, "origin-refused"),
    ({}, {"Origin": "null"}, "origin-refused"),
    ({}, {"Origin": "http://127.0.0.1:27710"}, "origin-refused"),
    ({}, {"Referer": "https://evil.example/"}, "origin-refused"),
    ({}, {"Cookie": "a=b"}, "origin-refused"),
    ({}, {"Sec-Fetch-Site": "cross-site"}, "origin-refused"),
    ({}, {"Sec-Fetch-Mode": "navigate"}, "origin-refused"),
    ({}, {"Sec-CH-UA": "x"}, "origin-refused"),
    ({"method": "OPTIONS"}, {"Access-Control-Request-Method": "POST"}, "origin-refused"),
    ({}, {"Host": "evil.example"}, "host-refused"),
    ({}, {"Host": "127.0.0.1"}, "host-refused"),
    ({}, {"Host": "localhost.:1"}, "host-refused"),
    ({}, {"Content-Type": "text/plain"}, "unsupported-media"),
    ({}, {"Content-Type": "application/x-www-form-urlencoded"}, "unsupported-media"),
    ({}, {"Content-Type": "multipart/form-data; boundary=a"}, "unsupported-media"),
    ({}, {"Content-Type": ""}, "unsupported-media"),
    ({"method": "DELETE"}, {}, "bad-request"),
    ({"path": "/app/../x"}, {}, "target-refused"),
    ({"path": "//evil.example/x"}, {}, "target-refused"),
    ({"path": "http://evil.example/x"}, {}, "host-refused"),
    ({"path": "/app/%2e%2e/x"}, {}, "target-refused"),
)


async def test_what_a_browser_or_a_stranger_sends_is_refused_and_nobody_asked(gateway: Gateway, port: int) -> None:
    for more, headers, code in REFUSED:
        answer = await say(port, XML | headers, **more)
        assert answer.code == code, (more, headers, answer.body)
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert not SEEN
    assert not gateway.person.asked


async def test_the_token_is_worth_nothing_there_and_goes_nowhere_by_mistake(gateway: Gateway, port: int) -> None:
    with_token = XML | {"Authorization": f"Bearer {gateway.agent.token}"}
    in_other_words = [f"bearer  {gateway.agent.token}", gateway.agent.token, f'Token token="{gateway.agent.token}"']
    gateway.person.agrees = False
    assert (await say(port, with_token)).code == "grant-refused"
    assert not SEEN
    await gateway.agent.program("DELETE", "/v1/denials")
    gateway.person.agrees = True
    for value in (with_token["Authorization"], *in_other_words):
        assert (await say(port, XML | {"Authorization": value})).status == 200
    assert len(SEEN) == 4
    assert gateway.agent.token not in str(SEEN)


async def test_a_grant_that_is_taken_back_closes_the_way(gateway: Gateway, port: int) -> None:
    assert (await say(port)).status == 200
    (grant,) = await gateway.agent.ask(lambda client: client.grants())
    await gateway.agent.program("DELETE", f"/v1/grants/{grant['id']}")
    gateway.person.agrees = False
    assert (await say(port)).code == "grant-refused"
    assert len(SEEN) == 1


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can become another user")
async def test_another_user_of_the_workstation_is_refused(gateway: Gateway, port: int) -> None:
    command = ["curl", "-s", "-H", "Content-Type: text/xml", "-d", "<a/>", f"http://127.0.0.1:{port}/app/soap"]
    run = partial(subprocess.run, command, capture_output=True, text=True, user=65534, cwd="/", timeout=20)
    told = await asyncio.to_thread(run, check=False)
    assert json.loads(told.stdout)["code"] == "peer-refused"
    assert not gateway.person.asked


async def test_a_software_certificate_is_named_by_the_list(folder: Path, readers: VirtualReaders, port: int) -> None:
    more = f'local_port = {port}\ncertificate = "software"\nlocal_certificate = "S0A1B2C3D4E5F607"\n'
    async with open_gateway(folder, readers, {"soap": take}, more) as gateway:
        answer = await say(port)
        assert answer.code == "card-absent"
        entry = (await gateway.journal("use-local-port"))[0]
        assert (entry["outcome"], entry["subject"]) == ("card-absent", "Essai (localhost)")


async def test_the_agents_own_routes_are_not_there(gateway: Gateway, port: int) -> None:
    gateway.person.agrees = False
    answer = await say(port, {}, method="GET", path="/v1/status", body=None)
    assert answer.code in {"grant-refused", "target-refused"}


async def test_another_users_port_is_left_alone(
    folder: Path, readers: VirtualReaders, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket(socket.AF_INET) as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        async with open_gateway(folder, readers, {}, f"local_port = {port}\n") as gateway:
            assert (await gateway.agent.program("GET", "/v1/status")).status == 200
    assert f"port {port}" in caplog.text


async def test_a_list_that_cannot_be_read_costs_the_ports_alone(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "services.toml").write_text("[services.x]\n")
    async with running_agent(folder, services=folder / "services.toml") as agent:
        assert (await agent.program("GET", "/v1/status")).status == 200
    assert "services.toml" in caplog.text


async def test_without_a_port_in_the_list_nothing_listens(folder: Path, readers: VirtualReaders, port: int) -> None:
    async with open_gateway(folder, readers, {}):
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/")
