"""Routes about grants: ask, list, revoke."""

from __future__ import annotations

from aiohttp import web

from agent.access.callers import CARD_ABILITIES
from agent.access.errors import AbilityRefusedError, GrantNotFoundError
from agent.api.callers import name_caller
from agent.api.context import call, services
from agent.api.schemas import GrantBody, read_body
from agent.api.views import grant_view


async def create_grant(request: web.Request) -> web.Response:
    """POST /v1/grants: ask the person for abilities; what is granted already is not asked again."""
    body = await read_body(request, GrantBody)
    caller = await name_caller(request)
    abilities = frozenset(body.abilities)
    if abilities & CARD_ABILITIES:
        raise AbilityRefusedError("a program is asked for this when it uses the card by PKCS#11")
    state, served = call(request), services(request)
    existing = served.grants.find(caller)
    if existing is not None and abilities <= served.grants.abilities(caller):
        return web.json_response(grant_view(existing), status=200)
    state.is_use = True
    state.record.subject = ", ".join(sorted(abilities))
    return web.json_response(grant_view(await served.consents.ask(caller, abilities)), status=201)


async def list_grants(request: web.Request) -> web.Response:
    """GET /v1/grants: a page sees its own, a program all."""
    caller = await name_caller(request)
    grants = services(request).grants.list_for(caller)
    return web.json_response({"grants": [grant_view(grant) for grant in grants]})


async def read_grant(request: web.Request) -> web.Response:
    """GET /v1/grants/{id}."""
    caller = await name_caller(request)
    for grant in services(request).grants.list_for(caller):
        if grant.id == request.match_info["id"]:
            return web.json_response(grant_view(grant))
    raise GrantNotFoundError


async def delete_grant(request: web.Request) -> web.Response:
    """DELETE /v1/grants/{id}: revoke."""
    caller = await name_caller(request)
    state = call(request)
    state.is_use = True
    grant = await services(request).grants.revoke(request.match_info["id"], caller)
    state.record.subject = grant.caller.name
    return web.Response(status=204)
