"""The event stream: who may listen, what is told, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from support.agent import PAGE, RunningAgent

from drivers.virtual.link import VirtualReaders

DEADLINE_S = 10


@contextlib.asynccontextmanager
async def listening(agent: RunningAgent, **headers: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{agent.port}/v1/events"
        async with session.ws_connect(url, headers=headers or {"Origin": PAGE}) as socket:
            yield socket


async def next_event(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            event: dict[str, Any] = await socket.receive_json()
            if event["type"] == kind:
                return event


async def test_a_page_hears_of_removal_and_insertion(granted: RunningAgent, readers: VirtualReaders) -> None:
    card = (await granted.page("GET", "/v1/cards")).body["cards"][0]
    chip = readers._readers[0]._card
    assert chip is not None
    async with listening(granted) as socket:
        readers.remove()
        assert (await next_event(socket, "card-removed"))["cardNumber"] == card["number"]
        readers.insert(chip)
        assert (await next_event(socket, "card-ready"))["cardNumber"] == card["number"]


async def test_without_identity_no_number_is_told(agent: RunningAgent, readers: VirtualReaders) -> None:
    await agent.page("POST", "/v1/grants", {"abilities": ["events"]})
    await agent.program("GET", "/v1/cards")
    async with listening(agent) as socket:
        readers.remove()
        assert await next_event(socket, "card-removed") == {"type": "card-removed", "reader": "CPS virtuel 00 00"}


async def test_an_ungranted_page_cannot_listen(agent: RunningAgent) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with listening(agent):
            pass
    assert refused.value.status == 403


async def test_a_program_listens_with_the_token(agent: RunningAgent, readers: VirtualReaders) -> None:
    async with listening(agent, Authorization=f"Bearer {agent.token}") as socket:
        await agent.program("GET", "/v1/cards")
        readers.remove()
        await next_event(socket, "card-removed")


async def test_a_revoked_grant_ends_the_stream(granted: RunningAgent) -> None:
    async with listening(granted) as socket:
        (grant,) = (await granted.page("GET", "/v1/grants")).body["grants"]
        await granted.page("DELETE", f"/v1/grants/{grant['id']}")
        async with asyncio.timeout(DEADLINE_S):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)


async def test_what_a_listener_sends_is_not_read(granted: RunningAgent, readers: VirtualReaders) -> None:
    async with listening(granted) as socket:
        await socket.send_str("{" * 100)
        readers.remove()
        await next_event(socket, "card-removed")


async def test_a_stopping_agent_ends_the_stream(granted: RunningAgent) -> None:
    async with listening(granted) as socket:
        granted.daemon.stop()
        async with asyncio.timeout(DEADLINE_S):
            while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert message.type is not aiohttp.WSMsgType.TEXT
