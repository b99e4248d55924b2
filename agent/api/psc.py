"""Routes for Pro Santé Connect: logins, and the tokens of their sessions. For programs, each with its own sessions."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.api.callers import name_caller, require, require_program
from agent.api.context import call, services
from agent.api.problems import CallError
from agent.api.schemas import ExchangeBody, PscBody, TokenBody, read_body
from agent.api.using import begin
from agent.api.views import moment
from agent.services.psc.ciba import Channel
from agent.services.psc.opening import Use
from agent.services.psc.persons import Professional
from agent.services.psc.sessions import PscSession

CIBA: Final = "ciba"


async def log_in(request: web.Request, body: PscBody) -> web.Response:
    """POST /v1/authentications: a login in the system browser, or on another device; answered once it is made."""
    if body.way != CIBA and (body.login_hint is not None or body.channel is not None):
        raise CallError("loginHint and channel go with the way ciba")
    await require_program(request)
    psc = services(request).health.psc
    use = _use(request, await name_caller(request), body.client)
    psc.require_client(use)  # before the person is asked anything
    await require(request, Ability.AUTHENTICATE)
    session = await (_ring(request, use, body) if body.way == CIBA else psc.log_in(use, body.acr))
    _note(request, session)
    return web.json_response({"session": session_view(session, use.caller)})


async def _ring(request: web.Request, use: Use, body: PscBody) -> PscSession:
    from agent.services.psc.ringing import Wanted  # noqa: PLC0415 - few ever need it

    wanted = Wanted(body.login_hint, Channel(body.channel or Channel.MOBILE), body.acr)
    return await services(request).health.ringing.log_in(use, wanted)


async def list_sessions(request: web.Request) -> web.Response:
    """GET /v1/psc/sessions: who is logged in, for which program and client. No token is in it."""
    await require_program(request)
    caller = await require(request, Ability.IDENTITY)
    sessions = services(request).health.list_psc_sessions()
    return web.json_response({"sessions": [session_view(session, caller) for session in sessions]})


async def give_token(request: web.Request) -> web.Response:
    """POST /v1/psc/sessions/{id}/token: an access token that holds now, of a session of the program's own."""
    begin(request, Ability.AUTHENTICATE)
    await read_body(request, TokenBody)
    await require_program(request)
    caller = await require(request, Ability.AUTHENTICATE)
    psc = services(request).health.psc
    session = psc.sessions.find(request.match_info["id"], caller)
    _note(request, session)
    access = await psc.access(_use(request, caller, session.client), session)
    answer = {"accessToken": access.token, "expiresAt": moment(access.expires_at)}
    return web.json_response(answer if access.id_token is None else answer | {"idToken": access.id_token})


async def exchange_token(request: web.Request) -> web.Response:
    """POST /v1/psc/sessions/{id}/exchange: an access token for an API (RFC 8693), of a session of the program's own."""
    begin(request, Ability.AUTHENTICATE)
    body = await read_body(request, ExchangeBody)
    await require_program(request)
    caller = await require(request, Ability.AUTHENTICATE)
    health = services(request).health
    session = health.psc.sessions.find(request.match_info["id"], caller)
    _note(request, session)
    exchanged = await health.exchanging.get(_use(request, caller, session.client), session, body.audience)
    return web.json_response({"accessToken": exchanged.access_token, "expiresAt": moment(exchanged.ends_at)})


async def log_out(request: web.Request) -> web.Response:
    """DELETE /v1/psc/sessions/{id}: end a session here, and at its issuer where that can be reached."""
    state = call(request)
    state.is_use = True
    await require_program(request)
    caller = await require(request, Ability.IDENTITY)
    psc = services(request).health.psc
    session = psc.sessions.find_any(request.match_info["id"])
    _note(request, session)
    told = await psc.log_out(_use(request, caller, session.client), session)
    return web.json_response({"id": session.id, "issuerTold": told})


def _use(request: web.Request, caller: Caller, client: str) -> Use:
    record = call(request).record
    record.subject = record.subject or client
    return Use(caller, client, record)


def _note(request: web.Request, session: PscSession) -> None:
    """What the journal says of the session: for which client, and who; no token."""
    record = call(request).record
    record.subject = f"{session.client}: {session.person.display_name}"
    record.card_number = record.card_number or session.card_number


def session_view(session: PscSession, caller: Caller) -> dict[str, Any]:
    """A session without its tokens; `own`: the caller may have these."""
    return {
        "id": session.id,
        "client": session.client,
        "caller": session.caller.name,
        "own": session.caller.key == caller.key,
        "person": person_view(session.person),
        "acr": session.login.acr,
        "authMode": session.login.auth_mode,
        "cardNumber": session.card_number,
        "openedAt": moment(session.opened_at),
        "expiresAt": moment(session.expires_at),
    }


def person_view(person: Professional) -> dict[str, Any]:
    """The professional, with codes as Pro Santé Connect sends them."""
    return {
        "nationalId": person.national_id,
        "familyName": person.family_name,
        "givenName": person.given_name,
        "sector": person.sector,
        "roles": list(person.roles),
    }
