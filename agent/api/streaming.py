"""WS /v1/events: what happens at the desk, as JSON messages, for as long as the caller's grant holds."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from agent.access.callers import Ability, Caller
from agent.api.callers import require
from agent.api.context import Services, services
from agent.api.views import event_view
from agent.cards.events import Event

HEARTBEAT_S = 60.0
MAX_MESSAGE = 1024


async def stream_events(request: web.Request) -> web.WebSocketResponse:
    """Send every event until the client leaves, its grant ends, or the agent stops; what it sends is not read."""
    caller = await require(request, Ability.EVENTS)
    served = services(request)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE)
    with served.events.subscription() as events:
        unsubscribe = served.grants.subscribe(lambda _: _end_without_grant(served, caller, events))
        try:
            await socket.prepare(request)
            await _serve(socket, served, caller, events)
        finally:
            unsubscribe()
    return socket


def _end_without_grant(served: Services, caller: Caller, events: asyncio.Queue[Event | None]) -> None:
    if not served.grants.allows(caller, Ability.EVENTS):
        events.put_nowait(None)


async def _serve(
    socket: web.WebSocketResponse, served: Services, caller: Caller, events: asyncio.Queue[Event | None]
) -> None:
    reader = asyncio.create_task(_read_until_closed(socket))
    try:
        while (event := await _next(events, reader)) is not None and served.grants.allows(caller, Ability.EVENTS):
            with_identity = served.grants.allows(caller, Ability.IDENTITY)
            await socket.send_json(event_view(event, with_identity=with_identity))
    finally:
        reader.cancel()
        await socket.close()


async def _next(events: asyncio.Queue[Event | None], reader: asyncio.Task[None]) -> Event | None:
    getter = asyncio.create_task(events.get())
    await asyncio.wait({getter, reader}, return_when=asyncio.FIRST_COMPLETED)
    if getter.done():
        return getter.result()
    getter.cancel()
    return None


async def _read_until_closed(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            return
