"""Around every handler: who calls (the gate), what is answered when it fails, and what the journal keeps of it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from agent.access.cors import cors_headers, preflight_headers
from agent.access.errors import AccessError, HostRefusedError, OriginRefusedError, PeerRefusedError, StoreError
from agent.access.gate import Admission, RequestFacts, admit
from agent.access.journal import OK, JournalEntry
from agent.access.origin import Origin, parse_origin, require_own_host
from agent.api.callers import caller_text, connection_of
from agent.api.connections import STRANGERS
from agent.api.context import CALL, Call, call, services
from agent.api.media import MULTIPART, takes_anything, takes_content, takes_uploads
from agent.api.problems import (
    BodyTooLargeError,
    CallError,
    MethodNotAllowedError,
    RouteNotFoundError,
    UnsupportedMediaError,
    describe_problem,
    find_problem,
)
from agent.api.schemas import LARGE_BODY, UPLOAD_BODY

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CANCELLED = "cancelled"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "cps-agent",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every outcome into an answer and, where it matters, into an entry of the journal."""
    request[CALL] = state = Call()
    started = time.monotonic()
    try:
        response = await handler(request)
        if state.is_use:
            await _record(request, OK, started)
    except asyncio.CancelledError:
        if state.is_use:
            await asyncio.shield(_record(request, CANCELLED, started))
        raise
    except Exception as error:  # noqa: BLE001 - the edge of the API: every error becomes a problem document
        response = await _fail(request, _as_call_error(error), started)
        if state.begun and request.transport is not None:
            request.transport.abort()  # not closed: what is incomplete must not look complete
    _finish(request, response)
    return response


async def _fail(request: web.Request, error: Exception, started: float) -> web.Response:
    problem = find_problem(error)
    if problem.status == 500:
        log.error("internal error in %s", call(request).record.action, exc_info=error)
    try:
        await _record(request, problem.code, started)
    except StoreError as failure:
        log.error("the journal cannot be written: %s", failure)  # noqa: TRY400 - one line is what a reader needs
    response = web.Response(
        status=problem.status,
        text=json.dumps(describe_problem(error), ensure_ascii=False),
        content_type="application/problem+json",
    )
    if isinstance(error, PeerRefusedError | HostRefusedError):
        response.force_close()  # what else it has sent is not worth reading
    return response


def _as_call_error(error: Exception) -> Exception:
    """What aiohttp refuses by itself, in the words of the API."""
    if isinstance(error, web.HTTPNotFound):
        return RouteNotFoundError()
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowedError()
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return BodyTooLargeError()
    if isinstance(error, web.HTTPException):
        return CallError(error.reason)
    return error


async def _record(request: web.Request, outcome: str, started: float) -> None:
    state = call(request)
    entry = JournalEntry(
        action=state.record.action,
        caller=caller_text(request),
        outcome=outcome,
        through=state.connection.program if state.connection else None,
        card_number=state.record.card_number,
        subject=state.record.subject,
        exchanges=state.record.exchanges or None,
        duration_ms=round((time.monotonic() - started) * 1000),
        by_person=state.record.code_given,
    )
    await services(request).journal.record(entry)


def _finish(request: web.Request, response: web.StreamResponse) -> None:
    if response.prepared:
        return
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.update(cors_headers(call(request).admission.origin or _readable_origin(request)))


def _readable_origin(request: web.Request) -> Origin | None:
    """An origin that may read why it was refused."""
    try:
        return parse_origin(request.headers[hdrs.ORIGIN])
    except (KeyError, AccessError):
        return None


@web.middleware
async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Peer, Host, method and route, media type and size, then Origin or token: nothing is read of a body before."""
    state = call(request)
    state.connection = await connection_of(request)
    facts = _facts(request, state)
    facts.peer.require_same_user()
    request.app[STRANGERS].forget(request.transport)
    require_own_host(facts.host, facts.port)
    _require_own_target(request)
    state.record.action = _action(request)
    if request.method == hdrs.METH_OPTIONS:
        return _preflight(request)
    _check_call(request)
    state.admission = admit(facts, services(request).token)
    return await handler(request)


def _facts(request: web.Request, state: Call) -> RequestFacts:
    assert state.connection is not None
    transport = request.transport
    port = transport.get_extra_info("sockname")[1] if transport else 0
    return RequestFacts(
        method=request.method,
        path=request.rel_url.raw_path,
        host=_header(request, hdrs.HOST),
        port=port,
        peer=state.connection.peer,
        origin=_header(request, hdrs.ORIGIN),
        authorization=_header(request, hdrs.AUTHORIZATION),
        sec_fetch_site=_header(request, "Sec-Fetch-Site"),
        sec_fetch_mode=_header(request, "Sec-Fetch-Mode"),
    )


def _header(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, [])
    return ", ".join(values) if values else None


def _require_own_target(request: web.Request) -> None:
    """A target that names a host (RFC 9112 §3.2.2 to §3.2.4) would count instead of the Host that was checked."""
    if not request.raw_path.startswith("/"):
        raise HostRefusedError


def _action(request: web.Request) -> str:
    return request.match_info.route.name or "unknown-route"


def _check_call(request: web.Request) -> None:
    error = request.match_info.http_exception
    if error is not None:
        raise error
    if takes_anything(request):
        return
    uploads = takes_uploads(request) and request.content_type == MULTIPART
    if request.method == hdrs.METH_POST and request.content_type != "application/json" and not uploads:
        raise UnsupportedMediaError
    if hdrs.CONTENT_ENCODING in request.headers:
        raise UnsupportedMediaError("a compressed body")
    if (request.content_length or 0) > (UPLOAD_BODY if uploads or takes_content(request) else LARGE_BODY):
        raise BodyTooLargeError


def _preflight(request: web.Request) -> web.Response:
    """Answer a browser's question about a route, the same for every page; it never prompts."""
    if request.headers.get("Access-Control-Request-Method") is None:
        raise MethodNotAllowedError
    text = _header(request, hdrs.ORIGIN)
    if text is None:
        raise OriginRefusedError
    origin = parse_origin(text)
    call(request).admission = Admission(origin=origin)
    return web.Response(status=204, headers=preflight_headers(origin))
