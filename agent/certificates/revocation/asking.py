"""Ask about one certificate: OCSP first, then CRLs. What comes is from allowed hosts; what is kept is judged each time.

For child processes alone: answers of others are parsed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agent.certificates.revocation.addresses import Addresses
from agent.certificates.revocation.answers import MAX_ANSWER, AnswerFiles
from agent.certificates.revocation.validation import AnswerError, Subject
from agent.certificates.revocation.verdict import RENEW_AFTER, Reason, Source, Verdict, merge
from agent.fetching import AnswerTooLargeError, Fetcher, FetchError, HostRefusedError, Request

FETCH_S: Final = 10.0
MAX_OCSP: Final = 64 * 1024

TELLING: Final = tuple(Reason)
"""Of several reasons the last of these is told."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to one address, and who judges the answer; `asked`: what that is kept by."""

    request: Request
    asked: tuple[bytes, ...]
    judge: Callable[[bytes, datetime], Verdict]


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer says, and the answer itself: a DER OCSP response or CRL, as `verdict.source` tells."""

    verdict: Verdict
    content: bytes

    @property
    def is_list(self) -> bool:
        """Whether it is a CRL."""
        return self.verdict.source is Source.CRL


def list_questions(subject: Subject, addresses: Addresses, issuer_der: bytes) -> Iterator[Question]:
    """What to ask, in order."""
    for url in addresses.ocsp:
        body, headers = subject.ocsp_request(), (("Content-Type", "application/ocsp-request"),)
        post = Request(url, "POST", headers, body, max_size=MAX_OCSP, timeout_s=FETCH_S)
        yield Question(post, (url.encode(), body), subject.judge_ocsp)
    for url in addresses.crl:
        get = Request(url, max_size=MAX_ANSWER, timeout_s=FETCH_S)
        yield Question(get, (url.encode(), issuer_der), subject.judge_crl)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where it is asked. `renew_after`: the part of its time after which a kept answer is not enough."""

    fetcher: Fetcher
    files: AnswerFiles
    renew_after: float = RENEW_AFTER

    def ask(self, questions: Iterable[Question], now: datetime) -> Answered:
        """The first answer that says anything. Raises AnswerError with the reason that tells most."""
        reasons: list[Reason] = []
        for question in questions:
            try:
                return self._ask(question, now)
            except AnswerError as error:
                reasons.append(error.reason)
        raise AnswerError(max(reasons, key=TELLING.index, default=Reason.NOT_PUBLISHED))

    def _ask(self, question: Question, now: datetime) -> Answered:
        """Use the kept answer while it is fresh, else fetch; it serves until it runs out. Raises AnswerError."""
        kept = self._judge_kept(question, now)
        if kept is not None and self._is_enough(kept.verdict, now):
            return kept
        try:
            content = _fetch(question.request, self.fetcher)
            verdict = question.judge(content, now)
        except AnswerError:
            if kept is None:
                raise
            return kept
        if kept is not None and merge(kept.verdict, verdict, now) is kept.verdict:
            return kept  # an old answer played back
        self.files.save(content, *question.asked)
        return Answered(verdict, content)

    def _is_enough(self, verdict: Verdict, now: datetime) -> bool:
        return verdict.is_final or now < (verdict.renew_at(self.renew_after) or now)

    def _judge_kept(self, question: Question, now: datetime) -> Answered | None:
        """What a kept answer says now; one that is damaged goes."""
        content = self.files.load(*question.asked)
        if content is None:
            return None
        try:
            return Answered(question.judge(content, now), content)
        except AnswerError as error:
            if error.reason is not Reason.STALE:
                self.files.drop(*question.asked)
            return None


def _fetch(request: Request, fetcher: Fetcher) -> bytes:
    try:
        response = fetcher.fetch(request)
    except HostRefusedError as error:
        raise AnswerError(Reason.HOST_NOT_ALLOWED) from error
    except AnswerTooLargeError as error:
        raise AnswerError(Reason.TOO_LARGE) from error
    except FetchError as error:
        raise AnswerError(Reason.OFFLINE) from error
    if response.status != 200:
        raise AnswerError(Reason.OFFLINE)  # a redirection too: it is not followed
    return response.body
