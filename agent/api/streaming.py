"""WS /v1/events: the desk as it is, then what happens at it, as JSON messages, for as long as the grant holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import WSMsgType, web

from agent.access.callers import Ability, Caller
from agent.api.callers import require
from agent.api.context import Services, services
from agent.api.views import desk_view, event_view, list_session_views, may_hear
from agent.cards.events import Event

HEARTBEAT_S = 60.0
MAX_MESSAGE = 1024
STATE = "state"


async def stream_events(request: web.Request) -> web.WebSocketResponse:
    """Send the present state, then every event, until the client leaves, its grant ends, or the agent stops.

    What the client sends is not read. State and subscription are taken in one step, so that a change is either in the
    first message or told after it, and never both.
    """
    caller = await require(request, Ability.EVENTS)
    served = services(request)
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE)
    await socket.prepare(request)
    reader = asyncio.create_task(_read_until_closed(socket))
    served.grants.require(caller, Ability.EVENTS)  # taken back meanwhile
    state = _state_message(served, caller)  # judging it may publish, so this comes first; nothing is awaited between
    with served.events.subscription() as events:
        unsubscribe = served.grants.subscribe(lambda _: _end_without_grant(served, caller, events))
        try:
            await _serve(socket, state, _list_messages(served, caller, events, reader))
        finally:
            unsubscribe()
            reader.cancel()
    return socket


def _state_message(served: Services, caller: Caller) -> dict[str, Any]:
    with_identity = served.grants.allows(caller, Ability.IDENTITY)
    sessions = list_session_views(served.sessions, caller, with_identity=with_identity)
    return {"type": STATE, **desk_view(served.cards, with_identity=with_identity), "sessions": sessions}


def _end_without_grant(served: Services, caller: Caller, events: asyncio.Queue[Event | None]) -> None:
    if not served.grants.allows(caller, Ability.EVENTS):
        events.put_nowait(None)


async def _serve(socket: web.WebSocketResponse, state: dict[str, Any], messages: AsyncIterator[dict[str, Any]]) -> None:
    try:
        with contextlib.suppress(ConnectionError):  # the client has left
            await socket.send_json(state)
            async for message in messages:
                await socket.send_json(message)
    finally:
        await socket.close()


async def _list_messages(
    served: Services, caller: Caller, events: asyncio.Queue[Event | None], reader: asyncio.Task[None]
) -> AsyncIterator[dict[str, Any]]:
    """Give what this caller may hear, until its grant ends."""
    while (event := await _next(events, reader)) is not None and served.grants.allows(caller, Ability.EVENTS):
        if may_hear(caller, event):
            yield event_view(event, with_identity=served.grants.allows(caller, Ability.IDENTITY))


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
