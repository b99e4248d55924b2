"""Before when a signature was there, as time-stamps that are believed prove it (ETSI EN 319 102-1 §5.6.2.3).

The latest stamp must hold now; each earlier one at the time that the one after it proves. So the key of an authority
that has expired proves nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.certificates.revocation.validation import TOLERANCE
from agent.certificates.revocation.verdict import Reason, Status, Verdict
from agent.signing.verification.findings import Evidence, Stamp
from agent.signing.verification.paths import Chain, Paths
from agent.signing.verification.revocations import Revocations
from agent.signing.verification.usage import is_strong, may_stamp
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

MAX_STAMPS: Final = 32


@dataclass(frozen=True, slots=True)
class Proof:
    """`at`: the moment by which to judge; `authority`: who vouches for it, None when nobody does and it is now."""

    at: datetime
    authority: Certificate | None = None


def prove(stamps: Iterable[Stamp], evidence: Evidence, paths: Paths, revocations: Revocations) -> Proof:
    """Go back in time from stamp to stamp; one that does not hold is as good as absent."""
    proof = Proof(revocations.now)
    for stamp in sorted(stamps, key=lambda each: each.time, reverse=True)[:MAX_STAMPS]:
        if stamp.time > proof.at + TOLERANCE:
            continue
        authority = _believe(stamp, evidence, paths, (revocations, proof.at))
        if authority is not None:
            proof = Proof(min(stamp.time, proof.at), authority)
    return proof


def _believe(stamp: Stamp, evidence: Evidence, paths: Paths, when: tuple[Revocations, datetime]) -> Certificate | None:
    """The certificate of an authority that may stamp, and was good at the time of the stamp and at that moment."""
    revocations, at = when
    try:
        certificate = parse_certificate(stamp.certificate_der)
    except CardUnknownError:
        return None
    in_time = certificate.not_before <= stamp.time and at <= certificate.not_after
    if not (in_time and may_stamp(certificate) and is_strong(certificate)):
        return None
    chain = paths.find_stampers(certificate, (*stamp.certificates_der, *evidence.certificates_der), at)
    if chain is None:
        return None
    verdict = revocations.find(certificate, chain, evidence, at)
    return certificate if _is_enough(verdict, paths, chain) else None


def _is_enough(verdict: Verdict, paths: Paths, chain: Chain) -> bool:
    """Many authorities publish nothing of their stamping certificates: then whoever trusts them has to follow them."""
    silent = verdict.reason == Reason.NOT_PUBLISHED or paths.is_barren(chain)
    return verdict.status is Status.GOOD or (verdict.status is Status.UNKNOWN and silent)
