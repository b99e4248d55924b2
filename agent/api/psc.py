"""Routes for Pro Santé Connect: logins, and the tokens of their sessions. For programs, each with its own sessions."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.api.callers import name_caller, require, require_program
from agent.api.context import call, services
from agent.api.schemas import PscBody, TokenBody, read_body
from agent.api.using import begin
from agent.api.views import moment
from agent.services.psc.opening import Use
from agent.services.psc.persons import Professional
from agent.services.psc.sessions import PscSession


async def log_in(request: web.Request, body: PscBody) -> web.Response:
    """POST /v1/authentications: the person logs in with the system browser; the answer comes once they have."""
    await require_program(request)
    psc = services(request).health.psc
    use = _use(request, await name_caller(request), body.client)
    psc.require_client(use)  # before the person is asked anything
    await require(request, Ability.AUTHENTICATE)
    session = await psc.log_in(use, body.acr)
    _note(request, session)
    return web.json_response({"session": session_view(session, use.caller)})


async def list_sessions(request: web.Request) -> web.Response:
    """GET /v1/psc/sessions: who is logged in, for which program and client. No token is in it."""
    await require_program(request)
    caller = await require(request, Ability.IDENTITY)
    sessions = services(request).health.psc.sessions.list_sessions()
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
