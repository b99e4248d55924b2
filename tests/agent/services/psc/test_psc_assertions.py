from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from support.organisations import OrganisationKey

from agent.services.psc.assertions import Speaker, Stock, certificate_thumbprint, draft_all, make_header

encode = lambda value: base64.urlsafe_b64encode(value).rstrip(b"=").decode()  # noqa: E731
decode = lambda part: base64.urlsafe_b64decode(part + "==")  # noqa: E731
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def key(organisation_keys: dict[str, OrganisationKey]) -> OrganisationKey:
    return organisation_keys["AUTH_CLI"]


@pytest.fixture(scope="module")
def assertions(key):
    speaker = Speaker("logiciel", "https://psc.example/realm")

    def sign(draft):
        assert draft.digest.algorithm == "sha256"
        signature = key.private.sign(draft.signing_input.encode(), padding.PKCS1v15(), hashes.SHA256())
        return draft.with_signature(signature)

    return [sign(draft) for draft in draft_all(speaker, key.certificate_der, NOW)]


def test_a_statement_is_verified_by_somebody_else(key, assertions):
    header, claims, signature = map(decode, assertions[0].text.split("."))
    signed = assertions[0].text.rpartition(".")[0].encode()
    key.private.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(header) == make_header(key.certificate_der)
    told = json.loads(claims)
    jti = told.pop("jti")
    assert told == {
        "iss": "logiciel", "sub": "logiciel", "aud": "https://psc.example/realm", "iat": NOW, "nbf": NOW, "exp": NOW + 60,
    }  # fmt: skip
    assert len(jti) >= 22


def test_the_key_is_named_as_others_name_it(key):
    header = make_header(key.certificate_der)
    numbers = key.private.public_key().public_numbers()
    members = [
        f'"{name}":"{encode(value)}"' for name, value in (("e", b"\x01\x00\x01"), ("n", numbers.n.to_bytes(256, "big")))
    ]
    jwk = '{{{},"kty":"RSA",{}}}'.format(*members)  # RFC 7638 §3.1: the required members, in this order
    assert header["kid"] == encode(hashlib.sha256(jwk.encode()).digest())
    fingerprint = x509.load_der_x509_certificate(key.certificate_der).fingerprint(hashes.SHA256())
    assert fingerprint == hashlib.sha256(key.certificate_der).digest()
    assert header["x5t#S256"] == encode(fingerprint)
    assert certificate_thumbprint(key.certificate_der) == header["x5t#S256"]


def test_no_two_are_alike_and_a_repr_tells_nothing(assertions):
    assert len({one.text for one in assertions}) == len(assertions)
    assert assertions[0].text not in repr(assertions[0])


def test_each_is_given_once_and_in_its_own_minute(assertions):
    stock, given = Stock(assertions), []
    for second in range(0, 1800, 5):
        one = stock.take(NOW + second)
        if one is not None:
            assert one.begins_s <= NOW + second <= one.begins_s + 50
            given.append(one)
    assert len(given) == len(set(map(id, given))) > 100


def test_a_login_and_half_an_hour_of_renewals_take_one_signing(assertions):
    stock = Stock(assertions)
    assert all(stock.take(NOW + second) for second in (*range(0, 300, 5), *range(300, 1800, 110)))
    assert stock.take(NOW + 1860) is None


def test_attack_nothing_is_given_before_its_time(assertions):
    stock = Stock(assertions)
    assert all(stock.take(NOW) for _ in range(6))
    assert stock.take(NOW) is None
    assert stock.take(NOW - 3600) is None, "a clock that was set back"
