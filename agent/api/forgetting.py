"""The route that has the agent forget what it keeps of cards and certificates; for programs of this user alone."""

from __future__ import annotations

from aiohttp import web

from agent.api.callers import require_program
from agent.api.context import call, services


async def forget_certificates(request: web.Request) -> web.Response:
    """DELETE /v1/certificates/cache: forget known cards, and what is kept of certificates; answers how many of each."""
    await require_program(request)
    call(request).is_use = True
    served = services(request)
    for place in served.cards.places.values():
        if place.card is not None:
            place.card.memory.forget()
    return web.json_response({"forgotten": await served.memories.forget_all()})
