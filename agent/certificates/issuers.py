"""What makes a certificate one that may issue others (RFC 5280 §4.2.1 and §6.1.4)."""

from __future__ import annotations

from datetime import datetime

from drivers.card.certificate import Certificate
from drivers.card.der import TAG_BOOLEAN, TAG_INTEGER, TAG_SEQUENCE, Elements, read_integer, read_whole
from drivers.card.extensions import (
    KEY_CERT_SIGN,
    OID_BASIC_CONSTRAINTS,
    read_authority,
    read_authority_key_id,
    read_key_usage,
    read_subject_key_id,
)
from drivers.errors import CardUnknownError


def is_authority(certificate: Certificate) -> bool:
    """Whether it says of itself that it may sign certificates."""
    try:
        usage = read_key_usage(certificate)
        return read_authority(certificate) and (usage is None or KEY_CERT_SIGN in usage)
    except CardUnknownError:
        return False


def is_self_issued(certificate: Certificate) -> bool:
    """Whether it names itself as its issuer, as roots do."""
    return certificate.issuer.matches(certificate.subject)


def may_issue(authority: Certificate, below: int, now: datetime) -> bool:
    """Whether it may stand above so many authorities now: role, path length and validity."""
    try:
        longest = _read_path_length(authority)
    except CardUnknownError:
        return False
    in_time = authority.not_before <= now <= authority.not_after
    return in_time and (longest is None or below <= longest) and is_authority(authority)


def may_have_issued(authority: Certificate, certificate: Certificate) -> bool:
    """Whether names and key identifiers fit, so that the signature is worth a look."""
    try:
        wanted, given = read_authority_key_id(certificate), read_subject_key_id(authority)
    except CardUnknownError:
        return False
    return (wanted is None or given is None or wanted == given) and authority.subject.matches(certificate.issuer)


def _read_path_length(authority: Certificate) -> int | None:
    """The pathLenConstraint (§4.2.1.9). Raises CardUnknownError."""
    content = authority.extensions.get(OID_BASIC_CONSTRAINTS)
    if content is None:
        return None
    parts = Elements(read_whole(content, TAG_SEQUENCE, "basic constraints").value, "basic constraints")
    parts.take_if(TAG_BOOLEAN)
    length = parts.take_if(TAG_INTEGER)
    return None if length is None else read_integer(length.value)
