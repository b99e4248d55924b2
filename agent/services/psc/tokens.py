"""Tokens as they are held: in memory only, without a repr, wiped when their session ends.

Python's strings cannot be overwritten: what a request or an answer was made of lives until it is collected. What is
kept for long is not a string.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent.services.psc.oauth import IssuerAnswerError, require_bearer, take_seconds, take_text

MAX_LIFETIME_S: Final = 4 * 3600


class Held:
    """One token."""

    __slots__ = ("_bytes",)

    def __init__(self, text: str) -> None:
        self._bytes = bytearray(text, "ascii")

    def read(self) -> str:
        """The token as text. Raises ValueError once it was wiped."""
        if not self._bytes:
            raise ValueError("this token was wiped")
        return self._bytes.decode("ascii")

    def wipe(self) -> None:
        """Overwrite it."""
        self._bytes[:] = bytes(len(self._bytes))
        self._bytes.clear()


@dataclass(slots=True, eq=False)
class Tokens:
    """What a login or a refresh gave. `ends_s`: when the access token ends, on the clock of the sessions."""

    access: Held = field(repr=False)
    refresh: Held | None = field(repr=False)
    id: Held | None = field(repr=False)
    ends_s: float

    def wipe(self) -> None:
        """Overwrite all of them."""
        for token in (self.access, self.refresh, self.id):
            if token is not None:
                token.wipe()


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The members of a token endpoint's success (RFC 6749 §5.1, Core §3.1.3.3)."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    id: str | None = field(repr=False)
    lifetime_s: int

    def hold(self, clock: Callable[[], float]) -> Tokens:
        """Hold them, counted from now."""
        refresh, id_token = (Held(text) if text is not None else None for text in (self.refresh, self.id))
        return Tokens(Held(self.access), refresh, id_token, clock() + self.lifetime_s)


def read_tokens(members: Mapping[str, Any]) -> TokenAnswer:
    """Read them. Raises IssuerAnswerError."""
    require_bearer(members)
    access = take_text(members, "access_token")
    refresh, id_token = (
        take_text(members, name) if members.get(name) is not None else None for name in ("refresh_token", "id_token")
    )
    lifetime_s = min(take_seconds(members, "expires_in"), MAX_LIFETIME_S)
    return TokenAnswer(access, refresh, id_token, lifetime_s)


def require_id_token(answer: TokenAnswer) -> str:
    """The id token, without which there is no login. Raises IssuerAnswerError."""
    if answer.id is None:
        raise IssuerAnswerError("the answer has no id_token")
    return answer.id
