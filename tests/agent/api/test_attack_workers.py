"""Attacks by a PKCS#11 module on what has nothing to do with it: other cards, other callers, the agent's quickness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent, running_agent
from support.faulty import FaultyModule, compile_faulty
from support.lines import until
from support.softhsm import softhsm_token, why_unavailable

from drivers.virtual.link import VirtualReaders

ALL = {"abilities": ["identity", "authenticate", "sign"]}
SIGN = {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}
QUICK_S = 2.0


@pytest.fixture
def faulty(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyModule:
    if reason := why_unavailable():
        pytest.skip(reason)
    token = softhsm_token(tmp_path / "token", tmp_path / "other")
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.configuration))
    return FaultyModule(compile_faulty(tmp_path), tmp_path / "module", token)


@pytest.fixture
async def both(
    folder: Path, person: Person, readers: VirtualReaders, faulty: FaultyModule
) -> AsyncIterator[RunningAgent]:
    """An agent with a card in a reader and a token of the module."""
    async with running_agent(folder, person, readers, modules=(faulty.library,)) as agent:
        await agent.page("POST", "/v1/grants", ALL)
        assert len(await numbers(agent, "direct")) == len(await numbers(agent, "faulty.so")) == 1
        yield agent


async def numbers(agent: RunningAgent, access: str) -> list[str]:
    cards = (await agent.page("GET", "/v1/cards")).body["cards"]
    return [card["number"] for card in cards if card["access"] == access]


async def test_attack_module_that_fails_hides_no_other_card(both: RunningAgent, faulty: FaultyModule) -> None:
    faulty.fail("C_GetTokenInfo", "crash")
    assert len(await numbers(both, "direct")) == 1


async def test_attack_module_that_hangs_keeps_nobody_waiting_who_does_not_use_it(
    both: RunningAgent, faulty: FaultyModule
) -> None:
    (direct,), (other,) = await numbers(both, "direct"), await numbers(both, "faulty.so")
    faulty.fail("C_GetTokenInfo", "hang")
    hanging = asyncio.create_task(both.page("POST", "/v1/pin/verify", {"cardNumber": other}))
    while not hanging.done() and faulty.calls()[-1:] != ["C_GetTokenInfo"]:
        await asyncio.sleep(0.01)
    for method, path, body in (
        ("GET", "/v1/status", None),
        ("GET", f"/v1/cards/{direct}", None),
        ("POST", "/v1/signatures", {**SIGN, "cardNumber": direct}),
    ):
        began = time.monotonic()
        assert (await both.page(method, path, body)).status == 200
        assert time.monotonic() - began < QUICK_S
    assert not hanging.done()
    hanging.cancel()


async def test_attack_token_that_is_refused_keeps_no_worker(
    folder: Path, readers: VirtualReaders, faulty: FaultyModule
) -> None:
    """While a worker lives it keeps a card connected: one that unattended mode does not serve is let go of."""
    async with running_agent(folder, None, readers, modules=(faulty.library,), unattended=True) as agent:
        answer = await agent.program("GET", "/v1/cards")
        assert [card["access"] for card in answer.body["cards"]] == ["direct"]
        assert "C_FindObjects" in faulty.calls()
        await until(lambda: not faulty.processes())
