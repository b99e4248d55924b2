"""What this driver needs of a certificate, read once by the parser that cards' certificates go through too."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.extensions import read_authority, read_key_usage, read_purposes
from drivers.card.names import OID_COMMON_NAME, OID_ORGANIZATION, OID_UNIT
from drivers.errors import CardUnknownError
from drivers.software.errors import KeyFileError, KeyKindError
from drivers.software.numbers import MAX_BITS, MIN_BITS
from drivers.software.roles import Role, find_role


@dataclass(frozen=True, slots=True)
class KeyCertificate:
    """A certificate that may go with a private key. `public_key_der`: its SubjectPublicKeyInfo, as encoded here."""

    parsed: Certificate
    public_key_der: bytes
    role: Role | None

    @property
    def group(self) -> str:
        """Number of the token that it belongs to: S and 15 hex digits of SHA-256 over its issuer and its subject."""
        names = self.parsed.issuer.der + self.parsed.subject.der
        return f"S{hashlib.sha256(names).hexdigest()[:15].upper()}"

    @property
    def label(self) -> str:
        """What its subject is called: its organisation, or else its CN."""
        subject = self.parsed.subject
        return next(iter((*subject.texts(OID_ORGANIZATION), *subject.texts(OID_COMMON_NAME))), self.group)

    @property
    def units(self) -> tuple[str, ...]:
        """The OUs of its subject, among them the identifier of the structure."""
        return self.parsed.subject.texts(OID_UNIT)

    def is_valid(self, moment: datetime) -> bool:
        """Whether that moment is within its validity."""
        return self.parsed.not_before <= moment <= self.parsed.not_after


@functools.lru_cache(maxsize=256)
def read_key_certificate(certificate_der: bytes) -> KeyCertificate:
    """Read the certificate of a key. Raises KeyFileError for what is none, KeyKindError for another than an RSA key."""
    try:
        parsed = parse_certificate(certificate_der)
        if read_authority(parsed):
            raise KeyFileError("the certificate is one of an authority")
        role = find_role(read_key_usage(parsed), read_purposes(parsed))
        key = load_der_public_key(parsed.public_key_der)
    except UnsupportedAlgorithm as error:
        raise KeyKindError from error
    except (CardUnknownError, ValueError, TypeError) as error:
        raise KeyFileError(f"a certificate cannot be read: {error}") from error
    if not isinstance(key, rsa.RSAPublicKey) or not MIN_BITS <= key.key_size <= MAX_BITS:
        raise KeyKindError
    return KeyCertificate(parsed, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), role)
