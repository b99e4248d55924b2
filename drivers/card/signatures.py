"""What is given to a key of a card to sign, and the check that it signed it (RFC 8017 §8, §9)."""

from __future__ import annotations

import functools
import hashlib
import secrets

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from drivers.base import HASH_LENGTHS, NO_HASH, Digest, KeyRole, Padding
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.extensions import NON_REPUDIATION, read_authority, read_key_usage
from drivers.card.tlv import encode_tlv
from drivers.errors import CardUnknownError, NotSupportedError

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
PKCS1_OVERHEAD = 11  # 00 01, eight times FF at least, 00


def encode_digest_info(digest: Digest) -> bytes:
    """DER DigestInfo (RFC 8017 A.2.4): what RSASSA-PKCS1-v1_5 pads. Without a hash the value as it is."""
    if digest.algorithm == NO_HASH:
        return digest.value
    algorithm = encode_tlv(0x30, encode_tlv(0x06, HASH_OIDS[digest.algorithm]), encode_tlv(0x05))
    return encode_tlv(0x30, algorithm, encode_tlv(0x04, digest.value))


def encode_block(digest: Digest, modulus_bits: int) -> bytes:
    """The block that the bare RSA operation makes a signature of, as long as the modulus."""
    if digest.padding is Padding.PSS:
        return _encode_pss(digest, modulus_bits)
    info, length = encode_digest_info(digest), modulus_bits // 8
    return b"\x00\x01" + b"\xff" * (length - len(info) - 3) + b"\x00" + info


def _encode_pss(digest: Digest, modulus_bits: int) -> bytes:
    """EMSA-PSS-ENCODE (RFC 8017 §9.1.1), salt as long as the hash; for a modulus of whole bytes."""
    name, size, length = digest.algorithm, len(digest.value), modulus_bits // 8
    salt = secrets.token_bytes(size)
    hashed = hashlib.new(name, bytes(8) + digest.value + salt).digest()
    block = bytes(length - 2 * size - 2) + b"\x01" + salt
    masked = bytearray(x ^ y for x, y in zip(block, _mask(name, hashed, len(block)), strict=True))
    masked[0] &= 0x7F
    return bytes(masked) + hashed + b"\xbc"


def _mask(name: str, seed: bytes, length: int) -> bytes:
    """MGF1 (RFC 8017 §B.2.1)."""
    count = -(-length // HASH_LENGTHS[name])
    return b"".join(hashlib.new(name, seed + n.to_bytes(4)).digest() for n in range(count))[:length]


def require_room(certificate_der: bytes, digest: Digest) -> None:
    """Raise NotSupportedError for a value that the key's modulus leaves no room for (RFC 8017 §8.2.1)."""
    if len(encode_digest_info(digest)) > modulus_bits(certificate_der) // 8 - PKCS1_OVERHEAD:
        raise NotSupportedError("the value is too long for this key")


def modulus_bits(certificate_der: bytes) -> int:
    """Size of the certificate's RSA key. Raises CardUnknownError."""
    return _load(certificate_der)[1].key_size


def is_signature_of(certificate_der: bytes, digest: Digest, signature: bytes) -> bool:
    """Whether the certificate's key made this signature over this digest, with the padding asked for."""
    try:
        _, key = _load(certificate_der)
        if digest.algorithm == NO_HASH:
            return key.recover_data_from_signature(signature, padding.PKCS1v15(), None) == digest.value
        algorithm = HASHES[digest.algorithm]
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if digest.padding is Padding.PSS:
            scheme = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
        key.verify(signature, digest.value, scheme, Prehashed(algorithm))
    except (InvalidSignature, CardUnknownError):
        return False
    return True


def certificate_role(certificate_der: bytes) -> KeyRole:
    """Role of a key by its certificate's KeyUsage (RFC 5280 §4.2.1.3): nonRepudiation signs, anything else proves.

    Raises CardUnknownError for anything that is not the certificate of an RSA key.
    """
    usage = read_key_usage(_load(certificate_der)[0]) or frozenset()
    return KeyRole.SIGNATURE if NON_REPUDIATION in usage else KeyRole.AUTHENTICATION


def is_authority(certificate_der: bytes) -> bool:
    """Whether the certificate is one of a certification authority. Raises CardUnknownError."""
    return read_authority(_load(certificate_der)[0])


@functools.lru_cache(maxsize=32)
def _load(certificate_der: bytes) -> tuple[Certificate, rsa.RSAPublicKey]:
    certificate = parse_certificate(certificate_der)
    try:
        key = load_der_public_key(certificate.public_key_der)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CardUnknownError("the key of a certificate of the card cannot be read") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_MODULUS_BITS:
        raise CardUnknownError("a certificate of the card is not for an RSA key that can sign")
    return certificate, key
