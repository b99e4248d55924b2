"""Requests per second through the gateway with a card, beside other ways to the same service with a key in a file.

These are the gateway itself with a software key, a proxy that does nothing else, and no gateway at all. All of them are one client, aiohttp's, asking one nginx that wants a client certificate; they take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, TCPConnector
from benchmarks.bench import Bench, RunningAgent, free_port, running, running_agent
from benchmarks.table import Row, Value
from support.gateway import SERVICE, write_authority
from support.organisations import OrganisationKey, certify
from support.p12 import pem_file
from support.software import keep
from support.tls_servers import Authority, ServerTerms, TlsServer, nginx
from support.waiting import wait_until

from agent.certificates.test_root import TestRoot
from drivers.virtual.personalisation import DEFAULT

MB = 1024 * 1024
ROUNDS = 7
AIM = 0.8
CARD, SOFTWARE = "card", "gateway, software key"
PROXY, FILE = "bare proxy of aiohttp, key in a file", "no gateway, key in a file"
BESIDE = {SOFTWARE: AIM, PROXY: None, FILE: None}
BARE_PROXY = Path(__file__).with_name("bare_proxy.py")
LOCATIONS = "location /mb {{ root {folder}; default_type application/octet-stream; }} location /sink {{ return 200; }}"


@dataclass(frozen=True)
class Load:
    """What is asked how often, and by how many at a time."""

    name: str
    method: str
    path: str
    count: int
    at_once: int
    body: bytes | None = None


LOADS = (
    Load("small request", "GET", "", 400, 1),
    Load("small request, 8 at a time", "GET", "", 1600, 8),
    Load("1 MB sent, 8 at a time", "POST", "sink", 120, 8, b"x" * MB),
    Load("1 MB received", "GET", "mb", 60, 1),
    Load("1 MB received, 8 at a time", "GET", "mb", 120, 8),
)


@dataclass(frozen=True)
class Way:
    """How the service is reached."""

    session: ClientSession
    base: str


def measure(bench: Bench) -> list[Row]:
    """For each load a row beside each of the others."""
    bench.say(f"the gateway with a card, and {len(BESIDE)} other ways")
    data_dir = bench.data_folder("gateway")
    key = certify(data_dir, OrganisationKey.make("AUTH_CLI"))
    keep(data_dir, key, "1234")
    with _server(bench, data_dir) as server, _agent(data_dir, server) as agent, _proxy(bench, server, key) as port:
        return asyncio.run(_compare(bench, agent, server, port))


@contextlib.contextmanager
def _server(bench: Bench, data_dir: Path) -> Iterator[TlsServer]:
    folder = bench.folder / "nginx"
    folder.mkdir()
    (folder / "mb").write_bytes(bytes(MB))
    terms = ServerTerms(folder, TestRoot(data_dir).authorities_der())
    with nginx(terms, LOCATIONS.format(folder=folder)) as server:
        yield server


@contextlib.contextmanager
def _agent(data_dir: Path, server: TlsServer) -> Iterator[RunningAgent]:
    services = data_dir / "services.toml"
    services.write_text(SERVICE.format(name="bench", port=server.port, path="", more=""))
    authority = write_authority(data_dir, server.authority)
    settings = {"CPS_AGENT_SERVICES": str(services), "CPS_AGENT_TEST_AUTHORITIES": str(authority)}
    with running_agent(data_dir, "--virtual", env={**os.environ, **settings}) as agent:
        agent.wait_for_card()
        yield agent


@contextlib.contextmanager
def _proxy(bench: Bench, server: TlsServer, key: OrganisationKey) -> Iterator[int]:
    """The bare one; its key's file serves the client without a gateway as well."""
    port, file = free_port(), bench.folder / "key.pem"
    file.write_bytes(pem_file(key))
    authority = write_authority(bench.folder, server.authority)
    own = ["--port", str(port), "--service", f"https://localhost:{server.port}"]
    files = ["--key", str(file), "--authority", str(authority)]
    with running([sys.executable, str(BARE_PROXY), *own, *files]):
        wait_until(lambda: listens(port), "the bare proxy")
        yield port


def listens(port: int) -> bool:
    """Whether somebody does."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def _compare(bench: Bench, agent: RunningAgent, server: TlsServer, proxy_port: int) -> list[Row]:
    """The client's three ways, which take turns: what else the machine does falls on all of them."""
    listed = agent.client.request("GET", "/v1/software-certificates")["certificates"]
    token, port = (agent.folder / "token").read_text(), int((agent.folder / "port").read_text())
    gateway, plain = f"http://127.0.0.1:{port}/v1/gateway/bench/", f"https://localhost:{server.port}/"
    async with (
        _through_agent(token, DEFAULT.serial) as card,
        _through_agent(token, listed[0]["cardNumber"]) as software,
        ClientSession() as to_proxy,
        _alone(bench.folder / "key.pem", server.authority) as alone,
    ):
        ways = {CARD: Way(card, gateway), SOFTWARE: Way(software, gateway), FILE: Way(alone, plain)}
        ways[PROXY] = Way(to_proxy, f"http://127.0.0.1:{proxy_port}/")
        for way in ways.values():
            await _ask(way, LOADS[0], 16)  # consent, code, and connections that are there
        rates = [await _take_turns(bench, ways, load) for load in LOADS]
    return [_row(load, rate, beside) for load, rate in zip(LOADS, rates, strict=True) for beside in BESIDE]


def _through_agent(token: str, number: str) -> ClientSession:
    return ClientSession(headers={"Authorization": f"Bearer {token}", "CPS-Agent-Card": number})


def _alone(path: Path, authority: Authority) -> ClientSession:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=authority.der)
    context.load_cert_chain(path)
    return ClientSession(connector=TCPConnector(ssl=context))


async def _take_turns(bench: Bench, ways: dict[str, Way], load: Load) -> dict[str, float]:
    """Requests per second of each: the median of the rounds."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(bench.count(ROUNDS)):
        for name in ways if number % 2 == 0 else reversed(ways):
            count = max(load.at_once, bench.count(load.count))
            began = time.perf_counter()
            await _ask(ways[name], load, count)
            rates[name].append(count / (time.perf_counter() - began))
    return {name: statistics.median(each) for name, each in rates.items()}


async def _ask(way: Way, load: Load, count: int) -> None:
    left = iter(range(count))

    async def go_on() -> None:
        for _ in left:
            async with way.session.request(load.method, way.base + load.path, data=load.body) as response:
                size = len(await response.read())
                if response.status != 200 or (load.path == "mb" and size != MB):
                    raise RuntimeError(f"{load.name}: {response.status}, {size} bytes")

    await asyncio.gather(*(go_on() for _ in range(load.at_once)))


def _row(load: Load, rates: dict[str, float], beside: str) -> Row:
    ours, theirs, least = Value(rates[CARD], "requests/s"), Value(rates[beside], "requests/s"), BESIDE[beside]
    aim, met = ("", None) if least is None else (f"≥ {least}", ours.number >= least * theirs.number)
    return Row(f"gateway: {load.name}", (ours,), beside, (theirs,), aim, met)
