"""What tokens must say before anybody is believed to be logged in. Pure: claims in, refusals out.

OpenID Connect Core 1.0 §3.1.3.7 (id token), §3.1.3.6 (at_hash), §5.3.2 (userinfo), §12.2 (refresh); RFC 8725.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from agent.services.psc.encoding import base64url
from agent.services.psc.errors import AcrTooLowError, ClientRefusedError, StaleLoginError, TokenCheckError
from agent.services.psc.keys import Claims

SKEW_S: Final = 60
ACR: Final = ("eidas1", "eidas2", "eidas3")
"""Levels of authentication, the weakest first: one that is stronger than was asked for will do."""

T = TypeVar("T")
AUTH_REQ_ID: Final = "urn:openid:params:jwt:claim:auth_req_id"
RT_HASH: Final = "urn:openid:params:jwt:claim:rt_hash"

Text = Annotated[str, Meta(min_length=1, max_length=512)]
Moment = Annotated[float, Meta(ge=0, le=2**40)]


@dataclass(frozen=True, slots=True)
class Expected:
    """What was asked of whom. `now_s`: seconds since 1970.

    `nonce` None: the way of logging in has none (CIBA). `not_before_s`: when the login was asked for, where one that
    the browser had made earlier will not do. `subject`: who it must be, once that is known.
    """

    issuer: str
    client_id: str
    acr: str
    now_s: float
    nonce: str | None = None
    not_before_s: float | None = None
    subject: str | None = None


class IdClaims(msgspec.Struct, frozen=True):
    """The claims of an id token that are looked at; whatever is of another type than the standard says is none."""

    iss: Text
    sub: Text
    aud: Text | tuple[Text, ...]
    exp: Moment
    iat: Moment
    nbf: Moment | None = None
    azp: Text | None = None
    nonce: Text | None = None
    auth_time: Moment | None = None
    acr: Text | None = None
    at_hash: Text | None = None


class AccessClaims(msgspec.Struct, frozen=True):
    """Those of an access token, where it is a JWT."""

    iss: Text
    sub: Text
    exp: Moment
    iat: Moment | None = None
    nbf: Moment | None = None
    azp: Text | None = None
    client_id: Text | None = None
    typ: Text | None = None
    auth_time: Moment | None = None
    acr: Text | None = None
    auth_mode: Text | None = msgspec.field(default=None, name="authMode")


def check_id_token(claims: Claims, expected: Expected, access_token: str) -> IdClaims:
    """Raise TokenCheckError unless it tells a login of this client at this issuer, by the request that was made."""
    told = _convert(claims, IdClaims)
    _require(told.iss == expected.issuer, "iss")
    _check_audience(told, expected.client_id)
    _check_times(told, expected.now_s)
    _require(told.nonce == expected.nonce or expected.nonce is None, "nonce")
    _require(told.at_hash in (None, half_hash(access_token)), "at_hash")
    _check_subject(told.sub, expected)
    _check_age(told.auth_time, expected)
    return told


def check_access_token(claims: Claims, expected: Expected) -> AccessClaims:
    """Raise TokenCheckError unless it was issued to this client, and holds now."""
    told = _convert(claims, AccessClaims)
    _require(told.iss == expected.issuer, "access token: iss")
    _require((told.azp or told.client_id) == expected.client_id, "access token: azp")
    _require((told.typ or "Bearer").lower() in ("bearer", "at+jwt"), "access token: typ")
    _check_times(told, expected.now_s)
    _check_subject(told.sub, expected)
    _check_age(told.auth_time, expected)
    return told


def check_userinfo(claims: Claims, subject: str) -> None:
    """Raise TokenCheckError unless it is about the same one as the id token: tokens may have been exchanged."""
    _require(claims.get("sub") == subject, "userinfo: sub")


def check_acr(told: tuple[str | None, ...], asked: str) -> str:
    """The weakest level that the tokens tell. Raises AcrTooLowError below the one that was asked for, or for none."""
    levels = [ACR.index(level) if level in ACR else -1 for level in told if level is not None]
    if not levels or min(levels) < ACR.index(asked):
        raise AcrTooLowError("acr")
    return ACR[min(levels)]


def check_backchannel(claims: Claims, auth_req_id: str, refresh_token: str | None) -> None:
    """Raise TokenCheckError for the answer to another request, or another refresh token (CIBA Core §10.3.1).

    Only tokens that are pushed must have these claims; where they are there, they have to be right.
    """
    told = claims.get(AUTH_REQ_ID)
    _require(told is None or told == auth_req_id, "auth_req_id")
    told = claims.get(RT_HASH)
    _require(told is None or (refresh_token is not None and told == half_hash(refresh_token)), "rt_hash")


def check_level(acr: str) -> str:
    """The level, if it is one. Raises ClientRefusedError."""
    if acr not in ACR:
        raise ClientRefusedError(f"acr {acr!r}")
    return acr


def half_hash(token: str) -> str:
    """The left half of its SHA-256 (every algorithm that is accepted here has this hash)."""
    digest = hashlib.sha256(token.encode("ascii")).digest()
    return base64url(digest[:16])


def _convert(claims: Claims, kind: type[T]) -> T:
    try:
        return msgspec.convert(claims, kind)
    except msgspec.ValidationError as error:
        path = str(error).partition("$.")[2].rstrip("`")
        raise TokenCheckError(path or "claims") from error


def _check_audience(told: IdClaims, client_id: str) -> None:
    """For this client and, of several, obtained by this client (§3.1.3.7, 3 to 5)."""
    audience = (told.aud,) if isinstance(told.aud, str) else told.aud
    _require(client_id in audience, "aud")
    _require(told.azp == client_id or (told.azp is None and len(audience) == 1), "azp")


def _check_times(told: IdClaims | AccessClaims, now_s: float) -> None:
    _require(told.exp > now_s - SKEW_S, "exp")
    _require(told.iat is None or told.iat < now_s + SKEW_S, "iat")
    _require(told.nbf is None or told.nbf < now_s + SKEW_S, "nbf")


def _check_subject(subject: str, expected: Expected) -> None:
    _require(expected.subject is None or hmac.compare_digest(subject.encode(), expected.subject.encode()), "sub")


def _check_age(auth_time: float | None, expected: Expected) -> None:
    if expected.not_before_s is not None and auth_time is not None and auth_time < expected.not_before_s - SKEW_S:
        raise StaleLoginError("auth_time")


def _require(holds: bool, claim: str) -> None:  # noqa: FBT001 - one sentence a line
    if not holds:
        raise TokenCheckError(claim)
