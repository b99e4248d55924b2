"""Whether an authority signed a certificate (RFC 5280 §4.1.1.3), over the very bytes that the certificate has."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from drivers.card.certificate import Certificate
from drivers.errors import CardUnknownError, NotSupportedError

RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
"""RSASSA-PKCS1-v1_5 (RFC 4055 §5), as IGC-Santé signs."""
ECDSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}
"""RFC 5758 §3.2."""

MAX_BITS, MAX_EXPONENT_BITS = 8192, 64


class NotIssuedError(CardUnknownError):
    """The certificate does not bear the signature of this issuer."""


def require_issued(certificate: Certificate, issuer: Certificate) -> None:
    """Raise NotIssuedError unless the issuer's key signed it; names are the caller's business.

    Raises NotSupportedError where that cannot be told: an algorithm of no list here, SHA-1 among them, or an odd key.
    """
    if certificate.signature_oid != certificate.signed_oid:
        raise NotIssuedError("a certificate names two algorithms for its signature")
    try:
        _verify(certificate, issuer)
    except InvalidSignature as error:
        raise NotIssuedError from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NotSupportedError("the key of an issuer cannot be read") from error


def is_issued(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer has the name that the certificate gives, and signed it."""
    if not issuer.subject.matches(certificate.issuer):
        return False
    try:
        require_issued(certificate, issuer)
    except (NotIssuedError, NotSupportedError):
        return False
    return True


def _is_quick(key: rsa.RSAPublicKey) -> bool:
    """Whether it takes no longer than keys in use: one that a token holds may be made to take a hundred times that."""
    return key.key_size <= MAX_BITS and key.public_numbers().e.bit_length() <= MAX_EXPONENT_BITS


def _verify(certificate: Certificate, issuer: Certificate) -> None:
    oid, signature, signed = certificate.signature_oid, certificate.signature, certificate.tbs_der
    key = load_der_public_key(issuer.public_key_der)
    if isinstance(key, rsa.RSAPublicKey) and oid in RSA_HASHES and _is_quick(key):
        key.verify(signature, signed, padding.PKCS1v15(), RSA_HASHES[oid])
    elif isinstance(key, ec.EllipticCurvePublicKey) and oid in ECDSA_HASHES:
        key.verify(signature, signed, ec.ECDSA(ECDSA_HASHES[oid]))
    else:
        raise NotSupportedError(f"a signature by an unknown algorithm ({oid})")
