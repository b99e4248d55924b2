"""However a line to a service ends, nothing of it stays: no thread, no task, no descriptor, no key, no context of TLS."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from support.gateway import Gateway, open_gateway
from support.lines import until

from agent.people.presence import AwayReason
from agent.services.tls.provider import load_provider
from drivers.virtual.link import VirtualReaders

SOAP = "http://www.w3.org/2003/05/soap-envelope"
MESSAGE = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/></s:Body></s:Envelope>'.encode()
PATIENT = {"ins": "207058575627097", "kind": "test"}


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type="application/soap+xml")


def count() -> dict[str, int]:
    gc.collect()
    objects = gc.get_objects()
    return {
        "threads of TLS": sum(thread.name.startswith("cps-agent-tls") for thread in threading.enumerate()),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "keys": len(load_provider().keys),
        "signatures": len(load_provider().signings),
        "contexts": sum(isinstance(each, ssl.SSLContext) for each in objects),
        "lines": sum(isinstance(each, ssl.SSLObject) for each in objects),
    }


def is_all_gone(now: dict[str, int], at_first: dict[str, int]) -> bool:
    return all(now[name] <= at_first[name] for name in ("lines", "keys", "signatures", "threads of TLS"))


async def wait(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def flow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def lock(gateway: Gateway) -> None:
    gateway.presence.leave(AwayReason.LOCKED)


async def close(gateway: Gateway) -> None:
    await gateway.agent.program("DELETE", "/v1/gateway/essai")


async def idle(gateway: Gateway) -> None:
    assert (await gateway.ask("GET", "essai/")).status == 200
    await lock(gateway)


async def refused(gateway: Gateway) -> None:
    gateway.person.pin = "9999"
    assert (await gateway.ask("GET", "essai/")).code == "pin-wrong"
    gateway.person.pin = "1234"
    assert (await gateway.ask("GET", "essai/")).status == 200
    await close(gateway)


async def cut_while_it_waits(gateway: Gateway) -> None:
    request = asyncio.ensure_future(gateway.ask("POST", "essai/app/wait", data=b"<soap/>"))
    while not any(line["requests"] for line in (await gateway.agent.program("GET", "/v1/gateway")).body["channels"]):
        await asyncio.sleep(0.01)
    await lock(gateway)
    assert (await request).code == "channel-ended"


async def cut_while_it_flows(gateway: Gateway) -> None:
    async with gateway.request("GET", "essai/app/flow") as response:
        await response.content.readany()
        await lock(gateway)


async def left_while_it_flows(gateway: Gateway) -> None:
    async with gateway.request("GET", "essai/app/flow") as response:
        await response.content.readany()
    await close(gateway)


async def many(gateway: Gateway) -> None:
    once = {"Connection": "close"}
    await asyncio.gather(*(gateway.ask("GET", "essai/", once) for _ in range(30)))
    await lock(gateway)


ENDS: tuple[Callable[[Gateway], Awaitable[None]], ...] = (
    idle, refused, cut_while_it_waits, cut_while_it_flows, left_while_it_flows, many,
)  # fmt: skip


async def test_attack_lines_that_end_in_every_way(
    folder: Path, readers: VirtualReaders, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_gateway(folder, readers, {"wait": wait, "flow": flow}) as gateway:
        at_first = count()  # of other tests in this process
        for end in ENDS:  # whatever is made once, and the caller's own kept connections
            await end(gateway)
        await until(lambda: is_all_gone(count(), at_first))
        before = count()
        for end in ENDS:
            await end(gateway)
        await until(lambda: all(left <= before[name] for name, left in count().items()))
        assert "internal error" not in caplog.text


async def test_attack_secrets_in_logs_and_in_the_journal(
    folder: Path, readers: VirtualReaders, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """At the most talkative level, whether it goes well or not: neither codes, nor tokens, nor patients."""
    caplog.set_level("DEBUG")
    asyncio.get_running_loop().set_debug(True)
    vihf = json.dumps({"mode": "direct", "structure": {"id": "499700002712005"}, "patient": PATIENT}).encode()
    headers = {
        "Content-Type": "application/soap+xml",
        "CPS-Agent-Authorization": "Bearer of-the-service",
        "CPS-Agent-Assertion": base64.b64encode(vihf).decode(),
    }
    async with open_gateway(folder, readers, {"echo": echo}, 'assertion = "vihf"') as gateway:
        codes = []
        for path, pin in (("app/echo", "1234"), ("app/none", "1234"), ("a;b", "1234"), ("app/echo", "98761")):
            gateway.person.pin = pin
            gateway.presence.leave(AwayReason.LOCKED)
            codes.append((await gateway.ask("POST", f"essai/{path}", headers, data=MESSAGE)).status)
        assert codes == [200, 404, 400, 403]
        told = caplog.text + "".join(capfd.readouterr()) + json.dumps(await gateway.journal())
        secrets = ("98761", "of-the-service", PATIENT["ins"], headers["CPS-Agent-Assertion"], gateway.agent.token)
        assert [secret for secret in secrets if secret in told] == []
