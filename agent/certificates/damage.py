"""Tell a certificate that was damaged while it was read from one of an unknown issuer."""

from __future__ import annotations

from collections.abc import Iterable

from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.extensions import read_authority_key_id, read_subject_key_id
from drivers.card.issuing import NotIssuedError, require_issued
from drivers.errors import CardUnknownError, NotSupportedError


def is_damaged(certificate_der: bytes, authorities: Iterable[Certificate]) -> bool:
    """Whether an authority, the issuer by name and key identifier (RFC 5280 §4.2.1.1), has not signed this."""
    try:
        certificate = parse_certificate(certificate_der)
        key = read_authority_key_id(certificate)
    except CardUnknownError:
        return False
    return key is not None and any(
        authority.subject.matches(certificate.issuer)
        and read_subject_key_id(authority) == key
        and _has_other_signature(certificate, authority)
        for authority in authorities
    )


def is_altered_copy(certificate: Certificate, others: Iterable[Certificate]) -> bool:
    """Whether another has its number and its key, and other bytes: a name or a key identifier was exchanged in one."""
    return any(
        other.serial_number == certificate.serial_number
        and other.public_key_der == certificate.public_key_der
        and other.der != certificate.der
        for other in others
    )


def _has_other_signature(certificate: Certificate, authority: Certificate) -> bool:
    """What cannot be checked, by its algorithm or its form, refutes nothing."""
    try:
        require_issued(certificate, authority)
    except NotIssuedError:
        return True
    except NotSupportedError:
        return False
    return False
