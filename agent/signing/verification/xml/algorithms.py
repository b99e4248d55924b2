"""Algorithms of XML signatures that are taken, by their names (XMLDSig 1.1 §6, RFC 9231). HMAC is none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agent.signing import xml_algorithms as uris
from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.faults import XmlFaultError

DIGESTS: Final[Mapping[str, str]] = {
    uris.SHA256: "sha256",
    uris.SHA384: "sha384",
    uris.SHA512: "sha512",
}

Check = Callable[[Any, bytes, bytes], None]


def digest(algorithm: str, content: bytes, *, old: bool = False) -> bytes:
    """Hash as the URI says. Raises XmlFaultError; `old`: SHA-1 is taken too."""
    name = "sha1" if old and algorithm == uris.SHA1 else DIGESTS.get(algorithm)
    if name is None:
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, f"digest {algorithm[:100]}")
    return hashlib.new(name, content).digest()


def require_method(algorithm: str, *, old: bool = False) -> None:
    """Raise XmlFaultError for a method of no list."""
    if algorithm not in _METHODS and not (old and algorithm == uris.RSA_SHA1):
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, f"signature method {algorithm[:100]}")


def fits(algorithm: str, public_key_der: bytes, value: bytes, content: bytes) -> bool:
    """Whether a key made this value over these bytes; False also for keys of another kind than the method's."""
    check = _METHODS.get(algorithm) or _rsa(hashes.SHA1())  # noqa: S303 - require_method let it pass
    try:
        check(load_der_public_key(public_key_der), value, content)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _rsa(algorithm: hashes.HashAlgorithm) -> Check:
    def check(key: Any, value: bytes, content: bytes) -> None:
        _require(key, rsa.RSAPublicKey).verify(value, content, padding.PKCS1v15(), algorithm)

    return check


def _pss(algorithm: hashes.HashAlgorithm) -> Check:
    """RFC 9231 §2.3.10: the salt is as long as the hash."""

    def check(key: Any, value: bytes, content: bytes) -> None:
        scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        _require(key, rsa.RSAPublicKey).verify(value, content, scheme, algorithm)

    return check


def _ecdsa(algorithm: hashes.HashAlgorithm) -> Check:
    """XMLDSig 1.1 §6.4.3: r and s one after the other, each as long as the order of the curve."""

    def check(key: Any, value: bytes, content: bytes) -> None:
        key = _require(key, ec.EllipticCurvePublicKey)
        length = (key.curve.key_size + 7) // 8
        if len(value) != 2 * length:
            raise ValueError("a value of another length")
        r, s = int.from_bytes(value[:length]), int.from_bytes(value[length:])
        key.verify(utils.encode_dss_signature(r, s), content, ec.ECDSA(algorithm))

    return check


def _require(key: Any, kind: Any) -> Any:
    if not isinstance(key, kind):
        raise TypeError("a key of another kind")
    return key


_METHODS: Final[Mapping[str, Check]] = {
    uris.RSA_SHA256: _rsa(hashes.SHA256()),
    uris.RSA_SHA384: _rsa(hashes.SHA384()),
    uris.RSA_SHA512: _rsa(hashes.SHA512()),
    uris.PSS_SHA256: _pss(hashes.SHA256()),
    uris.PSS_SHA384: _pss(hashes.SHA384()),
    uris.PSS_SHA512: _pss(hashes.SHA512()),
    uris.ECDSA_SHA256: _ecdsa(hashes.SHA256()),
    uris.ECDSA_SHA384: _ecdsa(hashes.SHA384()),
    uris.ECDSA_SHA512: _ecdsa(hashes.SHA512()),
}
