"""What the protected header of a JWS says, and what must hold of it; keys come out of `x5c` and are never fetched."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agent.signing.jose import BY_URI_HASH, HASHES, encode
from agent.signing.verification.findings import Evidence, Finding, Reason
from agent.signing.words import Format, Level
from drivers.card.certificate import parse_certificate
from drivers.errors import CardUnknownError

SCHEMES: Final[Mapping[str, tuple[hashes.HashAlgorithm, bool]]] = {
    "RS256": (hashes.SHA256(), False),
    "RS384": (hashes.SHA384(), False),
    "RS512": (hashes.SHA512(), False),
    "PS256": (hashes.SHA256(), True),
    "PS384": (hashes.SHA384(), True),
    "PS512": (hashes.SHA512(), True),
}
"""Each with its hash, and whether it is RSASSA-PSS. IGC-Santé has RSA keys alone."""

KEY_BITS: Final = range(2048, 8193)
MAX_CERTIFICATES: Final = 16
MAX_NAME: Final = 1024
JADES_NAMES: Final = frozenset(
    {"iat", "sigT", "sigD", "sigPId", "sigPl", "sigX5ts", "srAts", "srCms", "x5t#o", "adoTst"}
)
UNDERSTOOD: Final = frozenset({"b64", "sigD", "sigT", "sigPId", "sigPl", "srAts", "srCms", "x5t#o"})
_STANDARD_NAMES: Final = frozenset(
    {"alg", "jku", "jwk", "kid", "x5u", "x5c", "x5t", "x5t#S256", "typ", "cty", "crit"},
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")

Header = Mapping[str, Any]


class RefusedError(Exception):
    """The signature does not hold, for that reason."""

    def __init__(self, reason: Reason, hint: str) -> None:
        super().__init__(hint)
        self.reason = reason


def describe(header: Header) -> Finding:
    """What it tells of itself, none of it checked. Raises ValueError."""
    certificates = _read_certificates(header.get("x5c"))
    is_jades = not JADES_NAMES.isdisjoint(header)
    claimed_at = _read_time(header)
    is_level_b = is_jades and claimed_at is not None and not {"x5t#S256", "x5t#o"}.isdisjoint(header)
    return Finding(
        Format.JADES if is_jades else Format.JWS,
        Level.B if is_level_b else None,
        certificate_der=certificates[0] if certificates else None,
        claimed_at=claimed_at,
        evidence=Evidence(certificates_der=certificates[1:]),
        names=_read_names(header.get("sigD")),
    )


def _read_certificates(listed: Any) -> tuple[bytes, ...]:
    if listed is None:
        return ()
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_CERTIFICATES:
        raise ValueError("x5c is no list of certificates")
    return tuple(map(_read_certificate, listed))


def _read_certificate(text: Any) -> bytes:
    """Base64, not base64url (RFC 7515 §4.1.6)."""
    if not isinstance(text, str) or not _BASE64.match(text):
        raise ValueError("x5c holds something else than base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("x5c holds something else than base64") from error


def _read_time(header: Header) -> datetime | None:
    """The claimed time: seconds in `iat`, or a date in the `sigT` that came before it (§5.1.11, §5.2.1)."""
    if "iat" in header and "sigT" in header:
        raise ValueError("both iat and sigT")
    if "iat" in header:
        return _read_seconds(header["iat"])
    return _read_date(header["sigT"]) if "sigT" in header else None


def _read_seconds(seconds: Any) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds < 2**36:
        raise ValueError("iat is no number of seconds")
    return datetime.fromtimestamp(seconds, UTC)


def _read_date(text: Any) -> datetime:
    if not isinstance(text, str) or not text.endswith("Z"):
        raise ValueError("sigT is no date in UTC")
    return datetime.fromisoformat(text).astimezone(UTC)


def _read_names(signed_data: Any) -> tuple[str, ...]:
    listed = signed_data.get("pars", []) if isinstance(signed_data, dict) else []
    if not isinstance(listed, list) or not all(isinstance(name, str) and len(name) <= MAX_NAME for name in listed):
        raise ValueError("sigD names nothing")
    for name in listed:
        name.encode()  # no half of a surrogate pair goes further
    return tuple(listed)


def require_understood(header: Header) -> None:
    """What is critical must be known here, and there (RFC 7515 §4.1.11, RFC 7797 §6, TS 119 182-1 §5.1.9)."""
    critical = header.get("crit")
    if critical is not None:
        _require_critical(critical, header)
    for name in ("b64", "sigD"):
        if name in header and name not in (critical or ()):
            raise ValueError(f"{name} is not critical")
    if not isinstance(header.get("b64", True), bool):
        raise ValueError("b64 is neither true nor false")  # noqa: TRY004 - of somebody's document


def _require_critical(critical: Any, header: Header) -> None:
    if not isinstance(critical, list) or not critical or not all(isinstance(name, str) for name in critical):
        raise ValueError("crit is no list of names")
    if len(set(critical)) != len(critical) or not _STANDARD_NAMES.isdisjoint(critical):
        raise ValueError("crit names something twice, or what always counts")
    for name in critical:
        if name not in header or name not in UNDERSTOOD:
            raise ValueError(f"critical and not known: {ascii(name)[:80]}")


def find_scheme(header: Header) -> tuple[hashes.HashAlgorithm, bool]:
    """Hash, and whether the padding is PSS. Raises RefusedError: for `none` and keyed hashes as for any other."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in SCHEMES:
        raise RefusedError(Reason.ALGORITHM_REFUSED, f"alg {ascii(algorithm)[:80]}")
    return SCHEMES[algorithm]


