"""What is known of a revocation at the moment that counts: what the signature brings, what is kept, then who is asked.

A good word counts when it was said at that moment or later, or was still to hold then. A revocation counts from its
date on: what was signed before it stands, when a time-stamp proves the before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from agent.certificates.revocation.addresses import read_addresses
from agent.certificates.revocation.child import check
from agent.certificates.revocation.memory import Verdicts
from agent.certificates.revocation.messages import CheckRequest
from agent.certificates.revocation.validation import TOLERANCE, AnswerError, Subject
from agent.certificates.revocation.verdict import NOT_CHECKED, Reason, Status, Verdict, unknown
from agent.signing.verification.findings import Evidence
from agent.signing.verification.messages import Trust
from agent.signing.verification.paths import Chain
from drivers.card.certificate import Certificate

MAX_ANSWERS: Final = 32
"""Answers of one signature that are looked at, of each kind."""
ALWAYS_FRESH: Final = 1.0
"""A kept answer is enough until it runs out: the watch renews those of cards."""

Judge = Callable[[bytes, datetime], Verdict]
Date = Callable[[bytes], datetime]


@dataclass
class Revocations:
    """One search for one request: nobody is asked twice about the same certificate."""

    trust: Trust
    now: datetime
    _asked: dict[bytes, Verdict] = field(default_factory=dict)

    def find(self, certificate: Certificate, chain: Chain, evidence: Evidence, at: datetime) -> Verdict:
        """What is known of a certificate under its issuers: good and revoked are both meant for that moment."""
        subject = _subject(certificate, chain)
        if subject is None:
            return unknown(Reason.UNREADABLE)
        brought = list(_judge_evidence(subject, evidence, at, self.now))
        verdict = _weigh(brought, at)
        if verdict.status is not Status.UNKNOWN:
            return verdict
        found = self._ask(certificate, chain)
        return _weigh([*brought, _limit(found, certificate)], at) if found.status is not Status.UNKNOWN else found

    def _ask(self, certificate: Certificate, chain: Chain) -> Verdict:
        if certificate.der not in self._asked:
            self._asked[certificate.der] = self._ask_once(certificate, chain)
        return self._asked[certificate.der]

    def _ask_once(self, certificate: Certificate, chain: Chain) -> Verdict:
        """Kept answers, then whoever may be asked; what is final is known already."""
        if self.trust.folder is None:
            return unknown(Reason.OFF)
        known = self._kept.find(certificate.der)
        if known.is_final:
            return known
        addresses = read_addresses(certificate)
        if not addresses:
            return unknown(Reason.NOT_PUBLISHED)
        request = CheckRequest(
            certificate=certificate.der,
            chain=[each.der for each in chain],
            ocsp=list(addresses.ocsp),
            crl=list(addresses.crl),
            hosts=list(self.trust.hosts),
            folder=self.trust.folder,
            renew_after=ALWAYS_FRESH,
        )
        return check(request, self.now)

    @cached_property
    def _kept(self) -> Verdicts:
        verdicts = Verdicts(Path(self.trust.folder or ""))
        verdicts.load()
        return verdicts


def _subject(certificate: Certificate, chain: Chain) -> Subject | None:
    try:
        return Subject(certificate.der, [each.der for each in chain])
    except (ValueError, TypeError):
        return None


def _judge_evidence(subject: Subject, evidence: Evidence, at: datetime, now: datetime) -> Iterator[Verdict]:
    yield from _judge_all(subject.judge_ocsp, subject.date_ocsp, evidence.ocsps_der, (at, now))
    yield from _judge_all(subject.judge_crl, subject.date_crl, evidence.crls_der, (at, now))


def _judge_all(
    judge: Judge, date: Date, answers_der: Iterable[bytes], moments: tuple[datetime, datetime]
) -> Iterator[Verdict]:
    """Each judged at the moment that counts, or when it was said if that is later; none from the future."""
    at, now = moments
    for der in list(dict.fromkeys(answers_der))[:MAX_ANSWERS]:
        try:
            said = date(der)
            if said <= now + TOLERANCE:
                yield judge(der, max(at, said))
        except AnswerError:
            continue


def _weigh(verdicts: Iterable[Verdict], at: datetime) -> Verdict:
    """A revocation by then outweighs every good word; one after it is a good word."""
    best = NOT_CHECKED
    for verdict in verdicts:
        if verdict.status is Status.REVOKED and (verdict.revoked_at is None or verdict.revoked_at <= at):
            return verdict
        if verdict.status is not Status.UNKNOWN:
            best = verdict
    if best.status is Status.REVOKED:
        return Verdict(Status.GOOD, best.source, best.produced_at, best.next_update)
    return best


def _limit(verdict: Verdict, certificate: Certificate) -> Verdict:
    """A list need not tell any more of a certificate that has expired (RFC 5280 §3.3): silence is no good word then."""
    said = verdict.produced_at
    if verdict.status is Status.GOOD and (said is None or said > certificate.not_after):
        return unknown(Reason.NOT_KNOWN_TO_ISSUER)
    return verdict
