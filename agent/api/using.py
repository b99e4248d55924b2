"""Routes that use the card: codes and authentications; each call is an entry of the journal."""

from __future__ import annotations

from aiohttp import web

from agent.access.callers import Ability, Caller, CallerKind
from agent.access.consents import asker_of
from agent.access.origin import parse_origin
from agent.api.callers import is_page, name_caller, refuse_ungranted_page, require, require_card_in_reader
from agent.api.context import Call, call, services
from agent.api.problems import CallError
from agent.api.schemas import AuthenticationBody, PinBody, PscBody, read_body, read_login
from agent.api.views import pin_view
from agent.authentication.web_eid import make_token
from agent.cards.uses import UnlockedKey, UseRequest
from agent.people.prompt import Action
from drivers.base import KeyRole

WEB_EID = "web-eid:1.0"
PIN_ACTIONS = {"verify": Action.VERIFY_PIN, "change": Action.CHANGE_PIN, "unblock": Action.UNBLOCK_PIN}


async def use_pin(request: web.Request) -> web.Response:
    """POST /v1/pin/{verify,change,unblock}: the dialog asks for the codes; answers the state of the code."""
    state = begin(request, Ability.IDENTITY)
    body = await read_body(request, PinBody)
    caller = await require(request, Ability.IDENTITY)
    require_card_in_reader(caller, body.card_number)
    uses, verb = services(request).uses, request.path.rsplit("/", 1)[1]
    use = UseRequest(asker_of(caller), PIN_ACTIONS[verb], state.record, card_number=body.card_number)
    status = await {"verify": uses.verify_pin, "change": uses.change_pin, "unblock": uses.unblock_pin}[verb](use)
    return web.json_response({"cardNumber": state.record.card_number, "pin": pin_view(status)})


async def authenticate(request: web.Request) -> web.Response:
    """POST /v1/authentications: a Web eID token, for a page's or a named origin; or a login at Pro Santé Connect."""
    state = begin(request, Ability.AUTHENTICATE)
    body = await read_login(request)
    if isinstance(body, PscBody):
        return await log_in(request, body)
    caller, origin, behalf = await _authentication_origin(request, body)
    state.record.subject = origin
    use = UseRequest(
        asker_of(caller),
        Action.AUTHENTICATE,
        state.record,
        subjects=(origin,),
        format=WEB_EID,
        on_behalf_of=behalf,
        card_number=body.card_number,
    )

    async def make(key: UnlockedKey) -> web.Response:
        if is_page(caller):
            services(request).grants.require(caller, Ability.AUTHENTICATE)
        return web.json_response(await make_token(key, origin, body.challenge_nonce))

    return await services(request).uses.sign(use, KeyRole.AUTHENTICATION, make)


async def _authentication_origin(request: web.Request, body: AuthenticationBody) -> tuple[Caller, str, str | None]:
    """Caller, origin to sign, and the same origin again when a program speaks for it: then a fresh consent is asked."""
    caller = await name_caller(request)
    if caller.kind is CallerKind.PAGE:
        if body.origin is not None:
            raise CallError("a page authenticates for its own origin; leave the member origin out")
        return await require(request, Ability.AUTHENTICATE), caller.name, None
    if body.origin is None:
        raise CallError("a program names the site by the member origin")
    origin = parse_origin(body.origin).text
    return caller, origin, origin


async def log_in(request: web.Request, body: PscBody) -> web.Response:
    """See agent.api.psc, which few ever need."""
    from agent.api import psc  # noqa: PLC0415

    return await psc.log_in(request, body)


def begin(request: web.Request, ability: Ability) -> Call:
    """Mark a call as a use of the card, after a page without a grant was refused. Raises GrantRequiredError."""
    refuse_ungranted_page(request, ability)
    state = call(request)
    state.is_use = True
    return state
