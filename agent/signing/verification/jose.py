"""Reads JWS (RFC 7515) in its three serializations, and JAdES (ETSI TS 119 182-1), stricter than both ask for.

Only what the signature covers counts: members beside it (an unprotected header, members that nobody knows) are refused
and not passed over. JAdES carries time-stamps and evidence there, so it is read at level B alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding

from agent.signing.jose import decode, encode
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.jose_headers import (
    RefusedError,
    describe,
    find_scheme,
    read_key,
    require_data,
    require_thumbprints,
    require_understood,
)
from agent.signing.verification.strict_json import read_object
from agent.signing.words import Format

MAX_SIGNATURES: Final = 50
WHITESPACE: Final = b" \t\r\n"
_COMPACT: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)\Z")
_SHARED: Final = frozenset({"payload", "signatures"})
_OWN: Final = frozenset({"protected", "signature"})


@dataclass(frozen=True, slots=True)
class _Part:
    """One signature as it stands there. `payload` empty: it is elsewhere. `extras`: members that nothing covers."""

    protected: Any
    payload: Any
    signature: Any
    extras: tuple[str, ...] = ()


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Find and check every signature. Raises UnreadableError for what is no JWS."""
    return [_read(part, detached) for part in _split(content.strip(WHITESPACE))]


def _split(content: bytes) -> Iterable[_Part]:
    if match := _COMPACT.match(content):
        protected, payload, signature = (part.decode("ascii") for part in match.groups())
        return [_Part(protected, payload, signature)]
    try:
        members = read_object(content)
    except ValueError as error:
        raise UnreadableError(f"no JWS: {error}") from error
    return _split_general(members) if "signatures" in members else [_split_flattened(members, members)]


def _split_flattened(members: Mapping[str, Any], whole: Mapping[str, Any]) -> _Part:
    """RFC 7515 §7.2.2."""
    if "signature" not in members:
        raise UnreadableError("no JWS: there is no signature")
    extras = sorted(members.keys() - _OWN - ({"payload"} if members is whole else set()))
    return _Part(members.get("protected"), whole.get("payload", ""), members["signature"], tuple(extras))


def _split_general(members: Mapping[str, Any]) -> list[_Part]:
    """RFC 7515 §7.2.1."""
    listed = members["signatures"]
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UnreadableError("no JWS: signatures are no list of objects")
    if len(listed) > MAX_SIGNATURES:
        raise UnreadableError(f"more than {MAX_SIGNATURES} signatures")
    beside = tuple(sorted(members.keys() - _SHARED))
    parts = [_split_flattened(each, members) for each in listed]
    return [replace(part, extras=part.extras + beside) for part in parts]


def _read(part: _Part, detached: bytes | None) -> Finding:
    finding = Finding(Format.JWS)
    try:
        header = _read_header(part.protected)
        finding = describe(header)
        _require_sound(part, header, finding, detached)
    except RefusedError as refused:
        return replace(finding, level=None, reason=refused.reason, hint=str(refused))
    except ValueError as error:
        return replace(finding, level=None, reason=Reason.MALFORMED, hint=str(error))
    return finding


def _read_header(protected: Any) -> dict[str, Any]:
    return read_object(decode(_require_text(protected, "protected")))


def _require_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")  # noqa: TRY004 - of somebody's document, not of a caller's argument
    return value


def _require_sound(part: _Part, header: dict[str, Any], finding: Finding, detached: bytes | None) -> None:
    """Raise RefusedError or ValueError unless this is signed, and by that certificate."""
    require_understood(header)
    scheme = find_scheme(header)
    if part.extras:
        raise RefusedError(Reason.NOT_COVERED, f"not signed: {', '.join(map(ascii, part.extras))[:200]}")
    if finding.certificate_der is None:
        raise RefusedError(Reason.CERTIFICATE_ABSENT, "no x5c")
    key = read_key(finding.certificate_der)
    require_thumbprints(header, finding.certificate_der)
    payload = _find_payload(_require_text(part.payload, "payload"), header, detached)
    _verify(key, scheme, decode(_require_text(part.signature, "signature")), part.protected.encode() + b"." + payload)


def _find_payload(payload: str, header: dict[str, Any], detached: bytes | None) -> bytes:
    """What the signing input ends with. Raises RefusedError when it is not what is given as the content."""
    if "sigD" in header:
        require_data(header, payload, detached)
        return b""
    if header.get("b64", True) is not True:
        raise ValueError("b64 false is read beside sigD alone")
    if not payload:
        if detached is None:
            raise RefusedError(Reason.CONTENT_ABSENT, "the payload is detached")
        return encode(detached)
    if decode(payload) != detached and detached is not None:
        raise RefusedError(Reason.ALTERED, "another content than the payload is given")
    return payload.encode("ascii")


def _verify(key: Any, scheme: tuple[Any, bool], signature: bytes, signed: bytes) -> None:
    """RFC 7518 §3.3, §3.5. Raises RefusedError."""
    algorithm, pss = scheme
    # RFC 7518 §3.5: the salt is as long as the hash
    chosen = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size) if pss else padding.PKCS1v15()
    try:
        key.verify(signature, signed, chosen, algorithm)
    except InvalidSignature as error:
        raise RefusedError(Reason.SIGNATURE_WRONG, "the signature does not fit header and payload") from error
