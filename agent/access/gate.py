"""The first decision about every request, before any handler: whose it is, and whether that may be heard at all."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.access.callers import Caller, CallerKind
from agent.access.errors import OriginRefusedError
from agent.access.local_token import LocalToken
from agent.access.origin import Origin, parse_origin, require_own_host
from agent.access.peer import Peer

# Open to a caller without a name: the two members of the status, and the files of the playground at the root. The path
# is taken as it came on the wire, so nothing that a server decodes or joins later can pass for one of these.
_PUBLIC_PATH = re.compile(r"/v1/status|/(?:playground/)?(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9]+)+)?")
_PUBLIC_METHODS = frozenset({"GET", "HEAD"})

_OWN_SITES = frozenset({"same-origin", "none"})  # Fetch metadata: the agent's own page, or typed by the person
_BLIND_MODES = frozenset({"navigate", "no-cors"})  # requests whose answer the page that made them cannot read


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the gate looks at: raw header values, None when not sent; a header sent twice comes joined with ", ".

    `path` is the raw path without query; `port` the one this connection was accepted on.
    """

    method: str
    path: str
    host: str | None
    port: int
    peer: Peer
    origin: str | None = None
    authorization: str | None = None
    sec_fetch_site: str | None = None
    sec_fetch_mode: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Who was let in: a page by its origin, a program by the local token, or nobody in particular (public routes)."""

    origin: Origin | None = None
    by_token: bool = False

    def caller(self, program: str | None) -> Caller | None:
        """Name the caller; `program` is the executable that `PeerFinder.find_program` found behind the connection."""
        if self.origin is not None:
            return Caller(CallerKind.PAGE, self.origin.text, through=program)
        if self.by_token:
            return Caller(CallerKind.PROGRAM, program or "")
        return None


def admit(facts: RequestFacts, token: LocalToken) -> Admission:
    """Decide in this order, and raise the AccessError of the first check that fails. Grants are checked afterwards.

    A page stays a page whatever token it sends, and a browser's request without Origin never counts as a program's.
    """
    facts.peer.require_same_user()
    require_own_host(facts.host, facts.port)
    if facts.origin is not None:
        return _admit_page(facts, facts.origin)
    if _is_browser(facts):
        return _admit_browser(facts)
    if facts.authorization is None and _is_public(facts):
        return Admission()
    token.matches(facts.authorization)
    return Admission(by_token=True)


def _is_browser(facts: RequestFacts) -> bool:
    return facts.sec_fetch_site is not None or facts.sec_fetch_mode is not None


def _is_public(facts: RequestFacts) -> bool:
    return facts.method in _PUBLIC_METHODS and _PUBLIC_PATH.fullmatch(facts.path) is not None


def _admit_page(facts: RequestFacts, origin: str) -> Admission:
    if not _BLIND_MODES.isdisjoint((facts.sec_fetch_mode or "").split(", ")):
        raise OriginRefusedError("a page calls the agent with fetch or WebSocket, not with a form, a link or an image")
    return Admission(origin=parse_origin(origin))


def _admit_browser(facts: RequestFacts) -> Admission:
    """Let the person's own navigation reach the public files; another site's links and images reach nothing."""
    if facts.sec_fetch_site not in _OWN_SITES or not _is_public(facts):
        raise OriginRefusedError("a browser's request without Origin")
    return Admission()
