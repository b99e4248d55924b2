"""Which routes take something else than JSON, by their names."""

from __future__ import annotations

from typing import Final

from aiohttp import web

MULTIPART: Final = "multipart/form-data"
UPLOAD_ROUTES: Final = frozenset({"sign", "verify"})
CONTENT_ROUTE: Final = "add-to-batch"
GATEWAY_ROUTE: Final = "use-gateway"


def takes_uploads(request: web.Request) -> bool:
    """Whether this route takes files besides JSON."""
    return request.match_info.route.name in UPLOAD_ROUTES


def takes_content(request: web.Request) -> bool:
    """Whether this route takes the content of a document as its body."""
    return request.match_info.route.name == CONTENT_ROUTE


def takes_anything(request: web.Request) -> bool:
    """Whether this route takes whatever a service takes, in any type and encoding."""
    return request.match_info.route.name == GATEWAY_ROUTE


async def let_wait(request: web.Request) -> None:
    """Leave a caller that expects 100 (Continue) waiting: the handler reads nothing before the way is open."""
