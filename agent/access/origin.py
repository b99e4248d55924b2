"""Check where a request comes from (Origin, RFC 6454 §6) and whom it thinks it reaches (Host, RFC 9110 §7.2).

Only the exact spelling that a browser produces passes; nothing is repaired.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass

from agent.access.errors import HostRefusedError, OriginRefusedError

MAX_ORIGIN_CHARS = 255  # leaves a host name less than the 253 of RFC 1035 §2.3.4

_OWN_HOSTS = ("127.0.0.1", "[::1]", "localhost")
_DEFAULT_PORTS = {"https": "443", "http": "80"}
_SHAPE = re.compile(r"(https?)://(\[[0-9a-f:]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")  # what a browser takes for a part of an IPv4 address: WHATWG URL §3.5


@dataclass(frozen=True, slots=True)
class Origin:
    """A page's origin as the browser wrote it; `loopback`: plain http of this workstation, proved by no certificate."""

    text: str
    loopback: bool


def require_own_host(host: str | None, port: int) -> None:
    """Refuse a request that was addressed to another name than the agent's own: the defence against DNS rebinding."""
    if host not in _own_names(port):
        raise HostRefusedError


@functools.lru_cache(maxsize=8)
def _own_names(port: int) -> frozenset[str]:
    own = {f"{name}:{port}" for name in _OWN_HOSTS}
    return frozenset(own.union(_OWN_HOSTS) if port == 80 else own)  # a browser leaves the default port out


def parse_origin(text: str) -> Origin:
    """Read one Origin header; raise OriginRefusedError for anything but one well-formed origin that can be granted."""
    shape = _SHAPE.fullmatch(text) if len(text) <= MAX_ORIGIN_CHARS else None
    if shape is None:
        raise OriginRefusedError
    scheme, host, port = shape.groups()
    _check_port(scheme, port)
    _check_host(host)
    if scheme == "http":
        _check_loopback(host, port)
    return Origin(text, loopback=scheme == "http")


def _check_port(scheme: str, port: str | None) -> None:
    if port is not None and (port == _DEFAULT_PORTS[scheme] or int(port) > 65535):
        raise OriginRefusedError


def _check_loopback(host: str, port: str | None) -> None:
    if host not in _OWN_HOSTS or port is None:
        raise OriginRefusedError("plain http is taken from a page of this workstation only, with its port")


def _check_host(host: str) -> None:
    if host.startswith("["):
        _check_ipv6(host[1:-1])
    elif _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        _check_ipv4(host)
    else:
        _check_name(host)


def _check_name(host: str) -> None:
    if not all(map(_LABEL.fullmatch, host.split("."))):
        raise OriginRefusedError


def _check_ipv4(host: str) -> None:
    try:
        ipaddress.IPv4Address(host)
    except ValueError as error:
        raise OriginRefusedError from error


def _check_ipv6(host: str) -> None:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError as error:
        raise OriginRefusedError from error
    if address.ipv4_mapped is not None or str(address) != host:
        raise OriginRefusedError
