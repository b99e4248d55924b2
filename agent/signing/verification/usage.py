"""What the key of a certificate may sign (RFC 5280 §4.2.1.3, §4.2.1.12), and which keys are strong enough."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from drivers.card.certificate import Certificate
from drivers.card.extensions import (
    DIGITAL_SIGNATURE,
    NON_REPUDIATION,
    PURPOSE_CLIENT_AUTHENTICATION,
    read_key_usage,
    read_purposes,
)
from drivers.errors import CardUnknownError

PURPOSE_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
PURPOSE_ANSWERING: Final = "1.3.6.1.5.5.7.3.9"  # by OCSP
PURPOSE_SERVER_AUTHENTICATION: Final = "1.3.6.1.5.5.7.3.1"
PURPOSE_SMART_CARD_LOGON: Final = "1.3.6.1.4.1.311.20.2.2"
SERVING: Final = frozenset({PURPOSE_STAMPING, PURPOSE_ANSWERING})
CONNECTING: Final = frozenset({PURPOSE_CLIENT_AUTHENTICATION, PURPOSE_SMART_CARD_LOGON, PURPOSE_SERVER_AUTHENTICATION})
LEAST_RSA_BITS: Final = 2048
LEAST_EC_BITS: Final = 256


def may_sign_documents(certificate: Certificate) -> bool:
    """Whether its key signs documents.

    nonRepudiation says so. A key for digitalSignature alone does too, unless it is one for connections: the
    authentication key of a card proves who is there, not what was agreed to. A certificate without KeyUsage may.
    That of a time-stamp authority or of an OCSP responder may not: what it signs is nobody's will.
    """
    try:
        usage, purposes = read_key_usage(certificate), read_purposes(certificate)
    except CardUnknownError:
        return False
    purposes = purposes or frozenset()
    if SERVING & purposes:
        return False
    if usage is None or NON_REPUDIATION in usage:
        return True
    return DIGITAL_SIGNATURE in usage and not CONNECTING & purposes


def may_stamp(certificate: Certificate) -> bool:
    """Whether it is for time-stamps and nothing else (RFC 3161 §2.3)."""
    try:
        usage, purposes = read_key_usage(certificate), read_purposes(certificate)
    except CardUnknownError:
        return False
    return purposes == frozenset({PURPOSE_STAMPING}) and (
        usage is None or bool(usage & {DIGITAL_SIGNATURE, NON_REPUDIATION})
    )


def is_strong(certificate: Certificate) -> bool:
    """Whether its key is one that signatures are still believed of: RSA of 2048 bits, a curve of 256."""
    try:
        key = load_der_public_key(certificate.public_key_der)
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= LEAST_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= LEAST_EC_BITS
