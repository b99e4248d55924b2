"""Evidence that no certificate of a signature is revoked: OCSP responses and CRLs, kept ones while they are fresh.

Asked for every certificate below a root: the signer's, the time-stamp authorities', and those of their issuers. The
certificate of an OCSP responder is left to the answer itself, which carries it (RFC 6960 §4.2.2.2.1).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.certificates.revocation.addresses import read_addresses
from agent.certificates.revocation.answers import AnswerFiles
from agent.certificates.revocation.asking import Answered, Desk, list_questions
from agent.certificates.revocation.validation import AnswerError, Subject
from agent.certificates.revocation.verdict import Reason, Status
from agent.fetching import Fetcher
from agent.signing.authorities import find_authority_chain
from agent.signing.errors import EvidenceError, RevokedError
from agent.signing.preparation import Outside
from agent.signing.signeddata import SignatureFaultError
from agent.signing.tokens import read_own_token
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

KEEP_S: Final = 60.0
"""How long one process takes an answer as judged: a batch asks about the same certificates each time."""
MAX_KEPT: Final = 16
SENTENCES: Final = {
    Reason.NOT_PUBLISHED: "its authority publishes nothing about revocation",
    Reason.HOST_NOT_ALLOWED: "the settings (revocation_hosts) allow none of its hosts, or it is a test card",
    Reason.OFFLINE: "nobody answered",
    Reason.NOT_KNOWN_TO_ISSUER: "its authority does not know it",
    Reason.STALE: "the answer has run out",
    Reason.TOO_LARGE: "the answer is larger than is read",
}


@dataclass(frozen=True, slots=True)
class EvidenceSet:
    """What goes into a signature, each DER once: certificates up to the roots, CRLs, OCSP responses."""

    certificates_der: tuple[bytes, ...] = ()
    crls_der: tuple[bytes, ...] = ()
    ocsps_der: tuple[bytes, ...] = ()


def gather_evidence(
    certificate_der: bytes, chain_der: Sequence[bytes], outside: Outside, extra_tokens: Iterable[bytes] = ()
) -> EvidenceSet:
    """Evidence for a signer and for those who stamped. Raises EvidenceError, RevokedError among them.

    `chain_der`: the signer's issuers up to the root. `extra_tokens`: DER of time-stamp tokens that were checked.
    """
    paths = [(certificate_der, *chain_der), *(_find_path(token, outside) for token in extra_tokens)]
    desk = Desk(Fetcher(frozenset(outside.hosts)), AnswerFiles(Path(outside.folder or "")))
    answers = [_prove(subject, issuers, desk) for path in paths for subject, issuers in _below_root(path)]
    return EvidenceSet(
        tuple(dict.fromkeys(der for path in paths for der in path)),
        tuple(dict.fromkeys(answer.content for answer in answers if answer.is_list)),
        tuple(dict.fromkeys(answer.content for answer in answers if not answer.is_list)),
    )


def _find_path(token_der: bytes, outside: Outside) -> tuple[bytes, ...]:
    """The certificates of a token's signer, up to the root."""
    try:
        token = read_own_token(token_der)
    except SignatureFaultError as error:
        raise EvidenceError(f"a time-stamp does not hold: {error}") from error
    chain = find_authority_chain(token, outside)
    if chain is None:
        raise EvidenceError("the signer of a time-stamp is not vouched for by timestamp_authorities")
    return token.certificate_der, *chain


def _below_root(path: Sequence[bytes]) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Each certificate but the root, with its issuers. Raises EvidenceError when there is no root."""
    if len(path) < 2:
        raise EvidenceError("no root is known for the signer's certificate")
    for place in range(len(path) - 1):
        yield path[place], tuple(path[place + 1 :])


@dataclass(frozen=True, slots=True)
class _Kept:
    at: float
    answer: Answered


_kept: dict[tuple[bytes, ...], _Kept] = {}


def _prove(subject_der: bytes, issuers_der: tuple[bytes, ...], desk: Desk) -> Answered:
    """A good answer about one certificate. Raises EvidenceError."""
    key, now = (subject_der, *issuers_der), time.monotonic()
    known = _kept.get(key)
    if known is not None and now - known.at < KEEP_S:
        return known.answer
    answer = _ask(subject_der, issuers_der, desk)
    while len(_kept) >= MAX_KEPT:
        del _kept[next(iter(_kept))]
    _kept[key] = _Kept(now, answer)
    return answer


def _ask(subject_der: bytes, issuers_der: tuple[bytes, ...], desk: Desk) -> Answered:
    subject, certificate = _parse(subject_der, issuers_der)
    name = certificate.subject.rfc4514()[:100]
    try:
        answer = desk.ask(list_questions(subject, read_addresses(certificate), issuers_der[0]), datetime.now(UTC))
    except AnswerError as error:
        why = SENTENCES.get(error.reason, f"no answer could be believed ({error.reason})")
        raise EvidenceError(f"nothing proves that the certificate of {name} is not revoked: {why}") from error
    if answer.verdict.status is not Status.GOOD:
        raise RevokedError(f"the certificate of {name} is revoked since {answer.verdict.revoked_at}")
    return answer


def _parse(subject_der: bytes, issuers_der: tuple[bytes, ...]) -> tuple[Subject, Certificate]:
    try:
        return Subject(subject_der, issuers_der), parse_certificate(subject_der)
    except (CardUnknownError, ValueError) as error:
        raise EvidenceError("a certificate of the chain cannot be read") from error
