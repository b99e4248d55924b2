"""Small calls of the agent's own on a channel, with an end in time and size, as agent.fetching has them."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from agent.fetching import USER_AGENT, AnswerTooLargeError, FetchTimeoutError, HostRefusedError, Request, Response
from agent.services.catalog import Service
from agent.services.channels.channel import Channel
from agent.services.channels.values import Incoming, Outgoing

_HEADERS: Final = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}


async def call(channel: Channel, request: Request) -> Response:
    """Exchange one request with the channel's service.

    Raises HostRefusedError for a URL that is not below the service's, AnswerTooLargeError, FetchTimeoutError, and what
    Channel.exchange raises.
    """
    headers = _HEADERS | dict(request.headers)
    if request.body is not None:
        headers["Content-Length"] = str(len(request.body))
    target = find_target(channel.parties.service, request.url)
    outgoing = Outgoing(request.method, target, tuple(headers.items()), request.body)
    try:
        async with asyncio.timeout(request.timeout_s), channel.exchange(outgoing) as incoming:
            body = await _read(incoming, request.max_size)
    except TimeoutError as error:
        raise FetchTimeoutError(f"{channel.parties.service.host}: no answer within {request.timeout_s:g} s") from error
    return Response(incoming.status, {name.lower(): value for name, value in incoming.headers}, body)


async def _read(incoming: Incoming, max_size: int) -> bytes:
    body = bytearray()
    async for piece in incoming.body:
        body += piece
        if len(body) > max_size:
            raise AnswerTooLargeError(f"more than {max_size} bytes")
    return bytes(body)


def find_target(service: Service, url: str) -> str:
    """Path and query of an address of the service. Raises HostRefusedError for any other."""
    try:
        parts = urlsplit(url)
        same = (parts.scheme, parts.hostname, parts.port or 443) == ("https", service.host, service.port)
    except ValueError as error:
        raise HostRefusedError("not a URL") from error
    plain = url.isascii() and url.isprintable() and not set(url) & set("@\\# ") and ".." not in parts.path
    below = parts.path == service.path or parts.path.startswith(f"{service.path}/")
    if not (same and plain and below):
        raise HostRefusedError(f"not an address of {service.host}")
    return parts._replace(scheme="", netloc="").geturl() or "/"
