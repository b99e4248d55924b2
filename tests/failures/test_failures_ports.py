"""Ports taken on one family or both, by us or by another user: the next one, or a sentence that says what to do."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from failure_cards import FaultyReaders, RamCard
from failure_desk import ABILITIES, LOGIN, Holder
from support.agent import call, running_agent

from agent.__main__ import main
from agent.api import server
from agent.commands import serving
from agent.commands.exits import Exit
from agent.loopback import bind_loopback
from drivers.virtual import store

FAMILIES = {"IPv4": (socket.AF_INET,), "IPv6": (socket.AF_INET6,), "both": (socket.AF_INET, socket.AF_INET6)}
HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
NOBODY = 65534
only_root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root can be another user")


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that are free on both families, and kept together until all are known."""
    found: list[int] = []
    with ExitStack() as stack:
        while len(found) < count:
            sockets = bind_loopback((0,))
            for each in sockets:
                stack.enter_context(each)
            found.append(sockets[0].getsockname()[1])
    return tuple(found)


@contextmanager
def taken(port: int, families: tuple[socket.AddressFamily, ...], user: int | None = None) -> Iterator[None]:
    """Another program listens there; what it gets it does not answer."""
    with ExitStack() as stack:
        if user is not None:
            os.seteuid(user)  # a socket belongs to who makes it
        try:
            for family in families:
                listener = stack.enter_context(socket.socket(family))
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family is socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((HOSTS[family], port))
                listener.listen()
        finally:
            if user is not None:
                os.seteuid(0)
        yield


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, ...]:
    """The agent's own ports, for this test."""
    found = free_ports(3)
    monkeypatch.setattr(server, "PORTS", found)
    return found


@pytest.mark.parametrize(
    "user", [pytest.param(None, id="ours"), pytest.param(NOBODY, id="of another user", marks=only_root)]
)
@pytest.mark.parametrize("families", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("count", [1, 2])
async def test_the_next_port_that_is_free_on_both_families(
    tmp_path: Path, ports: tuple[int, ...], count: int, families: tuple[socket.AddressFamily, ...], user: int | None
) -> None:
    with ExitStack() as stack:
        for port in ports[:count]:
            stack.enter_context(taken(port, families, user))
        async with running_agent(tmp_path / "data", Holder(), FaultyReaders(RamCard()), port=None) as agent:
            assert agent.port == ports[count]
            assert (tmp_path / "data" / "port").read_text() == f"{ports[count]}\n"
            for host in ("127.0.0.1", "::1"):
                answer = await asyncio.to_thread(call, agent.port, "GET", "/v1/status", None, {}, host)
                assert answer.body["name"] == "cps-agent"
            assert (await agent.page("POST", "/v1/grants", ABILITIES)).status == 201
            assert (await agent.page("POST", "/v1/authentications", LOGIN)).status == 200


@pytest.mark.parametrize(
    "user", [pytest.param(None, id="ours"), pytest.param(NOBODY, id="of another user", marks=only_root)]
)
@pytest.mark.parametrize("families", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("one", [False, True], ids=["all of them", "the one asked for"])
def test_no_port_left_ends_in_a_sentence_and_leaves_nothing_behind(
    tmp_path: Path,
    ports: tuple[int, ...],
    families: tuple[socket.AddressFamily, ...],
    user: int | None,
    one: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(serving, "forbid_core_dumps", lambda: None)
    monkeypatch.setattr(store, "open_card", lambda *_: RamCard())
    monkeypatch.setenv("LC_ALL", "C")
    asked = ["--port", str(ports[0])] if one else []
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(taken(port, families, user))
        code = main(["serve", "--virtual", "--unattended", "--data-dir", str(tmp_path / "data"), *asked])
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("cps-agent: "))
    assert code == Exit.FAILED
    assert f"({', '.join(map(str, ports[:1] if one else ports))})" in line
    assert "--port" in line
    assert not {"token", "port"} & {path.name for path in (tmp_path / "data").iterdir()}
