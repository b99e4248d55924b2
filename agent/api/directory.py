"""GET /v1/directory/{rpps}: a professional in the Annuaire Santé, beside the card that is in a reader."""

from __future__ import annotations

from aiohttp import web

from agent.access.callers import Ability
from agent.api.callers import caller_text, is_page, require
from agent.api.context import Services, call, services
from agent.api.problems import CallError
from agent.api.readings import LATELY
from agent.cards.card import Card
from agent.services.directory.errors import OtherProfessionalError
from agent.services.directory.rpps import is_rpps
from drivers.errors import DriverError


async def read_directory(request: web.Request) -> web.Response:
    """GET /v1/directory/{rpps}: who this is in the Annuaire Santé; a page learns of the card's holder alone."""
    caller = await require(request, Ability.IDENTITY)
    rpps, served = request.match_info["rpps"], services(request)
    if not is_rpps(rpps):
        raise CallError("an RPPS number has 11 digits, the last of which is its key")
    card = await _find_card(served, rpps)
    if card is None and is_page(caller):
        raise OtherProfessionalError
    _note(request, rpps, card)
    from agent.api.directory_views import listing_view  # noqa: PLC0415 - only where the directory is asked

    return web.json_response(listing_view(await served.directory.find(rpps), card))


async def _find_card(served: Services, rpps: str) -> Card | None:
    """A card of this professional, if one is in a reader; without readers there is none."""
    try:
        cards = await served.cards.list_cards()
    except DriverError:
        return None
    return next((card for card in cards if card.holder.rpps == rpps), None)


def _note(request: web.Request, rpps: str, card: Card | None) -> None:
    """A look-up counts as a use, once in a while for the same caller and number; a failed one always."""
    subject = f"RPPS {rpps}"
    call(request).is_use = request.app[LATELY].is_news(caller_text(request), subject)
    call(request).record.subject = subject
    call(request).record.card_number = card.number if card is not None else None
