"""Where a client's proof must never go, and tokens that are somebody else's."""

from __future__ import annotations

import json

import pytest

from agent.fetching import Response
from agent.services.psc.endpoints import Endpoints, IssuerFacts, require_host
from agent.services.psc.oauth import ForeignEndpointError, IssuerAnswerError, OAuthError
from agent.services.psc.proofs import Proof, Sealed

HOSTS = frozenset({"auth.psc.example", "127.0.0.1:8443", "[::1]:8443"})
FACTS = IssuerFacts(
    "https://auth.psc.example/realm", "PSC", HOSTS, {"https://auth.psc.example/token": "https://127.0.0.1:8443/token"}
)


class Known(Proof):
    """A client that proves itself by a word, and is answered what the test says."""

    def __init__(self, *answers: Response, certificate: str | None = None) -> None:
        self.answers, self.sent, self.sealed = list(answers), [], 0
        self.by_certificate = certificate is not None
        self.certificate = certificate

    async def seal(self) -> Sealed:
        self.sealed += 1
        return Sealed({"client_id": "logiciel", "client_secret": "hidden"})

    async def send(self, request):
        self.sent.append(request)
        return self.answers.pop(0)

    async def thumbprint(self) -> str | None:
        return self.certificate


def answer(body, status=200):
    return Response(status, {"content-type": "application/json"}, json.dumps(body).encode())


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/token", "http://auth.psc.example/token", "https://auth.psc.example:8443/token",
        "https://auth.psc.example.evil.example/token", "https://evil.example/auth.psc.example", "//auth.psc.example/token",
        "https://auth.psc.example@evil.example/token", "https://evil.example\\@auth.psc.example/token", "ftp://auth.psc.example/",
        "https://auth.psc.example#@evil.example/", "https://auth.psc.example /token", "https://auth.psc.example\r\n/token",
        "https://user:word@auth.psc.example/token", "https://[::1]/token", "https://[::1", "https://auth.psc.example:99999/", "", "token",
        "https://127.0.0.1/token", "https://auth.psc.exampl\u0435/token", "https://AUTH.psc.example.:443/token",
    ],
)  # fmt: skip
async def test_attack_an_address_that_is_not_the_issuers_gets_nothing(url):
    proof = Known()
    endpoints = Endpoints(FACTS, proof)
    for attempt in (endpoints.post(url, {}), endpoints.read(url, "token")):
        with pytest.raises(ForeignEndpointError):
            await attempt
    assert (proof.sent, proof.sealed) == ([], 0)


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.psc.example/a?b=c",
        "https://auth.psc.example:443/a",
        "https://127.0.0.1:8443/",
        "https://[::1]:8443/",
    ],
)
def test_the_issuers_own_addresses(url):
    require_host(url, HOSTS)


async def test_attack_an_alias_elsewhere_is_no_way_out():
    facts = IssuerFacts(FACTS.issuer, "PSC", HOSTS, {"https://auth.psc.example/token": "https://evil.example/token"})
    proof = Known(certificate="abc")
    with pytest.raises(ForeignEndpointError):
        await Endpoints(facts, proof).post("https://auth.psc.example/token", {})
    assert proof.sent == []


async def test_only_who_has_a_certificate_goes_by_the_alias():
    with_certificate, without = Known(answer({}), certificate="abc"), Known(answer({}))
    for proof in (with_certificate, without):
        await Endpoints(FACTS, proof).post("https://auth.psc.example/token", {"grant_type": "x"})
    assert with_certificate.sent[0].url == "https://127.0.0.1:8443/token"
    assert without.sent[0].url == "https://auth.psc.example/token"
    assert without.sent[0].body == b"grant_type=x&client_id=logiciel&client_secret=hidden"


async def test_attack_parameters_cannot_replace_the_proof():
    proof = Known(answer({}))
    await Endpoints(FACTS, proof).post("https://auth.psc.example/token", {"client_id": "another"})
    assert proof.sent[0].body == b"client_id=logiciel&client_secret=hidden"


async def test_a_refusal_is_told_once_and_nothing_is_sent_again():
    proof = Known(answer({"error": "invalid_client"}, 401), answer({}))
    with pytest.raises(OAuthError, match="invalid_client"):
        await Endpoints(FACTS, proof).post("https://auth.psc.example/token", {})
    assert len(proof.sent) == 1


async def test_attack_a_redirect_from_the_token_endpoint_is_not_followed():
    moved = Response(307, {"content-type": "application/json", "location": "https://evil.example/"}, b"{}")
    proof = Known(moved, answer({}))
    with pytest.raises(IssuerAnswerError, match="redirect"):
        await Endpoints(FACTS, proof).post("https://auth.psc.example/token", {})
    assert len(proof.sent) == 1


@pytest.mark.parametrize("status", [200, 204, 302])
async def test_what_a_status_alone_answers(status):
    """RFC 7009 §2.2: the content of a success counts for nothing."""
    await Endpoints(FACTS, Known(Response(status, {}, b""))).tell("https://auth.psc.example/revoke", {"token": "x"})
    with pytest.raises(OAuthError):
        await Endpoints(FACTS, Known(answer({"error": "invalid_client"}, 401))).tell(
            "https://auth.psc.example/revoke", {}
        )


@pytest.mark.parametrize("bound", [{}, None, {"x5t#S256": "other"}, {"jkt": "abc"}, "abc", {"x5t#S256": None}])
async def test_attack_a_token_that_is_bound_to_another_certificate(bound):
    """RFC 8705 §3.1; a client without a certificate has no use for one either."""
    for certificate in ("abc", None):
        endpoints = Endpoints(FACTS, Known(certificate=certificate))
        if bound is None:
            await endpoints.require_bound({"sub": "x"})
            continue
        with pytest.raises(IssuerAnswerError, match="bound"):
            await endpoints.require_bound({"cnf": bound})


async def test_a_token_that_is_bound_to_this_certificate():
    await Endpoints(FACTS, Known(certificate="abc")).require_bound({"cnf": {"x5t#S256": "abc"}})


def test_what_a_request_gets_is_in_no_repr():
    assert "hidden" not in repr(Sealed({"client_secret": "hidden"}, (("Authorization", "hidden"),)))
