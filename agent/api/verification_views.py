"""What POST /v1/verifications shows of signatures, as JSON members."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.api.certificates import revocation_view
from agent.api.verification_words import describe, describe_document
from agent.api.views import coded_view, moment, structure_view
from agent.signing.verification.messages import DocumentJudged, Judged, Status
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.names import OID_COMMON_NAME, Name
from drivers.errors import CardUnknownError

if TYPE_CHECKING:
    from agent.certificates.holder import Holder


def document_view(document: DocumentJudged) -> dict[str, Any]:
    """A document with its signatures, or why it has none."""
    view: dict[str, Any] = {"name": document.name, "signatures": list(map(signature_view, document.signatures))}
    if document.reason is not None:
        told = describe_document(document.reason)
        view |= {"reason": str(document.reason), "sentence": told.english, "sentenceFr": told.french}
    return view | ({"hint": document.hint} if document.hint else {})


def signature_view(judged: Judged) -> dict[str, Any]:
    """One signature; `signer` is what its certificate says, which counts only as far as `status` goes."""
    certificate = _parse(judged.certificate_der)
    holder = _read_holder(certificate)
    authority = _name_authority(_parse(judged.authority_der))
    told = describe(judged, holder, authority)
    view = {
        "valid": judged.status is Status.VALID,
        "status": str(judged.status),
        "format": str(judged.format),
        "level": str(judged.level) if judged.level else None,
        "signer": _signer_view(judged, certificate, holder) if certificate and holder else None,
        "claimedAt": _moment_or_null(judged.claimed_at),
        "provenAt": _moment_or_null(judged.proven_at),
        "timestampAuthority": authority,
        "revocation": revocation_view(judged.revocation),
        "covers": list(judged.names),
        "sentence": told.english,
        "sentenceFr": told.french,
    }
    return view | _given(profile=judged.profile, reason=judged.reason, hint=judged.hint or None)


def _given(**members: str | None) -> dict[str, str]:
    return {name: str(value) for name, value in members.items() if value is not None}


def _signer_view(judged: Judged, certificate: Certificate, holder: Holder) -> dict[str, Any]:
    return {
        "name": holder.display_name or certificate.subject.rfc4514(),
        "kind": holder.kind,
        "nationalId": holder.national_id,
        "profession": coded_view(holder.profession),
        "speciality": coded_view(holder.speciality),
        "structure": structure_view(holder.structure) if holder.structure else None,
        "certificate": {
            "subject": certificate.subject.rfc4514(),
            "issuer": certificate.issuer.rfc4514(),
            "serialNumber": f"{certificate.serial_number:X}",
            "notBefore": moment(certificate.not_before),
            "notAfter": moment(certificate.not_after),
        },
        "trusted": judged.trusted,
        "test": judged.is_test or holder.test,
    }


def _parse(der: bytes | None) -> Certificate | None:
    try:
        return None if der is None else parse_certificate(der)
    except CardUnknownError:
        return None


def _read_holder(certificate: Certificate | None) -> Holder | None:
    from agent.certificates.holder import read_holder  # noqa: PLC0415 - once somebody verifies

    return None if certificate is None else read_holder(certificate)


def _name_authority(certificate: Certificate | None) -> str | None:
    if certificate is None:
        return None
    subject: Name = certificate.subject
    return next(iter(subject.texts(OID_COMMON_NAME)), None) or subject.rfc4514()


def _moment_or_null(value: datetime | None) -> str | None:
    return moment(value) if value is not None else None
