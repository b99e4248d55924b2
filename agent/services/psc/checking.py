"""What an issuer's token endpoint answered, judged: signatures, claims, and whom they are about."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agent.services.psc.checks import (
    Expected,
    check_access_token,
    check_acr,
    check_backchannel,
    check_id_token,
    check_userinfo,
)
from agent.services.psc.endpoints import Endpoints
from agent.services.psc.errors import TokenCheckError
from agent.services.psc.issuers import KnownIssuer
from agent.services.psc.keys import Claims, is_token
from agent.services.psc.persons import CARD_MODE, Professional, read_professional
from agent.services.psc.tokens import TokenAnswer, read_tokens, require_id_token


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of an issuer, for the checks: see Expected. `by_card`: the way of logging in was the card's."""

    acr: str
    nonce: str | None = None
    not_before_s: float | None = None
    by_card: bool = False
    auth_req_id: str | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """A login that was checked. `subject`: the issuer's own name for the person; `by_card`: it was made with a card."""

    answer: TokenAnswer = field(repr=False)
    subject: str
    person: Professional
    acr: str
    auth_mode: str | None
    by_card: bool


async def check_login(
    issuer: KnownIssuer, endpoints: Endpoints, client_id: str, asked: Asked, members: Mapping[str, Any]
) -> Login:
    """Judge a token answer, and ask the issuer who it is about. Raises TokenCheckError, IssuerAnswerError, and more."""
    answer = read_tokens(members)
    metadata = await issuer.metadata()
    expected = Expected(metadata.issuer, client_id, asked.acr, time.time(), asked.nonce, asked.not_before_s)
    claims = await issuer.verify(require_id_token(answer))
    told = check_id_token(claims, expected, answer.access)
    if asked.auth_req_id is not None:
        check_backchannel(claims, asked.auth_req_id, answer.refresh)
    access, acr, mode = await _look_into(issuer, endpoints, replace(expected, subject=told.sub), answer.access)
    level = check_acr((told.acr, acr), asked.acr)
    userinfo = {} if metadata.userinfo is None else await endpoints.read(metadata.userinfo, answer.access)
    if metadata.userinfo is not None:
        check_userinfo(userinfo, told.sub)
    person = _read_person(userinfo, claims, access)
    if asked.person not in (None, person.national_id):
        raise TokenCheckError("SubjectNameID")
    mode = mode or _text(userinfo.get("authMode")) or _text(claims.get("authMode"))
    return Login(answer, told.sub, person, level, mode, asked.by_card or (mode or "").upper() == CARD_MODE)


async def check_refresh(
    issuer: KnownIssuer, endpoints: Endpoints, client_id: str, login: Login, members: Mapping[str, Any]
) -> TokenAnswer:
    """Judge what a refresh gave: the same person, no lower level (Core §12.2). Raises what check_login raises."""
    answer = read_tokens(members)
    metadata = await issuer.metadata()
    expected = Expected(metadata.issuer, client_id, login.acr, time.time(), subject=login.subject)
    levels: list[str | None] = []
    if answer.id is not None:
        levels.append(check_id_token(await issuer.verify(answer.id), expected, answer.access).acr)
    levels.append((await _look_into(issuer, endpoints, expected, answer.access))[1])
    if answer.id is None and not is_token(answer.access) and metadata.userinfo is not None:
        check_userinfo(await endpoints.read(metadata.userinfo, answer.access), login.subject)
    if any(levels):
        check_acr(tuple(levels), login.acr)
    return answer


async def _look_into(
    issuer: KnownIssuer, endpoints: Endpoints, expected: Expected, access_token: str
) -> tuple[Claims, str | None, str | None]:
    """Claims, acr and authMode of an access token that is a JWT, as Pro Santé Connect's are; of others nothing."""
    if not is_token(access_token):
        return {}, None, None
    claims = await issuer.verify(access_token)
    told = check_access_token(claims, expected)
    await endpoints.require_bound(claims)
    return claims, told.acr, told.auth_mode


def _read_person(*sources: Claims) -> Professional:
    """The first source that names somebody; all that do must name the same. Raises TokenCheckError."""
    named = [read_professional(claims) for claims in sources if claims.get("SubjectNameID") is not None]
    if len({person.national_id for person in named}) > 1:
        raise TokenCheckError("SubjectNameID")
    return named[0] if named else read_professional(sources[0] or sources[1])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= 32 else None
