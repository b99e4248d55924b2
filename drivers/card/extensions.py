"""The standard extensions of a certificate that decide what it is for (RFC 5280 §4.2.1).

Each function raises CardUnknownError for an extension that is there and cannot be read, or stands twice: what says
what a key may do is not guessed at.
"""

from __future__ import annotations

from drivers.card.certificate import Certificate
from drivers.card.der import (
    TAG_BIT_STRING,
    TAG_BOOLEAN,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Elements,
    read_bit_numbers,
    read_oid,
    read_whole,
)
from drivers.errors import CardUnknownError

OID_SUBJECT_KEY_ID, OID_KEY_USAGE, OID_BASIC_CONSTRAINTS = "2.5.29.14", "2.5.29.15", "2.5.29.19"
OID_AUTHORITY_KEY_ID, OID_EXTENDED_KEY_USAGE = "2.5.29.35", "2.5.29.37"
PURPOSE_CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2"

# Bits of KeyUsage
DIGITAL_SIGNATURE, NON_REPUDIATION, KEY_ENCIPHERMENT, DATA_ENCIPHERMENT, KEY_CERT_SIGN = 0, 1, 2, 3, 5

MAX_PURPOSES = 64
KEY_ID = 0x80


def read_key_usage(certificate: Certificate) -> frozenset[int] | None:
    """Numbers of the bits of KeyUsage (§4.2.1.3), or None without the extension."""
    content = _find(certificate, OID_KEY_USAGE)
    return None if content is None else read_bit_numbers(read_whole(content, TAG_BIT_STRING, "a key usage").value)


def read_purposes(certificate: Certificate) -> frozenset[str] | None:
    """Dotted identifiers of the extended key usage (§4.2.1.12), or None without the extension."""
    content = _find(certificate, OID_EXTENDED_KEY_USAGE)
    if content is None:
        return None
    what = "an extended key usage"
    oids = Elements(read_whole(content, TAG_SEQUENCE, what).value, what).take_all(TAG_OID, MAX_PURPOSES)
    return frozenset(read_oid(oid.value) for oid in oids)


def read_authority(certificate: Certificate) -> bool:
    """Whether the basic constraints (§4.2.1.9) make it an authority."""
    content = _find(certificate, OID_BASIC_CONSTRAINTS)
    if content is None:
        return False
    what = "basic constraints"
    authority = Elements(read_whole(content, TAG_SEQUENCE, what).value, what).take_if(TAG_BOOLEAN)
    return authority is not None and any(authority.value)


def read_subject_key_id(certificate: Certificate) -> bytes | None:
    """Identifier of its own key (§4.2.1.2)."""
    content = _find(certificate, OID_SUBJECT_KEY_ID)
    return None if content is None else read_whole(content, TAG_OCTET_STRING, "a key identifier").value


def read_authority_key_id(certificate: Certificate) -> bytes | None:
    """Identifier of its issuer's key (§4.2.1.1), where the extension has one."""
    content = _find(certificate, OID_AUTHORITY_KEY_ID)
    if content is None:
        return None
    what = "an authority key identifier"
    found = Elements(read_whole(content, TAG_SEQUENCE, what).value, what).take_if(KEY_ID)
    return found.value if found else None


def _find(certificate: Certificate, oid: str) -> bytes | None:
    if oid in certificate.repeated:
        raise CardUnknownError(f"extension {oid} of a certificate stands twice")
    return certificate.extensions.get(oid)
