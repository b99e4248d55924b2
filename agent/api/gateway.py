"""The gateway: a program's HTTP requests go to a health service over TLS with the card's or a software key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.consents import asker_of
from agent.access.errors import GrantRequiredError
from agent.api.callers import name_caller, refuse_ungranted_page, require, require_card_in_reader
from agent.api.context import call, services
from agent.api.gateway_answers import give_answer
from agent.api.gateway_assertions import Wanted, look, prepare, wants_assertion
from agent.api.gateway_headers import CARD, pass_on
from agent.api.gateway_targets import read_target, split_route
from agent.api.gateway_views import channel_view, service_view
from agent.api.problems import BodyTooLargeError, MethodNotAllowedError
from agent.cards.card import Card
from agent.cards.uses import UseRequest
from agent.people.prompt import Action
from agent.services.catalog import Service
from agent.services.channels.channel import Channel
from agent.services.channels.values import Body, ChannelEnd, Headers, Outgoing
from agent.services.errors import ServiceUnknownError

GATEWAY_BODY: Final = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Errand:
    """One request to be taken to a service. `target`: checked, as it goes on the wire; `headers`: those to send."""

    caller: Caller
    name: str
    service: Service
    target: str
    headers: Headers
    card_number: str | None = None


async def use_gateway(request: web.Request) -> web.StreamResponse:
    """ANY /v1/gateway/{service}/{path}: the request, to that service, and its answer, both streamed."""
    refuse_ungranted_page(request, Ability.GATEWAY)
    name, rest = split_route(request.raw_path)
    service = find_service(request, name)
    call(request).record.subject = f"{service.title} ({service.host})"
    target = read_target(service, rest)
    require_takes(request, service)
    caller = await require(request, Ability.GATEWAY)
    number = request.headers.get(CARD)
    require_card_in_reader(caller, number)
    return await forward(request, Errand(caller, name, service, target, pass_on(request.headers), number))


async def list_gateway(request: web.Request) -> web.Response:
    """GET /v1/gateway: the services by their names, and the open channels that the caller may see."""
    refuse_ungranted_page(request, Ability.GATEWAY)
    caller, health = await name_caller(request), services(request).health
    known = [service_view(name, service) for name, service in sorted(health.catalog.services.items())]
    channels = [channel_view(channel) for channel in health.list_channels(caller)]
    return web.json_response({"services": known, "channels": channels})


async def close_channels(request: web.Request) -> web.Response:
    """DELETE /v1/gateway/{service}: end the channels to it that the caller may see; what is under way is cut."""
    refuse_ungranted_page(request, Ability.GATEWAY)
    caller, name = await name_caller(request), request.match_info["service"]
    find_service(request, name)
    mine = services(request).health.list_channels(caller)
    wanted = [channel for channel in mine if channel.parties.name == name]
    services(request).health.channels.end_where(ChannelEnd.CLOSED, wanted.__contains__) if wanted else 0
    return web.json_response({"closed": len(wanted)})


async def forward(request: web.Request, errand: Errand) -> web.StreamResponse:
    """Ask the person where no channel is open, send the request on it, and give the answer.

    Raises what Channels.open and Channel.exchange raise; GrantRequiredError for a grant that is gone meanwhile.
    """
    wanted = await _look(request, errand) if wants_assertion(request) else None
    channel = await _open(request, errand)
    headers, body = await _prepare(request, errand, wanted, channel.parties.card)
    async with channel.exchange(Outgoing(request.method, errand.target, headers, body)) as incoming:
        return await give_answer(request, incoming, errand.service)


def find_service(request: web.Request, name: str) -> Service:
    """The service of that name. Raises ServiceUnknownError."""
    service = services(request).health.catalog.services.get(name)
    if service is None:
        raise ServiceUnknownError
    return service


def require_takes(request: web.Request, service: Service) -> None:
    """Raise MethodNotAllowedError, BodyTooLargeError before anybody is asked."""
    if request.method not in service.methods:
        raise MethodNotAllowedError(f"this service takes {', '.join(service.methods)}")
    if (request.content_length or 0) > GATEWAY_BODY:
        raise BodyTooLargeError(f"the gateway takes {GATEWAY_BODY} bytes")


async def read_pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The request's body as it comes, which the caller may have waited with until the way is open."""
    await _let_go_on(request)
    while piece := await request.content.readany():
        yield piece


async def _open(request: web.Request, errand: Errand) -> Channel:
    state, served = call(request), services(request)
    use = UseRequest(asker_of(errand.caller), Action.CONNECT, state.record, card_number=errand.card_number)
    state.is_use = True  # for as long as the person is asked: channels note for themselves that they were opened
    channel = await served.health.channels.open(use, errand.name, errand.service)
    state.is_use = False
    if not served.grants.allows(errand.caller, Ability.GATEWAY):  # taken back while the person was asked
        served.health.channels.end_where(ChannelEnd.REVOKED, lambda each: each is channel)
        raise GrantRequiredError(Ability.GATEWAY)
    return channel


async def _look(request: web.Request, errand: Errand) -> Wanted:
    """Take the message in that an assertion is wanted for, before a person is asked anything about it."""
    await _let_go_on(request)
    return await look(request, errand.caller, errand.service)


async def _prepare(
    request: web.Request, errand: Errand, wanted: Wanted | None, card: Card | None
) -> tuple[Headers, Body]:
    """Headers and body to send, with the signed assertion that the caller wants put in."""
    if wanted is not None:
        about_body, body = await prepare(request, errand.caller, wanted, card)
        others = [header for header in errand.headers if header[0].lower() != "content-length"]
        return (*others, *about_body), _limit(body)
    return errand.headers, _limit(read_pieces(request)) if request.body_exists else None


async def _limit(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Raises BodyTooLargeError, at a body that said nothing of its length."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > GATEWAY_BODY:
            raise BodyTooLargeError(f"the gateway takes {GATEWAY_BODY} bytes")
        yield piece


async def _let_go_on(request: web.Request) -> None:
    """Tell a caller that waits with its body that it may come (RFC 9110 §10.1.1)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
