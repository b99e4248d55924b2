"""Token exchange (RFC 8693): an access token of a login against one for an API, which lasts longer."""

from __future__ import annotations

import asyncio
import base64
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from agent.services.psc.endpoints import Endpoints
from agent.services.psc.errors import AudienceRefusedError, SessionGoneError
from agent.services.psc.oauth import (
    IssuerAnswerError,
    Members,
    require_bearer,
    take_seconds,
    take_text,
)
from agent.services.psc.tokens import Held

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
LEEWAY_S: Final = 10.0
UNTOLD_S: Final = 60
"""For how long a token counts that comes without `expires_in`, which the standard only recommends."""
MAX_KEPT_S: Final = 4 * 3600
"""No longer than a login lasts, whatever the issuer says."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A token for one API. `ends_s`: on the wall's clock, seconds since 1970."""

    held: Held = field(repr=False)
    ends_s: float

    @property
    def access_token(self) -> str:
        """The token as text. Raises ValueError once it was wiped."""
        return self.held.read()

    @property
    def ends_at(self) -> datetime:
        """The same moment, for people."""
        return datetime.fromtimestamp(self.ends_s, UTC)

    def holds(self, now_s: float) -> bool:
        """Whether it can still be given to somebody."""
        return now_s < self.ends_s - LEEWAY_S


ReadToken = Callable[[], Awaitable[str]]
"""Give the access token of the login, fresh; raises what a renewal raises."""


class Exchanges:
    """The tokens of one login by their audiences, in memory alone, as long as the login. For the event loop.

    `is_alive`: whether the login stands.
    """

    def __init__(
        self, audiences: Container[str], is_alive: Callable[[], bool], clock: Callable[[], float] = time.time
    ) -> None:
        self._audiences = audiences
        self._is_alive = is_alive
        self._clock = clock
        self._kept: dict[str, Exchanged] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(self, audience: str, endpoints: Endpoints, token_url: str, read_token: ReadToken) -> Exchanged:
        """A token for that audience: the one that is kept, or a new one; who asks meanwhile waits for the same.

        Raises AudienceRefusedError, SessionGoneError, and what Endpoints.post and a renewal raise.
        """
        if audience not in self._audiences:
            raise AudienceRefusedError(audience)
        async with self._turns[audience]:
            self._require_alive()
            kept = self._kept.get(audience)
            if kept is not None and kept.holds(self._clock()):
                return kept
            form = make_form(audience, await read_token())
            self._require_alive()
            asked_s = self._clock()
            made = read_exchanged(await endpoints.post(token_url, form), asked_s)
            await endpoints.require_bound(peek_claims(made.access_token))
            self._require_alive()
            self._kept[audience] = made
            return made

    def clear(self) -> None:
        """Wipe all of them: the login has ended."""
        for kept in self._kept.values():
            kept.held.wipe()
        self._kept.clear()

    def _require_alive(self) -> None:
        if not self._is_alive():
            self.clear()
            raise SessionGoneError


def peek_claims(token: str) -> Members:
    """The claims of a JWT, unverified: only its audience knows the keys of another issuer. None of an opaque token."""
    try:
        payload = token.split(".")[1]
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Members)
    except (IndexError, ValueError, RecursionError):
        return {}


def make_form(audience: str, access_token: str) -> dict[str, str]:
    """What is asked for (RFC 8693 §2.1): an access token, as nothing else is named."""
    return {
        "grant_type": GRANT_TYPE,
        "subject_token": access_token,
        "subject_token_type": ACCESS_TOKEN,
        "audience": audience,
    }


def read_exchanged(members: Members, asked_s: float) -> Exchanged:
    """Read the answer (RFC 8693 §2.2.1); a refresh token in it is left. Raises IssuerAnswerError."""
    require_bearer(members)
    if members.get("issued_token_type") not in (ACCESS_TOKEN, JWT):
        raise IssuerAnswerError("a token of another kind than was asked for")
    lifetime_s = min(take_seconds(members, "expires_in", UNTOLD_S), MAX_KEPT_S)
    return Exchanged(Held(take_text(members, "access_token")), asked_s + lifetime_s)
