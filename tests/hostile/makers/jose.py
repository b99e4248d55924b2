"""JWS and JAdES: algorithms that are none, headers that lie, spellings of the same bytes."""

from __future__ import annotations

import hmac
import json
from typing import Any

from support.jose import b64, header_of

from agent.signing.words import Format, Packaging, Serialization
from hostile.makers import Made, Making, flipped, sign, truncated
from hostile.pki import Pki

TEXT = b"10 comprim\xe9s"


def make(pki: Pki) -> Making:
    honest = sign(pki.signer, Format.JWS, TEXT, Packaging.ENVELOPING)
    header = header_of(honest)
    yield Made("honest.jws", honest, "valid", "an honest compact JWS")
    yield from truncated("honest.jws", honest)
    yield Made("altered.jws", _exchange(honest, b"99 comprim\xe9s"), "refused", "another payload")
    none = f"{b64(json.dumps(header | {'alg': 'none'}).encode())}.{b64(TEXT)}.".encode()
    yield Made("none.jws", none, "algorithm-refused|unreadable", "alg none")
    yield Made("hs256.jws", _hs256(pki, header), "algorithm-refused", "HS256 with the certificate as the secret")
    last = honest[:-1] + bytes([honest[-1] ^ 1])
    yield Made("last-bit.jws", last, "refused", "a bit of the last character that decoders pass over")
    lies: dict[str, tuple[dict[str, Any], str]] = {
        "crit": ({"crit": ["exp"], "exp": 1}, "a critical header that is not understood"),
        "jku": ({"x5c": None, "jku": "http://127.0.0.1:9/keys"}, "an address for the key"),
        "jwk": ({"x5c": None, "jwk": {"kty": "RSA", "n": "AQ", "e": "AQAB"}}, "a key of its own"),
        "x5t": ({"x5t#S256": b64(bytes(32))}, "the hash of another certificate"),
        "b64": ({"crit": ["b64"], "b64": False}, "a payload that is not encoded"),
        "chain": ({"x5c": ["AAAA"]}, "a certificate that is none"),
    }
    for name, (changes, line) in lies.items():
        changed = {key: value for key, value in (header | changes).items() if value is not None}
        yield Made(f"header-{name}.jws", _compact(pki, changed), "refused", line)
    yield Made(
        "stranger.jws",
        sign(pki.stranger, Format.JWS, TEXT, Packaging.ENVELOPING),
        "issuer-unknown",
        "a JWS of a stranger",
    )
    twice = json.dumps(header)[:-1] + ', "alg": "RS256"}'
    yield Made("twice.jws", _compact(pki, twice), "refused", "a member that stands twice in the header")
    general = sign(pki.signer, Format.JADES, TEXT, Packaging.ENVELOPING, serialization=Serialization.JSON)
    yield Made("honest.jades", general, "valid", "an honest JAdES signature in JSON")
    yield Made("flipped.jades", flipped(general, len(general) // 2), "refused", "a bit of it turned")
    yield Made("deep.json", b'[["{\\"a\\":", 200000]]', "refused", "JSON of 200 000 levels", "recipe")
    yield Made(
        "long.json",
        b'[["{\\"payload\\":\\"", 1], ["A", 12000000], ["\\"}", 1]]',
        "refused",
        "12 MB without a signature",
        "recipe",
    )
    beside = sign(pki.signer, Format.JADES, TEXT, Packaging.DETACHED)
    yield Made("detached.txt", TEXT, "no-signature", "a document without a signature")
    yield Made("detached.jades", beside, "valid", "JAdES beside its document", beside="detached.txt")
    yield Made("detached-other.txt", b"99 comprim\xe9s", "no-signature", "another document")
    yield Made("detached-wrong.jades", beside, "refused", "JAdES beside another document", beside="detached-other.txt")
    yield Made("detached-alone.jades", beside, "content-absent", "JAdES whose document is missing")


def _compact(pki: Pki, header: dict[str, Any] | str) -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    signed = f"{b64(text.encode())}.{b64(TEXT)}".encode()
    return signed + b"." + b64(pki.signer.sign(signed)).encode()


def _exchange(jws: bytes, payload: bytes) -> bytes:
    header, _, value = jws.decode().split(".")
    return f"{header}.{b64(payload)}.{value}".encode()


def _hs256(pki: Pki, header: dict[str, Any]) -> bytes:
    signed = f"{b64(json.dumps(header | {'alg': 'HS256'}).encode())}.{b64(TEXT)}".encode()
    return signed + b"." + b64(hmac.digest(pki.signer.certificate_der, signed, "sha256")).encode()
