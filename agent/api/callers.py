"""Who calls: the connection's peer, the caller's name, and the abilities that it was granted."""

from __future__ import annotations

import asyncio
import weakref
from asyncio import Transport

from aiohttp import hdrs, web

from agent.access.callers import Ability, Caller, CallerKind
from agent.access.errors import PeerRefusedError, TokenRefusedError
from agent.access.peer import Endpoint
from agent.api.context import Connection, call, services
from agent.cards.errors import CardNotFoundError
from agent.cards.software import is_software_number

_connections: weakref.WeakKeyDictionary[Transport, Connection] = weakref.WeakKeyDictionary()


async def connection_of(request: web.Request) -> Connection:
    """The other end of this request's connection, looked up at its first request. Raises PeerRefusedError."""
    transport = request.transport
    if transport is None:
        raise PeerRefusedError("the connection is gone")
    known = _connections.get(transport)
    if known is None:
        local = Endpoint.from_sockaddr(transport.get_extra_info("sockname"))
        remote = Endpoint.from_sockaddr(transport.get_extra_info("peername"))
        peer = await asyncio.to_thread(services(request).peers.find_peer, local, remote)
        known = _connections[transport] = Connection(peer)
    return known


async def name_caller(request: web.Request) -> Caller:
    """The caller with the program behind the connection. Raises TokenRefusedError for one that gave no name."""
    state = call(request)
    assert state.connection is not None
    if not state.connection.program_known:
        state.connection.program = await asyncio.to_thread(services(request).peers.find_program, state.connection.peer)
        state.connection.program_known = True
    caller = state.admission.caller(state.connection.program)
    if caller is None:
        raise TokenRefusedError
    return caller


async def require_program(request: web.Request) -> None:
    """Raise TokenRefusedError for a page."""
    if is_page(await name_caller(request)):
        raise TokenRefusedError


def require_card_in_reader(caller: Caller, number: str | None) -> None:
    """A page learns of no software certificate, nor whether there is one. Raises CardNotFoundError."""
    if is_page(caller) and is_software_number(number):
        raise CardNotFoundError


def caller_text(request: web.Request) -> str:
    """The caller as the journal names it, without looking anything up."""
    state = call(request)
    if state.admission.origin is not None:
        return state.admission.origin.text
    if state.admission.by_token:
        return (state.connection and state.connection.program) or "program"
    return request.headers.get(hdrs.ORIGIN) or "unknown program"


def is_page(caller: Caller) -> bool:
    """Whether a web page calls."""
    return caller.kind is CallerKind.PAGE


def refuse_ungranted_page(request: web.Request, ability: Ability) -> None:
    """Refuse a page before its body is read; a program's consent is asked once its request is known to be right."""
    origin = call(request).admission.origin
    if origin is not None:
        services(request).grants.require(Caller(CallerKind.PAGE, origin.text), ability)


async def require(request: web.Request, ability: Ability) -> Caller:
    """Let a granted caller pass; a program without the grant is asked for inline, a page has to ask first.

    Raises GrantRequiredError, GrantRefusedError, AbilityRefusedError.
    """
    caller = await name_caller(request)
    grants = services(request).grants
    if not grants.allows(caller, ability):
        if not is_page(caller):
            await services(request).consents.ask(caller, {ability})
        grants.require(caller, ability)
    return caller
