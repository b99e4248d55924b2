"""A login on another device: the issuer asks the person there, and is asked until it knows the answer.

OpenID Connect Client-Initiated Backchannel Authentication Core 1.0, poll mode; `channel` is Pro Santé Connect's own.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from agent.services.psc.endpoints import Endpoints
from agent.services.psc.errors import LoginRefusedError, LoginTimeoutError
from agent.services.psc.oauth import (
    IssuerAnswerError,
    IssuerUnreachableError,
    Members,
    OAuthError,
    PscError,
    require_bearer,
    take_seconds,
    take_text,
)

GRANT_TYPE: Final = "urn:openid:params:grant-type:ciba"
MAX_LIFETIME_S: Final = 300
MAX_INTERVAL_S: Final = 30
USUAL_INTERVAL_S: Final = 5  # CIBA Core §7.3, where the issuer names none
SLOWER_S: Final = 5  # CIBA Core §11: slow_down
NUMBERS: Final = 100


class Channel(StrEnum):
    """By what the person proves who they are: the e-CPS on a phone, or the CPS card."""

    MOBILE = "MOBILE"
    CARD = "CARD"


@dataclass(frozen=True, slots=True)
class CibaTerms:
    """One login. `login_hint`: the national id of who is asked; `number`: two digits, shown here and there."""

    backchannel_url: str
    token_url: str
    login_hint: str
    scope: str
    acr: str
    channel: Channel
    number: str

    def form(self) -> dict[str, str]:
        """The request (CIBA Core §7.1)."""
        return {
            "scope": self.scope,
            "acr_values": self.acr,
            "login_hint": self.login_hint,
            "binding_message": self.number,
            "channel": self.channel,
        }


def choose_number() -> str:
    """Two digits that nobody can foresee."""
    return f"{secrets.randbelow(NUMBERS):02d}"


@dataclass(frozen=True, slots=True)
class Start:
    """What the issuer answers at once (CIBA Core §7.3)."""

    auth_req_id: str
    lifetime_s: int
    interval_s: int


def read_start(members: Mapping[str, Any]) -> Start:
    """Read it. A longer lifetime counts as the longest that is waited for. Raises IssuerAnswerError."""
    lifetime_s = min(take_seconds(members, "expires_in"), MAX_LIFETIME_S)
    interval_s = take_seconds(members, "interval", USUAL_INTERVAL_S)
    if interval_s > MAX_INTERVAL_S:
        raise IssuerAnswerError(f"an interval of {interval_s} s")
    return Start(take_text(members, "auth_req_id"), lifetime_s, interval_s)


class Polling:
    """When to ask next. Every moment is the caller's: seconds of a clock that is never set back."""

    def __init__(self, start: Start, now_s: float, pace_s: float = 0.0) -> None:
        self._interval_s = max(float(start.interval_s), pace_s)
        self._end_s = now_s + start.lifetime_s
        self._due_s = now_s + self._interval_s

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next question. Raises LoginTimeoutError where it would come too late."""
        if max(self._due_s, now_s) >= self._end_s:
            raise LoginTimeoutError
        return max(0.0, self._due_s - now_s)

    def note(self, error: PscError, now_s: float) -> None:
        """Take an answer that is none yet. Raises LoginRefusedError, LoginTimeoutError, or the error as it is."""
        word = error.error if isinstance(error, OAuthError) else None
        if word == "slow_down":
            self._interval_s += SLOWER_S
        elif isinstance(error, IssuerUnreachableError):
            self._interval_s = min(2 * self._interval_s, max(self._interval_s, MAX_INTERVAL_S))  # RFC 8628 §3.5
        elif word != "authorization_pending":
            raise _final(error)
        self._due_s = now_s + self._interval_s


def _final(error: PscError) -> PscError:
    if not isinstance(error, OAuthError):
        return error
    if error.error == "access_denied":
        return LoginRefusedError(str(error))
    return LoginTimeoutError(str(error)) if error.error == "expired_token" else error


async def begin(endpoints: Endpoints, terms: CibaTerms) -> Start:
    """Have the person asked. Raises what Endpoints.post raises: nothing is sent twice."""
    try:
        return read_start(await endpoints.post(terms.backchannel_url, terms.form()))
    except OAuthError as error:
        raise _final(error) from error


async def poll(
    endpoints: Endpoints, terms: CibaTerms, start: Start, clock: Callable[[], float] = time.monotonic
) -> Members:
    """Ask for the tokens until they are there: those of a Bearer type, not yet checked further.

    Raises LoginRefusedError, LoginTimeoutError, and what Endpoints.post raises; that the issuer is out of reach for a
    moment ends nothing.
    """
    polling = Polling(start, clock(), endpoints.pace_s)
    form = {"grant_type": GRANT_TYPE, "auth_req_id": start.auth_req_id}
    while True:
        await asyncio.sleep(polling.wait_s(clock()))
        try:
            members = await endpoints.post(terms.token_url, form)
        except (OAuthError, IssuerUnreachableError) as error:
            polling.note(error, clock())
        else:
            require_bearer(members)
            take_text(members, "access_token")
            take_text(members, "id_token")
            return members
