"""Routes that tell what is there: status, readers, cards, certificates, journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from agent import __version__
from agent.access.callers import Ability, Caller, CallerKind
from agent.access.errors import TokenRefusedError
from agent.access.lately import Lately
from agent.api.callers import caller_text, name_caller, require, require_card_in_reader
from agent.api.context import Services, call, services
from agent.api.problems import CallError
from agent.api.views import (
    card_view,
    desk_view,
    journal_view,
    list_reader_views,
    list_session_views,
    tls_view,
)
from agent.cards.card import Card
from agent.certificates.anchors import igc_sante
from drivers.base import PinStatus
from drivers.errors import (
    CardBusyError,
    CardRemovedError,
    ModuleAbsentError,
    ModuleCrashedError,
    ModuleTimeoutError,
    ReaderExclusiveError,
)

NAME = "cps-agent"
MAX_ENTRIES = 500
MODULE_FAILURES = (ModuleAbsentError, ModuleCrashedError, ModuleTimeoutError)


async def read_status(request: web.Request) -> web.Response:
    """GET /v1/status: name and version to anybody, readers and cards in brief to who may know identities."""
    body: dict[str, object] = {"name": NAME, "version": __version__}
    caller = await _find_identifying_caller(request)
    if caller is not None:
        served = services(request)
        await served.cards.look_for_service()
        body |= desk_view(served.cards)
        body["sessions"] = list_session_views(served.sessions, caller)
        body["refusedAuthorities"] = list(igc_sante().refused)
        body["tls"] = tls_view(served.health.tls.known)
    return web.json_response(body)


async def _find_identifying_caller(request: web.Request) -> Caller | None:
    """Name the caller, if it is one who may know identities."""
    admission = call(request).admission
    if admission.origin is None and not admission.by_token:
        return None
    caller = await name_caller(request)
    return caller if services(request).grants.allows(caller, Ability.IDENTITY) else None


async def list_readers(request: web.Request) -> web.Response:
    """GET /v1/readers."""
    await require(request, Ability.IDENTITY)
    cards = services(request).cards
    await cards.list_cards()
    cards.refresh()
    return web.json_response({"readers": list_reader_views(cards)})


async def list_cards(request: web.Request) -> web.Response:
    """GET /v1/cards."""
    await require(request, Ability.IDENTITY)
    served = services(request)
    cards = await served.cards.list_cards()
    tries = await asyncio.gather(*(_pin_status(served, card) for card in cards))
    views = [_view(served, card, status) for card, status in zip(cards, tries, strict=True)]
    note_identity(request, [card.number for card in cards])
    return web.json_response({"cards": views})


async def read_card(request: web.Request) -> web.Response:
    """GET /v1/cards/{number}."""
    caller, number = await require(request, Ability.IDENTITY), request.match_info["number"]
    require_card_in_reader(caller, number)
    served = services(request)
    card = await served.cards.find(number)
    view = _view(served, card, await _pin_status(served, card))
    note_identity(request, [card.number])
    return web.json_response(view)


def _view(served: Services, card: Card, status: PinStatus | None) -> dict[str, Any]:
    return card_view(card, status, in_session=served.cards.in_session(card))


async def _pin_status(served: Services, card: Card) -> PinStatus | None:
    """The tries, or None: a card in use, or a module that fails, keeps nobody from seeing the others.

    None too for a card without a code, which is held to a contactless reader.
    """
    if card.is_contactless:
        return None
    try:
        return await served.uses.read_pin_status(card)
    except (CardBusyError, ReaderExclusiveError, CardRemovedError, *MODULE_FAILURES):
        return None


async def list_journal(request: web.Request) -> web.Response:
    """GET /v1/journal?limit=&before=: newest first; for programs of this user alone."""
    caller = await name_caller(request)
    if caller.kind is not CallerKind.PROGRAM:
        raise TokenRefusedError
    limit, before = _number(request, "limit", 100), _number(request, "before", None)
    records = await services(request).journal.list(min(limit or 0, MAX_ENTRIES), before_id=before)
    return web.json_response({"entries": [journal_view(record) for record in records]})


def _number(request: web.Request, name: str, default: int | None) -> int | None:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise CallError(f"{name} is a whole number")
    return int(text)


LATELY = web.AppKey("lately", Lately)


def note_identity(request: web.Request, card_numbers: Iterable[str]) -> None:
    """Reading who the holder is counts as a use, once in a while for the same caller and card."""
    caller, lately = caller_text(request), request.app[LATELY]
    news = [number for number in card_numbers if lately.is_news(caller, number)]
    if news:
        call(request).is_use = True
        call(request).record.card_number = news[0]
