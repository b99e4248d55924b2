"""The values a CPS3 signs, and the check that it signed them (RFC 8017 §8.2, §9.2)."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.base import Digest
from drivers.card.tlv import encode_tlv

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


def encode_digest_info(digest: Digest) -> bytes:
    """DER DigestInfo (RFC 8017 A.2.4): what RSASSA-PKCS1-v1_5 pads."""
    algorithm = encode_tlv(0x30, encode_tlv(0x06, HASH_OIDS[digest.algorithm]), encode_tlv(0x05))
    return encode_tlv(0x30, algorithm, encode_tlv(0x04, digest.value))


def is_signature_of(certificate_der: bytes, digest: Digest, signature: bytes) -> bool:
    """Whether the certificate's key made this signature over this digest."""
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(signature, digest.value, padding.PKCS1v15(), Prehashed(HASHES[digest.algorithm]))
    except InvalidSignature:
        return False
    return True
