"""Whole token answers, judged: who they are about by every source that tells, and what is missing from some issuers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from agent.fetching import Request, Response
from agent.services.catalog import Issuer
from agent.services.psc.checking import Asked, Login, check_login, check_refresh
from agent.services.psc.endpoints import Endpoints
from agent.services.psc.errors import AcrTooLowError, TokenCheckError
from agent.services.psc.issuers import KnownIssuer
from agent.services.psc.oauth import IssuerAnswerError

BASE, CLIENT, SUBJECT, DOCTOR = "https://issuer.example", "logiciel", "f:1:899700002712", "899700002712"
KEY = RSAKey.import_key(rsa.generate_private_key(65537, 2048), {"kid": "k"})
ASKED = Asked("eidas1", "n-1")
Claims = dict[str, Any]


@dataclass
class Said:
    """What the issuer's endpoints answer to this client."""

    userinfo: Claims | None = field(default_factory=lambda: {"sub": SUBJECT, "SubjectNameID": DOCTOR})
    bound: list[Claims] = field(default_factory=list)

    async def read(self, url: str, access_token: str) -> Claims:
        assert url == f"{BASE}/me"
        assert access_token
        assert self.userinfo is not None
        return self.userinfo

    async def require_bound(self, claims: Mapping[str, Any]) -> None:
        self.bound.append(dict(claims))

    @property
    def endpoints(self) -> Endpoints:
        return cast("Endpoints", self)


def issuer(said: Said) -> KnownIssuer:
    document = {"issuer": BASE, "authorization_endpoint": BASE, "token_endpoint": BASE, "jwks_uri": f"{BASE}/certs"}
    if said.userinfo is not None:
        document["userinfo_endpoint"] = f"{BASE}/me"

    def ask(_: frozenset[str], request: Request) -> Response:
        body = {"keys": [KEY.as_dict(private=False)]} if request.url.endswith("/certs") else document
        return Response(200, {}, json.dumps(body).encode())

    discovery = f"{BASE}/.well-known/wallet-openid-configuration"
    return KnownIssuer(Issuer(title="Essai", discovery=discovery), ask)


def sign(**claims: Any) -> str:
    now = int(time.time())
    told = {"iss": BASE, "sub": SUBJECT, "iat": now, "exp": now + 120, **claims}
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": "k"}, told, KEY)


def access(**claims: Any) -> str:
    return sign(**{"azp": CLIENT, "typ": "Bearer", "acr": "eidas1", "authMode": "CARD", **claims})


def members(access_token: str | None = None, **id_claims: Any) -> Claims:
    return {
        "access_token": access_token or access(),
        "token_type": "Bearer",
        "expires_in": 120,
        "refresh_token": "r",
        "id_token": sign(**{"aud": CLIENT, "nonce": "n-1", **id_claims}),
    }


async def judge(said: Said, answer: Claims, asked: Asked = ASKED) -> Login:
    return await check_login(issuer(said), said.endpoints, CLIENT, asked, answer)


async def test_a_login_as_pro_sante_connect_gives_it() -> None:
    said = Said()
    login = await judge(said, members())
    assert (login.person.national_id, login.subject, login.acr) == (DOCTOR, SUBJECT, "eidas1")
    assert (login.auth_mode, login.by_card) == ("CARD", True)
    assert said.bound[0]["azp"] == CLIENT  # a token that is bound to a certificate is looked at


async def test_an_issuer_without_userinfo_names_the_person_in_its_tokens() -> None:
    login = await judge(Said(userinfo=None), members(SubjectNameID=DOCTOR))
    assert login.person.national_id == DOCTOR
    login = await judge(Said(userinfo=None), members(preferred_username=DOCTOR))
    assert login.person.national_id == DOCTOR


@pytest.mark.parametrize("source", ["id", "access", "userinfo"])
async def test_sources_that_name_two_people(source: str) -> None:
    other = {"SubjectNameID": "899700002720"}
    said = Said({"sub": SUBJECT, **(other if source == "userinfo" else {"SubjectNameID": DOCTOR})})
    answer = members(
        access(**(other if source == "access" else {})), **(other if source == "id" else {"SubjectNameID": DOCTOR})
    )
    with pytest.raises(TokenCheckError, match="SubjectNameID"):
        await judge(said, answer)


async def test_a_login_that_was_asked_of_one_person_and_made_by_another() -> None:
    with pytest.raises(TokenCheckError, match="SubjectNameID"):
        await judge(Said(), members(), replace(ASKED, person="899700002720"))


async def test_an_access_token_that_is_no_jwt() -> None:
    """Then the id token alone tells the level, and userinfo the rest."""
    said = Said({"sub": SUBJECT, "SubjectNameID": DOCTOR, "authMode": "MOBILE"})
    login = await judge(said, members("opaque", acr="eidas1"))
    assert (login.acr, login.auth_mode, login.by_card, said.bound) == ("eidas1", "MOBILE", False, [])
    with pytest.raises(AcrTooLowError):
        await judge(said, members("opaque"))


async def test_a_refresh_without_an_id_token() -> None:
    said = Said()
    login = await judge(said, members())
    again = members()
    del again["id_token"]
    assert (await check_refresh(issuer(said), said.endpoints, CLIENT, login, again)).id is None


async def test_a_refresh_that_nothing_but_userinfo_can_judge() -> None:
    said = Said()
    login = await judge(said, members("opaque", acr="eidas1"))
    again = {**members("other"), "id_token": None}
    await check_refresh(issuer(said), said.endpoints, CLIENT, login, again)
    said.userinfo = {"sub": "f:1:899700002720"}
    with pytest.raises(TokenCheckError, match="userinfo"):
        await check_refresh(issuer(said), said.endpoints, CLIENT, login, again)


@pytest.mark.parametrize(
    "again",
    [
        lambda: members(access(sub="f:1:2")),
        lambda: members(access(acr="eidas0")),
        lambda: members(access(azp="x")),
        lambda: members(sub="f:1:2"),
        lambda: members(aud="x"),
        lambda: members(access(exp=1)),
    ],
)
async def test_a_refresh_that_gives_something_else(again: Callable[[], Claims]) -> None:
    said = Said()
    login = await judge(said, members())
    with pytest.raises(TokenCheckError):
        await check_refresh(issuer(said), said.endpoints, CLIENT, login, again())


async def test_no_id_token_is_no_login() -> None:
    with pytest.raises(IssuerAnswerError):
        await judge(Said(), {**members(), "id_token": None})
