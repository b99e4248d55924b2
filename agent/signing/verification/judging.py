"""Judge what a reader found: who signed, whether that is believed, and by which moment (RFC 5280, EN 319 102-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from agent.certificates.revocation.verdict import NOT_CHECKED, Verdict, unknown
from agent.certificates.revocation.verdict import Reason as Unknown
from agent.certificates.revocation.verdict import Status as RevocationStatus
from agent.signing.verification.findings import Finding, Reason
from agent.signing.verification.messages import Judged, Status, Trust
from agent.signing.verification.paths import Chain, Paths
from agent.signing.verification.revocations import Revocations
from agent.signing.verification.stamping import Proof, prove
from agent.signing.verification.usage import is_strong, may_sign_documents
from agent.signing.words import Level
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

MAX_CARRIED: Final = 64
"""Certificates of one signature that are held against those that are known."""
OPEN: Final = frozenset(
    {
        Reason.CERTIFICATE_ABSENT,
        Reason.CONTENT_ABSENT,
        Reason.ISSUER_UNKNOWN,
        Reason.EXPIRED,
        Reason.REVOCATION_UNKNOWN,
    }
)
"""What is lacking may turn up: another certificate, an answer, a time-stamp (EN 319 102-1 §5.1.3: indeterminate)."""
YEARS: Final = range(1970, 9000)  # moments that every time zone has


@dataclass(frozen=True, slots=True)
class _Case:
    """A signature whose integrity is proven, and by which moment to judge who made it."""

    finding: Finding
    certificate: Certificate
    proof: Proof


class Court:
    """Judges all signatures of one request by the same knowledge."""

    def __init__(self, trust: Trust, now: datetime) -> None:
        self._paths = Paths(trust)
        self._revocations = Revocations(trust, now)

    def judge(self, finding: Finding) -> Judged:
        """Judge one signature. Raises nothing for whatever a certificate holds."""
        if finding.reason is not None:
            return _decide(finding, finding.reason)
        if finding.certificate_der is None:
            return _decide(finding, Reason.CERTIFICATE_ABSENT)
        try:
            certificate = parse_certificate(finding.certificate_der)
        except CardUnknownError as error:
            return _decide(finding, Reason.MALFORMED, hint=f"the signer's certificate: {error}")
        if any(map(self._paths.refutes, _list_carried(finding))):
            return _decide(finding, Reason.ALTERED, hint="a certificate in it is not what its issuer signed")
        proof = prove(finding.stamps, finding.evidence, self._paths, self._revocations)
        return self._judge_signer(_Case(finding, certificate, proof))

    def _judge_signer(self, case: _Case) -> Judged:
        known = _dates(case)
        chain = self._paths.find_signers(case.certificate, case.finding.evidence.certificates_der, case.proof.at)
        if chain is None:
            return _decide(case.finding, Reason.ISSUER_UNKNOWN, **known)
        verdict = self._find_revocation(case, chain)
        known |= {"trusted": True, "is_test": self._paths.is_barren(chain), "revocation": verdict}
        reason, hint = next(_list_faults(case, verdict), (None, ""))
        return _decide(case.finding, reason, hint=hint, **known)

    def _find_revocation(self, case: _Case, chain: Chain) -> Verdict:
        """Of the signer, then of each authority between that only the signature knows of.

        An authority that this workstation was given counts as long as nothing says that it is revoked.
        """
        if self._paths.is_barren(chain):
            return unknown(Unknown.TEST_CARD)
        evidence, at = case.finding.evidence, case.proof.at
        verdict = self._revocations.find(case.certificate, chain, evidence, at)
        for place, authority in enumerate(chain[:-1]):
            if verdict.status is not RevocationStatus.GOOD:
                break
            above = self._revocations.find(authority, chain[place + 1 :], evidence, at)
            is_fault = above.status is RevocationStatus.REVOKED or not self._paths.is_known(authority)
            if above.status is not RevocationStatus.GOOD and is_fault:
                verdict = above
        return verdict


def _list_carried(finding: Finding) -> list[bytes]:
    """The certificates that came with a signature, each once."""
    stamping = (der for stamp in finding.stamps for der in (stamp.certificate_der, *stamp.certificates_der))
    own = () if finding.certificate_der is None else (finding.certificate_der,)
    return list(dict.fromkeys((*own, *finding.evidence.certificates_der, *stamping)))[:MAX_CARRIED]


def _list_faults(case: _Case, verdict: Verdict) -> Iterator[tuple[Reason, str]]:
    """Everything that speaks against the signer, the gravest first."""
    certificate, at = case.certificate, case.proof.at
    if not may_sign_documents(certificate):
        yield Reason.KEY_USAGE, "the certificate is not for signatures of documents"
    if not is_strong(certificate):
        yield Reason.ALGORITHM_REFUSED, "the key is too short, or of an unknown kind"
    if verdict.status is RevocationStatus.REVOKED:
        yield Reason.REVOKED, f"revoked: {verdict.reason or 'unspecified'}"
    if at > certificate.not_after:
        yield Reason.EXPIRED, "it has expired, and no time-stamp proves that the signature is older"
    if at < certificate.not_before:
        yield Reason.EXPIRED, "it was not valid yet"
    if verdict.status is RevocationStatus.UNKNOWN and verdict.reason != Unknown.TEST_CARD:
        yield Reason.REVOCATION_UNKNOWN, f"nothing is known of a revocation: {verdict.reason}"


def _dates(case: _Case) -> dict[str, Any]:
    authority = case.proof.authority
    if authority is None:
        return {}
    return {"proven_at": case.proof.at, "authority_der": authority.der}


def _decide(
    finding: Finding,
    reason: Reason | None,
    *,
    hint: str = "",
    revocation: Verdict = NOT_CHECKED,
    **known: Any,
) -> Judged:
    status = Status.VALID if reason is None else Status.INDETERMINATE if reason in OPEN else Status.INVALID
    return Judged(
        status=status,
        format=finding.format,
        level=_level(finding, proven="proven_at" in known),
        profile=finding.profile,
        reason=reason,
        hint=hint or finding.hint,
        certificate_der=finding.certificate_der,
        claimed_at=_claimed(finding.claimed_at),
        revocation=revocation,
        names=finding.names,
        **known,
    )


def _claimed(moment: datetime | None) -> datetime | None:
    """What a signer says of the time, unless no clock says so: a year that no calendar has elsewhere, or no zone."""
    is_moment = moment is not None and moment.tzinfo is not None and moment.year in YEARS
    return moment if is_moment else None


def _level(finding: Finding, *, proven: bool) -> Level | None:
    """A stamp of somebody whom nobody believes makes no level."""
    if finding.level is None or finding.level is Level.B or proven:
        return finding.level
    return Level.B
