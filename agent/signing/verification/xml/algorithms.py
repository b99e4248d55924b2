"""Algorithms of XML signatures that are taken, by their names (XMLDSig 1.1 §6, RFC 9231). HMAC is none of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agent.signing.verification.findings import Reason
from agent.signing.verification.xml.faults import XmlFaultError
from agent.signing.xml import DS

MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
PSS: Final = "http://www.w3.org/2007/05/xmldsig-more#"
ENC: Final = "http://www.w3.org/2001/04/xmlenc#"

DIGESTS: Final[Mapping[str, str]] = {
    f"{ENC}sha256": "sha256",
    f"{MORE}sha384": "sha384",
    f"{ENC}sha512": "sha512",
}
SHA1: Final = f"{DS}sha1"
RSA_SHA1: Final = f"{DS}rsa-sha1"

Check = Callable[[Any, bytes, bytes], None]


def digest(algorithm: str, content: bytes, *, old: bool = False) -> bytes:
    """Hash as the URI says. Raises XmlFaultError; `old`: SHA-1 is taken too."""
    name = "sha1" if old and algorithm == SHA1 else DIGESTS.get(algorithm)
    if name is None:
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, f"digest {algorithm[:100]}")
    return hashlib.new(name, content).digest()


def require_method(algorithm: str, *, old: bool = False) -> None:
    """Raise XmlFaultError for a method of no list."""
    if algorithm not in _METHODS and not (old and algorithm == RSA_SHA1):
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
    f"{MORE}rsa-sha256": _rsa(hashes.SHA256()),
    f"{MORE}rsa-sha384": _rsa(hashes.SHA384()),
    f"{MORE}rsa-sha512": _rsa(hashes.SHA512()),
    f"{PSS}sha256-rsa-MGF1": _pss(hashes.SHA256()),
    f"{PSS}sha384-rsa-MGF1": _pss(hashes.SHA384()),
    f"{PSS}sha512-rsa-MGF1": _pss(hashes.SHA512()),
    f"{MORE}ecdsa-sha256": _ecdsa(hashes.SHA256()),
    f"{MORE}ecdsa-sha384": _ecdsa(hashes.SHA384()),
    f"{MORE}ecdsa-sha512": _ecdsa(hashes.SHA512()),
}
