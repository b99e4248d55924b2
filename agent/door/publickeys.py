"""The public half of a key as its certificate has it: what PKCS#11 wants of it in parts."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from agent.cards.card import load_certificate
from drivers.card.certificate import VERSION, Certificate
from drivers.card.der import TAG_BIT_STRING, TAG_INTEGER, TAG_SEQUENCE, Elements, read_bits, read_whole
from drivers.errors import CardUnknownError


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA key (RFC 8017 A.1.1), numbers big-endian without leading zeroes; `der`: SubjectPublicKeyInfo."""

    der: bytes
    modulus: bytes
    exponent: bytes

    @property
    def bits(self) -> int:
        """Size of the modulus."""
        return int.from_bytes(self.modulus).bit_length()


@functools.lru_cache(maxsize=64)
def read_public_key(certificate_der: bytes) -> PublicKey:
    """The key of a certificate. Raises CardUnknownError for anything but an RSA key."""
    der = load_certificate(certificate_der).public_key_der
    parts = Elements(read_whole(der, TAG_SEQUENCE, "a public key").value, "a public key")
    parts.take(TAG_SEQUENCE)
    key = read_whole(read_bits(parts.take(TAG_BIT_STRING).value), TAG_SEQUENCE, "an RSA key")
    numbers = Elements(key.value, "an RSA key")
    modulus, exponent = (numbers.take(TAG_INTEGER).value.lstrip(b"\0") for _ in range(2))
    if not modulus or not exponent:
        raise CardUnknownError("an RSA key without a modulus or an exponent")
    return PublicKey(der, modulus, exponent)


def read_serial_der(certificate: Certificate) -> bytes:
    """DER of the serial number, to the bit as in the certificate, since programs compare it."""
    tbs = read_whole(certificate.tbs_der, TAG_SEQUENCE, "what a certificate certifies")
    parts = Elements(tbs.value, "what a certificate certifies")
    parts.take_if(VERSION)
    return parts.take(TAG_INTEGER).der
