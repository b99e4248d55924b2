"""Tokens that are not what was asked for: each claim, each signature, each key that could pass for another."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.services.psc.checks import (
    Expected,
    check_access_token,
    check_acr,
    check_id_token,
    check_userinfo,
    half_hash,
)
from agent.services.psc.errors import AcrTooLowError, TokenCheckError
from agent.services.psc.keys import KeySet, UnknownKeyError, is_token, read_keys
from agent.services.psc.oauth import IssuerAnswerError
from agent.services.psc.persons import read_professional
from agent.services.psc.tokens import Held, read_tokens, require_id_token

ISSUER, CLIENT, SUBJECT = "https://issuer.example/realm", "logiciel", "f:1:899700002712"
NOW, ACCESS = 1_800_000_000.0, "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
EXPECTED = Expected(ISSUER, CLIENT, "eidas1", NOW, nonce="n-1", not_before_s=NOW - 30)
ID = {
    "iss": ISSUER, "sub": SUBJECT, "aud": CLIENT, "exp": NOW + 300, "iat": NOW, "nonce": "n-1", "auth_time": NOW - 5,
    "at_hash": half_hash(ACCESS), "acr": "eidas1",
}  # fmt: skip
TOKEN = {"iss": ISSUER, "sub": SUBJECT, "azp": CLIENT, "exp": NOW + 120, "iat": NOW, "typ": "Bearer", "acr": "eidas1"}

RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8))


def rsa_jwk(key: rsa.RSAPrivateKey = RSA_KEY, **members: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": "r", "use": "sig", "n": number(numbers.n), "e": number(numbers.e), **members}


def ec_jwk(**members: Any) -> dict[str, Any]:
    numbers = EC_KEY.public_key().public_numbers()
    return {"kty": "EC", "kid": "e", "crv": "P-256", "x": number(numbers.x), "y": number(numbers.y), **members}


def sign(claims: Any = None, header: dict[str, Any] | None = None, key: rsa.RSAPrivateKey = RSA_KEY) -> str:
    told = {"alg": "RS256", "kid": "r", **(header or {})}
    header = {name: value for name, value in told.items() if value is not None}
    body = claims if isinstance(claims, bytes) else json.dumps(ID if claims is None else claims).encode()
    text = f"{b64(json.dumps(header).encode())}.{b64(body)}"
    return f"{text}.{b64(_sign(header['alg'], key, text.encode()))}"


def _sign(algorithm: str, key: rsa.RSAPrivateKey, content: bytes) -> bytes:
    if algorithm == "ES256":
        r, s = decode_dss_signature(EC_KEY.sign(content, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)
    if algorithm == "HS256":
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return hmac.digest(public, content, hashlib.sha256)
    if algorithm == "PS256":
        return key.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    return b"" if algorithm == "none" else key.sign(content, padding.PKCS1v15(), hashes.SHA256())


def keys(*members: dict[str, Any]) -> KeySet:
    return read_keys(json.dumps({"keys": members or (rsa_jwk(), ec_jwk())}).encode())


ONE_KEY = keys(rsa_jwk())


@pytest.mark.parametrize("header", [{}, {"alg": "PS256"}, {"alg": "ES256", "kid": "e"}, {"typ": "JWT", "later": 1}])
def test_what_is_taken(header: dict[str, Any]) -> None:
    claims = keys().verify(sign(header=header))
    assert check_id_token(claims, EXPECTED, ACCESS).sub == SUBJECT


def test_the_only_key_needs_no_name() -> None:
    text = sign(header={"kid": None})
    assert keys(rsa_jwk()).verify(text)["sub"] == SUBJECT
    with pytest.raises(UnknownKeyError):
        keys().verify(text)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (sign(header={"alg": "none"}), "alg"),
        (sign(header={"alg": "HS256"}), "alg"),
        (sign(header={"alg": "RS512"}), "alg"),
        (sign(header={"kid": "nobody"}), "kid"),
        (sign(header={"kid": "e"}), "alg: not this key's"),
        (sign(header={"alg": "ES256"}), "alg: not this key's"),
        (sign(key=OTHER_RSA), "signature: BadSignatureError"),
        (sign(header={"crit": ["exp"], "exp": 1}), "crit"),
        (sign(header={"crit": []}), "crit"),
        (sign(header={"b64": False, "crit": ["b64"]}), "crit"),
        (sign(header={"kid": 7}), "header"),
        (sign(b"not json"), "signature: DecodeError"),
        (sign([1]), "signature: ValidationError"),
        (sign({"pad": "x" * 20_000}), "size"),
        (sign()[:-4], "signature: BadSignatureError"),
        ("eyJ.e30.", "header"),
        ("a.b", "header"),
        ("é.é.é", "size"),
        ("", "header"),
    ],
)
def test_signatures_that_are_none(token: str, why: str) -> None:
    with pytest.raises(TokenCheckError) as caught:
        keys().verify(token)
    assert str(caught.value) == why


def test_a_token_whose_claims_were_exchanged() -> None:
    header, _, signature = sign().split(".")
    with pytest.raises(TokenCheckError, match="BadSignature"):
        keys().verify(f"{header}.{b64(json.dumps({**ID, 'sub': 'x'}).encode())}.{signature}")


WEAK = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    "member",
    [
        rsa_jwk(use="enc"),
        rsa_jwk(alg="RSA-OAEP"),
        rsa_jwk(alg="HS256"),
        rsa_jwk(WEAK),
        rsa_jwk(WEAK, n=b64(WEAK.public_key().public_numbers().n.to_bytes(256, "big"))),  # made longer by zeros
        {"kty": "oct", "kid": "r", "k": "AAAA"},
        {"kty": "RSA", "kid": "r"},
        {"kty": "EC", "kid": "r", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "r", "crv": "secp256k1", "x": "AA", "y": "AA"},
        {"kid": "r"},
        "r",
        7,
    ],
)
def test_keys_that_are_none(member: Any) -> None:
    with pytest.raises(UnknownKeyError):
        keys(member).verify(sign())


def test_a_key_for_one_algorithm_serves_no_other() -> None:
    with pytest.raises(TokenCheckError, match="alg"):
        keys(rsa_jwk(alg="PS256")).verify(sign())


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"keys": 1}', b"\xff", b"[" * 5000, b'{"keys": [%s]}' % (b"{}," * 40 + b"{}")]
)
def test_sets_of_keys_that_are_none(content: bytes) -> None:
    with pytest.raises(IssuerAnswerError):
        read_keys(content)


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"iss": ISSUER + "/"}, "iss"),
        ({"iss": None}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": []}, "azp"),
        ({"aud": [CLIENT, "another"]}, "azp"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "azp"),
        ({"aud": CLIENT, "azp": "another"}, "azp"),
        ({"aud": {"x": 1}}, "aud"),
        ({"exp": NOW - 61}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": None}, "exp"),
        ({"iat": NOW + 61}, "iat"),
        ({"nbf": NOW + 61}, "nbf"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"at_hash": half_hash("x")}, "at_hash"),
        ({"auth_time": NOW - 91}, "auth_time"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 513}, "sub"),
    ],
)
def test_id_tokens_that_are_not_the_one(changed: dict[str, Any], claim: str) -> None:
    claims = {name: value for name, value in {**ID, **changed}.items() if value is not None}
    with pytest.raises(TokenCheckError) as caught:
        check_id_token(claims, EXPECTED, ACCESS)
    assert claim in (str(caught.value), "azp" if not changed.get("aud", 1) else claim)


@pytest.mark.parametrize(
    "changed",
    [{"exp": NOW - 59}, {"iat": NOW + 59}, {"at_hash": None}, {"auth_time": None}, {"aud": [CLIENT]}, {"azp": CLIENT}],
)
def test_what_the_standard_leaves_open_is_taken(changed: dict[str, Any]) -> None:
    claims = {name: value for name, value in {**ID, **changed}.items() if value is not None}
    assert check_id_token(claims, EXPECTED, ACCESS).sub == SUBJECT


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://evil.example"}, "access token: iss"),
        ({"azp": "another"}, "access token: azp"),
        ({"azp": None}, "access token: azp"),
        ({"typ": "Refresh"}, "access token: typ"),
        ({"exp": NOW - 61}, "exp"),
        ({"sub": SUBJECT + "x"}, "sub"),
    ],
)
def test_access_tokens_of_somebody_else(changed: dict[str, Any], why: str) -> None:
    claims = {name: value for name, value in {**TOKEN, **changed}.items() if value is not None}
    expected = Expected(ISSUER, CLIENT, "eidas1", NOW, subject=SUBJECT)
    assert check_access_token(TOKEN, expected).acr == "eidas1"
    with pytest.raises(TokenCheckError) as caught:
        check_access_token(claims, expected)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("told", "asked", "level"),
    [
        (("eidas1", None), "eidas1", "eidas1"),
        (("eidas2", "eidas2"), "eidas1", "eidas2"),  # as Pro Santé Connect answers since 2026
        (("eidas3", "eidas2"), "eidas2", "eidas2"),
        ((None, None), "eidas1", None),
        (("eidas1",), "eidas2", None),
        (("eidas2", "eidas1"), "eidas2", None),
        (("eidas2", "0"), "eidas1", None),
        (("EIDAS2",), "eidas1", None),
    ],
)
def test_levels(told: tuple[str | None, ...], asked: str, level: str | None) -> None:
    if level is not None:
        assert check_acr(told, asked) == level
        return
    with pytest.raises(AcrTooLowError):
        check_acr(told, asked)


def test_userinfo_of_somebody_else() -> None:
    check_userinfo({"sub": SUBJECT}, SUBJECT)
    for claims in ({"sub": "x"}, {}, {"sub": None}):
        with pytest.raises(TokenCheckError):
            check_userinfo(claims, SUBJECT)


@pytest.mark.parametrize("named", [None, "", "8\n", "é", "8" * 65, 899700002712, ["8"]])
def test_nobody_is_named(named: Any) -> None:
    with pytest.raises(TokenCheckError):
        read_professional({"SubjectNameID": named, "subjectnameid": "899700002712"})


def test_hostile_names_are_plain_text() -> None:
    claims = {"SubjectNameID": "8", "family_name": "A\u202eB\x07", "given_name": 7, "SubjectRole": [1, "10", "x" * 500]}
    person = read_professional(claims)
    assert person.family_name is not None
    assert "\u202e" not in person.family_name
    assert person.given_name is None
    assert [len(role) <= 120 for role in person.roles] == [True, True]


@pytest.mark.parametrize(
    "changed",
    [
        {"token_type": "DPoP"},
        {"token_type": None},
        {"access_token": "x y"},
        {"access_token": "x" * 20_000},
        {"expires_in": 0},
        {"expires_in": "120"},
        {"expires_in": True},
        {"refresh_token": 7},
        {"id_token": None},
    ],
)
def test_token_answers_that_are_none(changed: dict[str, Any]) -> None:
    good = {"access_token": "a", "token_type": "bearer", "expires_in": 120, "refresh_token": "r", "id_token": "i"}
    assert read_tokens(good).lifetime_s == 120
    with pytest.raises(IssuerAnswerError):
        require_id_token(read_tokens({**good, **changed}))


def test_a_lifetime_beyond_any_session_is_cut() -> None:
    answer = read_tokens({"access_token": "a", "token_type": "Bearer", "expires_in": 10**12})
    assert answer.hold(lambda: 0.0).ends_s == 4 * 3600


def test_tokens_have_no_repr_and_can_be_wiped() -> None:
    answer = read_tokens({"access_token": "sesame", "token_type": "Bearer", "expires_in": 1, "refresh_token": "open"})
    held = answer.hold(time.monotonic)
    assert "sesame" not in repr(answer) + repr(held)
    assert "open" not in repr(answer) + repr(held)
    held.wipe()
    with pytest.raises(ValueError, match="wiped"):
        held.access.read()
    assert Held("x").read() == "x"


@given(st.text(max_size=200))
@settings(max_examples=40, deadline=None)
def test_any_text_is_no_token(text: str) -> None:
    with pytest.raises(TokenCheckError):
        ONE_KEY.verify(text)
    assert is_token(text) is (text.count(".") == 2 and text.startswith("eyJ"))


@given(
    st.dictionaries(
        st.sampled_from(list(ID)), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text())
    )
)
@settings(max_examples=80, deadline=None)
def test_claims_of_any_type_are_refused_or_taken_and_nothing_else(changed: dict[str, Any]) -> None:
    try:
        told = check_id_token({**ID, **changed}, EXPECTED, ACCESS)
    except TokenCheckError:
        return
    assert (told.iss, told.nonce) == (ISSUER, "n-1")
