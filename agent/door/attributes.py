"""The attributes of objects (PKCS #11 v2.40 §4): made of a key with its certificate, or of what a directory lists.

Class, label and CKA_UNIQUE_ID of a key's objects are given to them by who makes these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from agent.cards.card import load_certificate
from agent.door import cryptoki as ck
from agent.door.mechanisms import types_of
from agent.door.publickeys import read_public_key, read_serial_der
from agent.door.values import AttributeValue
from drivers.base import DataEntry, KeyInfo

Attributes = Mapping[int, AttributeValue]

NEVER_TOLD = frozenset(
    (
        ck.CKA_PRIVATE_EXPONENT,
        ck.CKA_PRIME_1,
        ck.CKA_PRIME_2,
        ck.CKA_EXPONENT_1,
        ck.CKA_EXPONENT_2,
        ck.CKA_COEFFICIENT,
    )
)
"""What a private key has and no program gets."""

# CKA_DESTROYABLE is a boolean that travels as bytes
_STORAGE: Attributes = {
    ck.CKA_TOKEN: True,
    ck.CKA_MODIFIABLE: False,
    ck.CKA_COPYABLE: False,
    ck.CKA_DESTROYABLE: b"\0",
}
_KEY: Attributes = {
    ck.CKA_KEY_TYPE: ck.CKK_RSA,
    ck.CKA_START_DATE: b"",
    ck.CKA_END_DATE: b"",
    ck.CKA_DERIVE: False,
    ck.CKA_LOCAL: False,
    ck.CKA_KEY_GEN_MECHANISM: ck.CK_UNAVAILABLE_INFORMATION,
}


def certificate_attributes(key: KeyInfo) -> Attributes:
    """CKO_CERTIFICATE, X.509 (§4.6). Raises CardUnknownError."""
    certificate = load_certificate(key.certificate_der)
    return {
        **_common(key, private=False),
        ck.CKA_CERTIFICATE_TYPE: ck.CKC_X_509,
        ck.CKA_CERTIFICATE_CATEGORY: ck.CK_CERTIFICATE_CATEGORY_TOKEN_USER,
        ck.CKA_TRUSTED: False,
        ck.CKA_SUBJECT: certificate.subject.der,
        ck.CKA_ISSUER: certificate.issuer.der,
        ck.CKA_SERIAL_NUMBER: read_serial_der(certificate),
        ck.CKA_VALUE: key.certificate_der,
        ck.CKA_CHECK_VALUE: hashlib.sha1(key.certificate_der).digest()[:3],  # noqa: S324 - what §4.6.2 says
        ck.CKA_START_DATE: _date(certificate.not_before),
        ck.CKA_END_DATE: _date(certificate.not_after),
        ck.CKA_URL: b"",
        ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY: b"",
        ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY: b"",
        ck.CKA_JAVA_MIDP_SECURITY_DOMAIN: 0,
        ck.CKA_PUBLIC_KEY_INFO: certificate.public_key_der,
    }


def public_key_attributes(key: KeyInfo) -> Attributes:
    """CKO_PUBLIC_KEY (§4.8). It verifies nothing here: programs do that themselves. Raises CardUnknownError."""
    return {
        **_common(key, private=False),
        **_key_attributes(key),
        ck.CKA_MODULUS_BITS: read_public_key(key.certificate_der).bits,
        ck.CKA_ENCRYPT: False,
        ck.CKA_VERIFY: False,
        ck.CKA_VERIFY_RECOVER: False,
        ck.CKA_WRAP: False,
        ck.CKA_TRUSTED: False,
    }


def private_key_attributes(key: KeyInfo, *, of_card: bool) -> Attributes:
    """CKO_PRIVATE_KEY (§4.9): it signs, as the mechanisms say that it may. Raises CardUnknownError.

    A key that was imported was in a file before; one of a card never was anywhere else, as far as anybody here knows.
    """
    return {
        **_common(key, private=True),
        **_key_attributes(key),
        ck.CKA_SENSITIVE: True,
        ck.CKA_ALWAYS_SENSITIVE: of_card,
        ck.CKA_EXTRACTABLE: False,
        ck.CKA_NEVER_EXTRACTABLE: of_card,
        ck.CKA_SIGN: True,
        ck.CKA_SIGN_RECOVER: False,
        ck.CKA_DECRYPT: False,
        ck.CKA_UNWRAP: False,
        ck.CKA_WRAP_WITH_TRUSTED: False,
        ck.CKA_ALWAYS_AUTHENTICATE: False,
        ck.CKA_ALLOWED_MECHANISMS: tuple(sorted(types_of(key))),
    }


def data_attributes(entry: DataEntry) -> Attributes:
    """CKO_DATA (§4.5), but for its value, which is read when it is asked for."""
    return {
        **_STORAGE,
        ck.CKA_CLASS: ck.CKO_DATA,
        ck.CKA_PRIVATE: entry.private,
        ck.CKA_LABEL: entry.label.encode(),
        ck.CKA_APPLICATION: entry.application.encode(),
        ck.CKA_OBJECT_ID: b"",
    }


DATA_TYPES = frozenset(data_attributes(DataEntry("", "", private=False)))
"""A template with another type than these can match no data object."""


def _common(key: KeyInfo, *, private: bool) -> Attributes:
    return {**_STORAGE, ck.CKA_PRIVATE: private, ck.CKA_ID: key.key_id}


def _key_attributes(key: KeyInfo) -> Attributes:
    public = read_public_key(key.certificate_der)
    return {
        **_KEY,
        ck.CKA_SUBJECT: load_certificate(key.certificate_der).subject.der,
        ck.CKA_MODULUS: public.modulus,
        ck.CKA_PUBLIC_EXPONENT: public.exponent,
        ck.CKA_PUBLIC_KEY_INFO: public.der,
    }


def _date(moment: datetime) -> bytes:
    """CK_DATE."""
    return f"{moment:%Y%m%d}".encode()
