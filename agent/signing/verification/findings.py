"""What the reader of a format finds out of one signature, before anybody judges who made it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from agent.signing.words import Format, Level


class Reason(StrEnum):
    """Why a signature is not valid. The first group is a reader's to find, the second the judge's."""

    ALTERED = "altered"
    SIGNATURE_WRONG = "signature-wrong"
    CERTIFICATE_ABSENT = "certificate-absent"
    CONTENT_ABSENT = "content-absent"
    NOT_COVERED = "not-covered"
    """Something else is signed than what a person would take for the document: wrapping, additions after it."""
    ALGORITHM_REFUSED = "algorithm-refused"
    MALFORMED = "malformed"

    ISSUER_UNKNOWN = "issuer-unknown"
    KEY_USAGE = "key-usage"
    EXPIRED = "certificate-expired"
    REVOKED = "certificate-revoked"
    REVOCATION_UNKNOWN = "revocation-unknown"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time-stamp (RFC 3161) whose value and imprint hold; its signer is not judged yet."""

    time: datetime
    certificate_der: bytes
    certificates_der: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Certificates, CRLs and OCSP responses (DER) that a signature carries; nothing is believed of them yet."""

    certificates_der: tuple[bytes, ...] = ()
    crls_der: tuple[bytes, ...] = ()
    ocsps_der: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One signature. `reason` None: its value and every digest hold, with the key of `certificate_der`.

    `level`: the highest whose parts are all there and hold, None for formats without. `claimed_at`: what the signer
    says; `stamps`: what others say, over the signature. `names`: the documents in it, where it names them. `profile`:
    a French profile of the format (`dmp-submission`, `vihf`…). `hint`: for a developer, in English.
    """

    format: Format
    level: Level | None = None
    reason: Reason | None = None
    hint: str = ""
    certificate_der: bytes | None = None
    claimed_at: datetime | None = None
    stamps: tuple[Stamp, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    names: tuple[str, ...] = ()
    profile: str | None = None


class UnreadableError(Exception):
    """It is no signature of the kind, or holds what is never read: a DTD, an entity, too much of anything."""


class Reader(Protocol):
    """A module that reads one family of formats."""

    @staticmethod
    def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
        """Find and check every signature; none is an empty list. Raises UnreadableError."""
