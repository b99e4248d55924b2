"""What is known of an issuer: fetched when it is needed, once for all who ask, again when its keys change."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey

from agent.fetching import AnswerTooLargeError, Request, Response, UnreachableError
from agent.services.catalog import Issuer
from agent.services.psc.errors import TokenCheckError
from agent.services.psc.issuers import Issuers, KnownIssuer
from agent.services.psc.oauth import IssuerAnswerError, IssuerUnreachableError

BASE = "https://issuer.example/realm"
ISSUER = Issuer(title="Essai", discovery=f"{BASE}/.well-known/wallet-openid-configuration")
DOCUMENT = {"issuer": BASE, "authorization_endpoint": BASE, "token_endpoint": BASE, "jwks_uri": f"{BASE}/certs"}
OLD, NEW = (RSAKey.import_key(rsa.generate_private_key(65537, 2048), {"kid": kid}) for kid in ("old", "new"))


def token(key: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, {"sub": key.kid}, key)


@dataclass
class Web:
    """The issuer's web: what lies where, and what was asked."""

    keys: list[RSAKey] = field(default_factory=lambda: [OLD])
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None
    status: int = 200
    now: float = 1000.0

    def ask(self, hosts: frozenset[str], request: Request) -> Response:
        assert threading.current_thread() is not threading.main_thread()
        assert hosts == {"issuer.example"}
        self.asked.append(request.url.removeprefix(BASE))
        if self.failure is not None:
            raise self.failure
        body: Any = {"keys": [key.as_dict(private=False) for key in self.keys]} if "certs" in request.url else DOCUMENT
        return Response(self.status, {}, json.dumps(body).encode())


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def issuer(web: Web) -> KnownIssuer:
    return KnownIssuer(ISSUER, web.ask, lambda: web.now)


DISCOVERY, CERTS = "/.well-known/wallet-openid-configuration", "/certs"


async def test_all_who_ask_at_once_share_one_fetch(issuer: KnownIssuer, web: Web) -> None:
    claims = await asyncio.gather(*(issuer.verify(token(OLD)) for _ in range(5)))
    assert [each["sub"] for each in claims] == ["old"] * 5
    assert web.asked == [DISCOVERY, CERTS]


async def test_it_is_kept_for_an_hour(issuer: KnownIssuer, web: Web) -> None:
    await issuer.verify(token(OLD))
    web.now += 3600
    await issuer.verify(token(OLD))
    assert web.asked == [DISCOVERY, CERTS]
    web.now += 1
    await issuer.verify(token(OLD))
    assert web.asked == [DISCOVERY, CERTS] * 2


async def test_a_new_key_is_looked_up(issuer: KnownIssuer, web: Web) -> None:
    await issuer.verify(token(OLD))
    web.keys = [OLD, NEW]
    web.now += 60
    assert (await issuer.verify(token(NEW)))["sub"] == "new"
    assert web.asked == [DISCOVERY, CERTS, CERTS]


async def test_a_key_that_nobody_knows_brings_one_look_a_minute(issuer: KnownIssuer, web: Web) -> None:
    """Whoever sends tokens with invented keys does not have the issuer asked in a stream."""
    await issuer.verify(token(OLD))
    for later_s in (0, 59, 1, 30, 29):
        web.now += later_s
        with pytest.raises(TokenCheckError, match="kid"):
            await issuer.verify(token(NEW))
    assert web.asked == [DISCOVERY, CERTS, CERTS]


async def test_a_key_that_was_taken_back_counts_no_more(issuer: KnownIssuer, web: Web) -> None:
    await issuer.verify(token(OLD))
    web.keys = [NEW]
    web.now += 61
    assert (await issuer.verify(token(NEW)))["sub"] == "new"
    with pytest.raises(TokenCheckError, match="kid"):
        await issuer.verify(token(OLD))


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (UnreachableError("x"), 200, IssuerUnreachableError),
        (AnswerTooLargeError("x"), 200, IssuerAnswerError),
        (None, 503, IssuerUnreachableError),
        (None, 404, IssuerAnswerError),
        (None, 302, IssuerAnswerError),
    ],
)
async def test_a_failure_is_not_kept(
    issuer: KnownIssuer, web: Web, failure: Exception | None, status: int, error: type[Exception]
) -> None:
    web.failure, web.status = failure, status
    with pytest.raises(error):
        await issuer.metadata()
    web.failure, web.status = None, 200
    assert (await issuer.metadata()).issuer == BASE


def test_each_issuer_is_known_once(web: Web) -> None:
    issuers = Issuers({"essai": ISSUER}, web.ask)
    assert issuers.find("essai") is issuers.find("essai")
    with pytest.raises(KeyError):
        issuers.find("another")
