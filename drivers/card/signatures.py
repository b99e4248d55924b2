"""The values a CPS3 signs, and the check that it signed them (RFC 8017 §8.2, §9.2)."""

from __future__ import annotations

import functools

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.base import Digest, KeyRole
from drivers.card.tlv import encode_tlv
from drivers.errors import CardUnknownError

# Algorithm identifiers of DigestInfo (RFC 8017 §9.2, note 1)
HASH_OIDS = {
    "sha1": bytes.fromhex("2B0E03021A"),
    "sha224": bytes.fromhex("608648016503040204"),
    "sha256": bytes.fromhex("608648016503040201"),
    "sha384": bytes.fromhex("608648016503040202"),
    "sha512": bytes.fromhex("608648016503040203"),
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - what a CPS3 signature key takes besides SHA-256
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

MIN_MODULUS_BITS = 1024
CERTIFICATE_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises on certificates it does not like."""


def encode_digest_info(digest: Digest) -> bytes:
    """DER DigestInfo (RFC 8017 A.2.4): what RSASSA-PKCS1-v1_5 pads."""
    algorithm = encode_tlv(0x30, encode_tlv(0x06, HASH_OIDS[digest.algorithm]), encode_tlv(0x05))
    return encode_tlv(0x30, algorithm, encode_tlv(0x04, digest.value))


def is_signature_of(certificate_der: bytes, digest: Digest, signature: bytes) -> bool:
    """Whether the certificate's key made this signature over this digest."""
    try:
        _, key = _load(certificate_der)
        key.verify(signature, digest.value, padding.PKCS1v15(), Prehashed(HASHES[digest.algorithm]))
    except (InvalidSignature, CardUnknownError):
        return False
    return True


def certificate_role(certificate_der: bytes) -> KeyRole:
    """Role of a key by its certificate's KeyUsage (RFC 5280 §4.2.1.3): nonRepudiation signs, anything else proves.

    Raises CardUnknownError for anything that is not the certificate of an RSA key.
    """
    certificate, _ = _load(certificate_der)
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return KeyRole.AUTHENTICATION
    except CERTIFICATE_ERRORS as error:
        raise CardUnknownError("a certificate of the card has extensions that cannot be read") from error
    return KeyRole.SIGNATURE if usage.content_commitment else KeyRole.AUTHENTICATION


def is_authority(certificate_der: bytes) -> bool:
    """Whether the certificate is one of a certification authority (RFC 5280 §4.2.1.9). Raises CardUnknownError."""
    certificate, _ = _load(certificate_der)
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
    except CERTIFICATE_ERRORS as error:
        raise CardUnknownError("a certificate of the card has extensions that cannot be read") from error


@functools.lru_cache(maxsize=32)
def _load(certificate_der: bytes) -> tuple[x509.Certificate, rsa.RSAPublicKey]:
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        key = certificate.public_key()
    except CERTIFICATE_ERRORS as error:
        raise CardUnknownError("a certificate of the card cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_MODULUS_BITS:
        raise CardUnknownError("a certificate of the card is not for an RSA key that can sign")
    return certificate, key
