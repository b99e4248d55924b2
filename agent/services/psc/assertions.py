"""Statements by which a client proves who it is with its certificate's key (private_key_jwt, RFC 7523 §3).

Each is good for a minute and for one request. One code of the person's signs enough of them, each with its own minute,
for a login and for half an hour of renewals: no code and no unlocked key is kept meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agent.services.psc.encoding import base64url
from drivers.base import Digest
from drivers.card.certificate import parse_certificate

LIFETIME_S: Final = 60
MARGIN_S: Final = 10
"""How long one is still good when it is sent: it has to get there."""
PACE_S: Final = 5
"""While a login is under way, one is due every so many seconds."""
PLAN: Final = (*(0,) * 6, *range(PACE_S, 300, PACE_S), *range(300, 1800, 15))
"""When the minutes of one signing begin, in seconds from it: several at once for what follows each other closely."""
JTI_BYTES: Final = 18


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who makes statements, and to whom (`audience`: the issuer's own name)."""

    client_id: str
    audience: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement that wants its signature; good from `begins_s` (seconds since 1970) for LIFETIME_S."""

    begins_s: int
    signing_input: str

    @property
    def digest(self) -> Digest:
        """What RS256 signs (RFC 7518 §3.3)."""
        return Digest("sha256", hashlib.sha256(self.signing_input.encode()).digest())

    def with_signature(self, signature: bytes) -> Assertion:
        """The statement itself (JWS compact serialization, RFC 7515 §7.1)."""
        return Assertion(self.begins_s, f"{self.signing_input}.{base64url(signature)}")


@dataclass(frozen=True, slots=True)
class Assertion:
    """A signed statement; whoever has it is the client, for its minute."""

    begins_s: int
    text: str

    def __repr__(self) -> str:
        return f"Assertion(begins_s={self.begins_s})"


def draft_all(speaker: Speaker, certificate_der: bytes, now_s: int, plan: Sequence[int] = PLAN) -> list[Draft]:
    """Statements for the moments of the plan, to be signed by the key of that certificate."""
    header = encode_json(make_header(certificate_der))
    return [Draft(now_s + offset, f"{header}.{encode_json(_claims(speaker, now_s + offset))}") for offset in plan]


def make_header(certificate_der: bytes) -> dict[str, str]:
    """The key by both names: the certificate's thumbprint (RFC 7515 §4.1.8) and the public key's (RFC 7638)."""
    return {
        "alg": "RS256",
        "typ": "JWT",
        "kid": key_thumbprint(certificate_der),
        "x5t#S256": certificate_thumbprint(certificate_der),
    }


def _claims(speaker: Speaker, begins_s: int) -> dict[str, Any]:
    """To the issuer by its own name alone: an address of an endpoint could be another issuer's claim."""
    return {
        "iss": speaker.client_id,
        "sub": speaker.client_id,
        "aud": speaker.audience,
        "jti": secrets.token_urlsafe(JTI_BYTES),
        "iat": begins_s,
        "nbf": begins_s,
        "exp": begins_s + LIFETIME_S,
    }


class Stock:
    """Statements that were signed and not yet used; each is given once."""

    def __init__(self, assertions: Sequence[Assertion] = ()) -> None:
        self._assertions = list(assertions)

    def take(self, now_s: float) -> Assertion | None:
        """The oldest that is good now; None when there is none. Those whose minute has passed are dropped."""
        self._assertions = [one for one in self._assertions if now_s <= one.begins_s + LIFETIME_S - MARGIN_S]
        if not self._assertions or self._assertions[0].begins_s > now_s:
            return None
        return self._assertions.pop(0)


def certificate_thumbprint(certificate_der: bytes) -> str:
    """x5t#S256: the SHA-256 of the certificate, in base64url (RFC 7515 §4.1.8, RFC 8705 §3.1)."""
    return base64url(hashlib.sha256(certificate_der).digest())


def key_thumbprint(certificate_der: bytes) -> str:
    """The JWK thumbprint of an RSA key (RFC 7638 §3). Raises TypeError for another kind of key."""
    key = load_der_public_key(parse_certificate(certificate_der).public_key_der)
    if not isinstance(key, RSAPublicKey):
        raise TypeError("no RSA key")
    numbers = key.public_numbers()
    members = {"e": _encode_integer(numbers.e), "kty": "RSA", "n": _encode_integer(numbers.n)}
    return base64url(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _encode_integer(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def encode_json(members: dict[str, Any]) -> str:
    """A JSON object in base64url."""
    return base64url(json.dumps(members, separators=(",", ":")).encode())
