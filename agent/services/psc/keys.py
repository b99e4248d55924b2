"""An issuer's keys (JWK Set, RFC 7517 §5), and what they have signed: RS256, PS256 and ES256, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from agent.services.psc.errors import TokenCheckError
from agent.services.psc.oauth import MAX_TOKEN, IssuerAnswerError

MAX_KEYS: Final = 32
RSA_BYTES: Final = range(256, 1025)
"""How long a modulus is: 2,048 bits at least (RFC 7518 §3.3), and no more than takes no time to speak of."""
CURVE: Final = "P-256"
KINDS: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
"""What is accepted, and by which kind of key: neither `none` nor a key that both ends know (RFC 8725 §3.1, §3.2)."""

Claims = dict[str, Any]
Key = RSAKey | ECKey


class UnknownKeyError(TokenCheckError):
    """The key is in no set that was read: the issuer may have changed it since."""


class _Jwk(msgspec.Struct, frozen=True):
    """What matters of a key. Nothing private is taken over."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    n: str | None = None
    e: str | None = None
    crv: str | None = None
    x: str | None = None
    y: str | None = None


class _Set(msgspec.Struct, frozen=True):
    keys: list[Any]


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: Any = None


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys for signatures, by their `kid` ("" where it has none)."""

    keys: Mapping[str, tuple[str | None, Key]] = field(default_factory=dict)

    def verify(self, token: str) -> Claims:
        """The claims of a compact JWS that one of these keys has signed. Raises UnknownKeyError, TokenCheckError."""
        header = _read_header(token)
        key = self._find(header)
        try:
            registry = JWSRegistry(algorithms=[header.alg], strict_check_header=False)  # RFC 7515 §4: ignore others
            signed = jws.deserialize_compact(token, key, registry=registry)
            return msgspec.json.decode(signed.payload or b"", type=Claims)
        except (JoseError, ValueError, RecursionError) as error:  # ValueError: no base64, no JSON, no such number
            raise TokenCheckError(f"signature: {type(error).__name__}") from error

    def _find(self, header: _Header) -> Key:
        """The key that the header names; the only one there is for a token that names none."""
        names = [header.kid] if header.kid is not None else list(self.keys)
        if len(names) != 1 or names[0] not in self.keys:
            raise UnknownKeyError("kid")
        algorithm, key = self.keys[names[0]]
        if key.key_type != KINDS[header.alg] or algorithm not in (None, header.alg):
            raise TokenCheckError("alg: not this key's")
        return key


def is_token(text: str) -> bool:
    """Whether a text has the form of a JWS: an access token need not (RFC 6749 §1.4)."""
    return text.count(".") == 2 and text.startswith("eyJ")


def _read_header(token: str) -> _Header:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise TokenCheckError("size")
    try:
        header = msgspec.convert(jws.extract_compact(token.encode()).headers(), _Header)
    except (JoseError, ValueError, RecursionError) as error:
        raise TokenCheckError("header") from error
    if header.alg not in KINDS:
        raise TokenCheckError("alg")
    if header.crit is not None:
        raise TokenCheckError("crit")
    return header


def read_keys(content: bytes) -> KeySet:
    """Read a set; keys of other kinds, for other uses or too weak are left out. Raises IssuerAnswerError."""
    try:
        found = msgspec.json.decode(content, type=_Set).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IssuerAnswerError("no set of keys") from error
    if len(found) > MAX_KEYS:
        raise IssuerAnswerError("a set of too many keys")
    return KeySet({kid: entry for kid, entry in map(_read_key, found) if entry is not None})


def _read_key(member: Any) -> tuple[str, tuple[str | None, Key] | None]:
    try:
        told = msgspec.convert(member, _Jwk)
        return told.kid or "", _import(told)
    except (JoseError, ValueError, TypeError):
        return "", None


def _import(told: _Jwk) -> tuple[str | None, Key] | None:
    if told.use not in (None, "sig") or told.alg not in (None, *KINDS):
        return None
    if told.kty == "RSA" and told.n and told.e:
        fits = len(urlsafe_b64decode(told.n.encode()).lstrip(b"\0")) in RSA_BYTES
        return (told.alg, RSAKey.import_key({"kty": "RSA", "n": told.n, "e": told.e})) if fits else None
    if told.kty == "EC" and told.crv == CURVE and told.x and told.y:
        return told.alg, ECKey.import_key({"kty": "EC", "crv": CURVE, "x": told.x, "y": told.y})
    return None