def read_key(certificate_der: bytes) -> rsa.RSAPublicKey:
    """The key of a certificate. Raises RefusedError, ValueError."""
    try:
        key = load_der_public_key(parse_certificate(certificate_der).public_key_der)
    except (CardUnknownError, UnsupportedAlgorithm) as error:
        raise ValueError("x5c begins with something else than a certificate") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in KEY_BITS:
        raise RefusedError(Reason.ALGORITHM_REFUSED, "no RSA key of 2048 bits or more")
    return key


def require_thumbprints(header: Header, certificate_der: bytes) -> None:
    """Raise ValueError when the header names another certificate than it holds (RFC 7515 §4.1.8, §5.2.2)."""
    named: list[tuple[Any, Any]] = [("S256", header["x5t#S256"])] if "x5t#S256" in header else []
    if "x5t#o" in header:
        other = header["x5t#o"] if isinstance(header["x5t#o"], dict) else {}
        named.append((other.get("digAlg"), other.get("digVal")))
    for name, value in named:
        if _hash(name, certificate_der) != value:
            raise ValueError("the thumbprint is another certificate's")


def require_data(header: Header, payload: str, detached: bytes | None) -> None:
    """What `sigD` names must be the content, and nothing else (§5.2.8.3.3). Raises RefusedError, ValueError."""
    signed_data = header["sigD"]
    if not isinstance(signed_data, dict) or signed_data.get("mId") != BY_URI_HASH:
        raise ValueError("sigD of another mechanism than ObjectIdByURIHash")
    names, values = signed_data.get("pars"), signed_data.get("hashV")
    if payload or not isinstance(values, list) or not values or len(values) != len(names or ()):
        raise ValueError("sigD does not fit what it names")
    if detached is None or len(values) > 1:
        raise RefusedError(Reason.CONTENT_ABSENT, f"sigD names {len(values)} contents")
    hashed = detached if header.get("b64", True) is False else encode(detached)
    if _hash(signed_data.get("hashM"), hashed) != values[0]:
        raise RefusedError(Reason.ALTERED, "the content has another hash than sigD says")


def _hash(name: Any, content: bytes) -> str:
    if not isinstance(name, str) or name not in HASHES:
        raise RefusedError(Reason.ALGORITHM_REFUSED, f"hash {ascii(name)[:80]}")
    return encode(hashlib.new(HASHES[name], content).digest()).decode()
