"""What a caller may name of a service: a path below its address and a query, in a spelling that has one reading.

The rest of a target (RFC 9112 §3.2.1) is taken as it came on the wire, looked at once, and sent as it came. Whatever a
server, a proxy or a library could read as another host, another folder, another header or another spelling is refused.
"""

from __future__ import annotations

import re
from typing import Final

from agent.services.catalog import Service
from agent.services.errors import TargetRefusedError

MAX_TARGET: Final = 8 * 1024

_ROUTE: Final = re.compile(r"/v1/gateway/([^/?#]*)/([^\r\n]*)", re.ASCII)
# RFC 3986 §3.3 without ";" (parameters of a segment) and "@", without ":" at the begin of a segment (an authority, a
# port), with a dot there only before a name, and escapes of what means nothing in a path, however often it is decoded.
_ESCAPE: Final = r"%2[014678A-Ca-c]|%3[Dd]|%7[Cc]"
_FIRST: Final = rf"\.?(?:[A-Za-z0-9_~$!&'()*+,=-]|{_ESCAPE})"
_NEXT: Final = rf"(?:[A-Za-z0-9_~$!&'()*+,=:.-]|{_ESCAPE}|%3[Aa])"
_SEGMENT: Final = rf"{_FIRST}{_NEXT}*"
_PATH: Final = re.compile(rf"(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?")
# A query is data: anything printable, escaped or not, but no line ends, no NUL, and no second reading of "#" or "\".
_QUERY: Final = re.compile(
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?|-]|%(?:[2-6][0-9A-Fa-f]|7[0-9A-Ea-e]|[89A-Fa-f][0-9A-Fa-f]))*"
)


def split_route(raw: str) -> tuple[str, str]:
    """Name of the service and rest of the target of a request to the gateway's own route. Raises TargetRefusedError."""
    route = _ROUTE.fullmatch(raw) if len(raw) <= MAX_TARGET else None
    if route is None:
        raise TargetRefusedError("not spelled as the route is")
    return route[1], route[2]


def read_target(service: Service, rest: str) -> str:
    """The target to send: the service's path, a slash, the rest. An empty rest is the service's own address.

    Raises TargetRefusedError.
    """
    path, mark, query = rest.partition("?")
    if not _PATH.fullmatch(path):
        raise TargetRefusedError("the path is not spelled plainly")
    if not _QUERY.fullmatch(query):
        raise TargetRefusedError("the query is not spelled plainly")
    whole = f"{service.path}/{path}" if path or not service.path else service.path
    return whole + mark + query
