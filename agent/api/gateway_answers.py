"""What a service answers, made safe to have come from the agent's own address, and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web
from multidict import CIMultiDict

from agent.access.cors import cors_headers
from agent.api.context import call
from agent.api.gateway_faults import FAULT, SENTENCE, SENTENCE_FR, read_fault
from agent.api.gateway_headers import LOCATION, find, give_back
from agent.api.gateway_streams import peek
from agent.api.middleware import HEADERS
from agent.services.catalog import Service
from agent.services.channels.values import Incoming
from agent.services.errors import HtmlRefusedError
from agent.services.tls.errors import ClientRefusedError

HEAD: Final = 1024
SANDBOX: Final = {
    **HEADERS,
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Content-Disposition": "attachment",
}
OCTETS: Final = "application/octet-stream"
EXPOSED: Final = f"{FAULT}, {SENTENCE}, {SENTENCE_FR}, {LOCATION}"
_PAGES: Final = ("text/html", "application/xhtml", "text/xsl", "multipart/x-mixed-replace", "image/svg")
_UNSAID: Final = (None, "", "*/*", "unknown/unknown", "application/unknown")
_MARKUP: Final = (b"<!doctype html", b"<html", b"<head", b"<script", b"<body", b"<iframe", b"<svg", b"<!--")
_NO_BODY: Final = (204, 304)


async def give_answer(request: web.Request, incoming: Incoming, service: Service) -> web.StreamResponse:
    """Send the service's answer to the caller, with what explains a fault.

    Raises HtmlRefusedError, ClientRefusedError before anything is sent.
    """
    kind = find(incoming.headers, "content-type")
    explained, body = await read_fault(request, incoming, service)
    if _is_page(kind) or _is_unsaid(kind):
        head, body = await peek(body, lambda head: len(head) >= HEAD)
        _require_no_page(incoming.status, kind, head)
    first = await anext(body, b"")
    response = _make_response(request, incoming, first)
    response.headers.update(explained)
    if isinstance(response, web.Response):
        return response
    call(request).begun = True
    await response.prepare(request)
    await response.write(first)
    await _stream(response, body)
    return response


async def _stream(response: web.StreamResponse, body: AsyncIterator[bytes]) -> None:
    """As long as the caller is there: that it leaves is nobody's failure."""
    async for piece in body:
        try:
            await response.write(piece)
        except ConnectionError:
            return
    with suppress(ConnectionError):
        await response.write_eof()


def _make_response(request: web.Request, incoming: Incoming, first: bytes) -> web.StreamResponse:
    """With the body in it where it has come as a whole: head and body then go out at once."""
    length = find(incoming.headers, "content-length")
    is_whole = length == str(len(first)) and request.method != hdrs.METH_HEAD
    kind = web.Response if is_whole else web.StreamResponse
    response = kind(status=incoming.status, reason=incoming.reason, headers=_headers(request, incoming))
    if isinstance(response, web.Response):
        response.body = first
    elif length is not None and incoming.status not in _NO_BODY:
        response.content_length = int(length)
    return response


def _headers(request: web.Request, incoming: Incoming) -> CIMultiDict[str]:
    headers = CIMultiDict(give_back(incoming.status, incoming.headers))
    headers.update(SANDBOX)
    origin = call(request).admission.origin
    headers.update(cors_headers(origin))
    if origin is not None:
        headers["Access-Control-Expose-Headers"] = EXPOSED
    if incoming.status not in _NO_BODY:
        kind = find(incoming.headers, "content-type")
        headers[hdrs.CONTENT_TYPE] = OCTETS if _is_unsaid(kind) else kind or OCTETS
    return headers


def _is_page(kind: str | None) -> bool:
    return kind is not None and kind.strip().lower().startswith(_PAGES)


def _is_unsaid(kind: str | None) -> bool:
    return kind in _UNSAID or "/" not in (kind or "")


def _require_no_page(status: int, kind: str | None, head: bytes) -> None:
    if status == 400 and b"SSL certificate" in head:  # nginx (ssl_verify_client) says so after the handshake, in HTML
        raise ClientRefusedError("the server says so in its answer")
    if _is_page(kind) or head.lstrip()[:32].lower().startswith(_MARKUP):
        raise HtmlRefusedError(status)
