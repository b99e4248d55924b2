"""Routes for the person's own tools, such as the tray: lock now, and let callers that were refused ask again."""

from __future__ import annotations

from aiohttp import web

from agent.api.callers import name_caller, require_program
from agent.api.context import call, services
from agent.api.schemas import LockBody, read_body


async def lock_pin(request: web.Request) -> web.Response:
    """POST /v1/pin/lock: end PIN sessions and channels, pause batches; a page ends its own, and needs no grant."""
    await read_body(request, LockBody)
    caller = await name_caller(request)
    served = services(request)
    ended = served.sessions.lock(caller) + served.signing.stop_batches(caller) + served.health.lock(caller)
    call(request).is_use = bool(ended)
    return web.json_response({"ended": ended})


async def read_denials(request: web.Request) -> web.Response:
    """GET /v1/denials: how many refusals of the person still stand; for programs of this user alone."""
    await require_program(request)
    return web.json_response({"count": services(request).desk.denials})


async def lift_denials(request: web.Request) -> web.Response:
    """DELETE /v1/denials: whoever was refused a short while ago may ask again; for programs of this user alone."""
    await require_program(request)
    call(request).is_use = True
    services(request).desk.lift_denials()
    return web.Response(status=204)
