"""Tell a certificate that was damaged while it was read from one of an unknown issuer."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.exceptions import InvalidSignature


def is_damaged(certificate_der: bytes, authorities: Iterable[x509.Certificate]) -> bool:
    """Whether an authority, the issuer by name and key identifier (RFC 5280 §4.2.1.1), has not signed this."""
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
        key = _authority_key(certificate)
    except (ValueError, TypeError):
        return False
    return key is not None and any(
        authority.subject == certificate.issuer
        and _subject_key(authority) == key
        and _has_other_signature(certificate, authority)
        for authority in authorities
    )


def _authority_key(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def _subject_key(authority: x509.Certificate) -> bytes | None:
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _has_other_signature(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """What cannot be checked, by its algorithm or its form, refutes nothing."""
    try:
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return True
    except (ValueError, TypeError):
        return False
    return False
