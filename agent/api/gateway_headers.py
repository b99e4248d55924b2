"""Which headers pass the gateway, either way: not those of one connection, of the agent, or for a browser."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDictProxy

from agent.api.problems import CallError
from agent.services.channels.values import Headers

CARD: Final = "CPS-Agent-Card"
AUTHORIZATION: Final = "CPS-Agent-Authorization"
ASSERTION: Final = "CPS-Agent-Assertion"
LOCATION: Final = "CPS-Agent-Location"

_OWN: Final = "cps-agent-"
_NO_TEXT: Final = re.compile("[\ud800-\udfff]")  # how aiohttp tells bytes that are no UTF-8
_CONNECTION: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
)  # RFC 9110 §7.6.1
_NOT_SENT: Final = _CONNECTION | {
    "host", "expect", "authorization", "cookie", "cookie2", "origin", "referer", "dnt", "max-forwards", "forwarded",
    "x-real-ip", "upgrade-insecure-requests", "x-original-url", "x-rewrite-url", "x-http-method-override",
    "x-http-method", "x-method-override",
}  # fmt: skip
_NOT_SENT_BEGINS: Final = (
    _OWN, "proxy-", "sec-", "access-control-", "x-forwarded", "client-cert", "x-client-cert", "ssl-client", "x-ssl-",
)  # fmt: skip
"""Some servers believe a header more than the request's line, or than TLS (RFC 9440 §4): no caller speaks for these."""
_NOT_GIVEN: Final = _CONNECTION | {
    "set-cookie", "set-cookie2", "clear-site-data", "refresh", "strict-transport-security", "public-key-pins",
    "public-key-pins-report-only", "expect-ct", "alt-svc", "alternate-protocol", "nel", "report-to",
    "reporting-endpoints", "link", "sourcemap", "x-sourcemap", "service-worker-allowed", "timing-allow-origin",
    "origin-agent-cluster", "permissions-policy", "feature-policy", "document-policy", "referrer-policy",
    "x-frame-options", "x-xss-protection", "x-content-type-options", "x-dns-prefetch-control",
    "x-permitted-cross-domain-policies", "content-disposition", "content-length", "content-type", "cache-control",
    "vary", "server", "speculation-rules", "supports-loading-mode", "critical-ch", "accept-ch",
}  # fmt: skip
_NOT_GIVEN_BEGINS: Final = (_OWN, "proxy-", "sec-", "access-control-", "cross-origin-", "content-security-policy")


def pass_on(headers: CIMultiDictProxy[str]) -> Headers:
    """A caller's headers for the service. Authorization is the agent's; the service's own comes by another name.

    Raises CallError for bytes that are no text: they would not go on as they came.
    """
    named = _named(headers.getall("Connection", ()))
    passed = [each for each in headers.items() if _is_sent(each[0]) and each[0].lower() not in named]
    if _NO_TEXT.search("".join(headers.values())):
        raise CallError("a header that is neither ASCII nor UTF-8")
    return (*passed, *(("Authorization", value) for value in headers.getall(AUTHORIZATION, ())))


def give_back(status: int, headers: Headers) -> Headers:
    """A service's headers for the caller, without Content-Type and Content-Length.

    A redirect's Location has another name: a library that follows it would carry the agent's token to another host.
    """
    named = _named(value for name, value in headers if name.lower() == "connection")
    passed = [each for each in headers if _is_given(each[0]) and each[0].lower() not in named]
    if 300 <= status < 400:
        passed = [(LOCATION if name.lower() == "location" else name, value) for name, value in passed]
    return tuple(passed)


def find(headers: Headers, wanted: str) -> str | None:
    """The first of that name."""
    return next((value for name, value in headers if name.lower() == wanted), None)


def _named(values: Iterable[str]) -> frozenset[str]:
    """What Connection names belongs to the connection as well."""
    return frozenset(word.strip().lower() for value in values for word in value.split(","))


@functools.lru_cache(maxsize=512)
def _is_sent(name: str) -> bool:
    name = name.lower()
    return name not in _NOT_SENT and not name.startswith(_NOT_SENT_BEGINS) and "_" not in name  # CGI's spelling of "-"


@functools.lru_cache(maxsize=512)
def _is_given(name: str) -> bool:
    name = name.lower()
    return name not in _NOT_GIVEN and not name.startswith(_NOT_GIVEN_BEGINS)
