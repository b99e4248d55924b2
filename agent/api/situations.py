"""The route that reads where the holder works."""

from __future__ import annotations

from aiohttp import web

from agent.access.callers import Ability
from agent.access.consents import asker_of
from agent.api.callers import refuse_ungranted_page, require, require_card_in_reader
from agent.api.context import call, services
from agent.api.schemas import SituationsBody, read_body
from agent.api.views import list_situation_views
from agent.cards.situations import read_situations
from agent.cards.uses import UseRequest
from agent.people.prompt import Action


async def use_situations(request: web.Request) -> web.Response:
    """POST /v1/cards/{number}/situations: where the holder works; the code is asked for, once while the card stays."""
    refuse_ungranted_page(request, Ability.IDENTITY)
    state, served = call(request), services(request)
    state.is_use = True
    await read_body(request, SituationsBody)
    caller = await require(request, Ability.IDENTITY)
    number = request.match_info["number"]
    require_card_in_reader(caller, number)
    use = UseRequest(asker_of(caller), Action.READ_SITUATIONS, state.record, card_number=number)
    found = await read_situations(served.cards, served.uses, use)
    served.grants.require(caller, Ability.IDENTITY)  # taken back while the person was asked
    return web.json_response({"situations": list_situation_views(found)})
