"""How a certificate stands, from what is in memory: its dates, its chain, and what is known of its revocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from agent.access.clock import Clock, utc_now
from agent.certificates.chains import Chains
from agent.certificates.revocation.verdict import NOT_CHECKED, Reason, Status, Verdict, unknown
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

EXPIRING: Final = timedelta(days=60)


class StateName(StrEnum):
    """The words of the API."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CertificateState:
    """A state. `since`: the date of a revocation or of validity that it follows from, or of the answer that told it.

    `reason`: of a revocation, or why nothing is known of one; `revocation` tells the rest.
    """

    name: StateName
    since: datetime | None = None
    reason: str | None = None
    revocation: Verdict = NOT_CHECKED


class CertificateStates:
    """States, found at once. `verdict_of`: what is known of a certificate's revocation, by its DER.

    Without `revocation` nobody is asked, and dates and chain decide alone.
    """

    def __init__(
        self,
        chains: Chains,
        verdict_of: Callable[[bytes], Verdict],
        *,
        revocation: bool = True,
        clock: Clock = utc_now,
    ) -> None:
        self._chains = chains
        self._verdict_of = verdict_of
        self._revocation = revocation
        self._clock = clock

    def find(self, certificate_der: bytes) -> CertificateState:
        """How a certificate stands now. Asks nobody and waits for nothing."""
        try:
            certificate = parse_certificate(certificate_der)
        except CardUnknownError:
            return CertificateState(StateName.UNKNOWN, None, Reason.UNREADABLE, unknown(Reason.UNREADABLE))
        return self.judge(certificate, self._chains.find(certificate))

    def judge(self, certificate: Certificate, chain_der: tuple[bytes, ...] | None) -> CertificateState:
        """The same, for whoever has the chain at hand."""
        now = self._clock()
        return judge(certificate, self._known(certificate, chain_der).at(now), now)

    def is_revoked(self, certificate_der: bytes) -> bool:
        """Whether it is known to be revoked; what is not known is no reason to refuse anything."""
        return self._verdict_of(certificate_der).status is Status.REVOKED

    def _known(self, certificate: Certificate, chain_der: tuple[bytes, ...] | None) -> Verdict:
        """A revocation that was found once stays; without a chain there is nobody to believe anything else of."""
        verdict = self._verdict_of(certificate.der)
        if verdict.status is Status.REVOKED:
            return verdict
        if chain_der is None:
            return unknown(Reason.ISSUER_UNKNOWN)
        if not self._revocation:
            return unknown(Reason.OFF)
        return unknown(Reason.TEST_CARD) if self._chains.is_of_test_root(chain_der) else verdict


UNTROUBLED: Final = frozenset({Reason.OFF, Reason.TEST_CARD})
"""Nothing is known of a revocation because nobody wants to, or can: the certificate stands as it is."""


def judge(certificate: Certificate, verdict: Verdict, now: datetime) -> CertificateState:
    """Weigh what is known, the gravest first."""
    if verdict.status is Status.REVOKED:
        return CertificateState(StateName.REVOKED, verdict.revoked_at, verdict.reason, verdict)
    if now > certificate.not_after:
        return CertificateState(StateName.EXPIRED, certificate.not_after, verdict.reason, verdict)
    if now < certificate.not_before:
        return CertificateState(StateName.NOT_YET_VALID, None, verdict.reason, verdict)
    expires_soon = now > certificate.not_after - EXPIRING
    if verdict.reason == Reason.ISSUER_UNKNOWN or not (expires_soon or _is_enough(verdict)):
        return CertificateState(StateName.UNKNOWN, verdict.produced_at, verdict.reason, verdict)
    if expires_soon:
        return CertificateState(StateName.EXPIRING, certificate.not_after - EXPIRING, verdict.reason, verdict)
    return CertificateState(StateName.VALID, verdict.produced_at or certificate.not_before, verdict.reason, verdict)


def _is_enough(verdict: Verdict) -> bool:
    return verdict.status is Status.GOOD or verdict.reason in UNTROUBLED
