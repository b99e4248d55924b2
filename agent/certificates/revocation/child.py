"""The child `_revocation`: one question on its input, one answer on its output, then it ends.

OCSP comes first, then CRLs. What it fetches comes only from the hosts of the question; what it keeps, it judges anew
each time.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.certificates.revocation.answers import MAX_ANSWER, AnswerFiles
from agent.certificates.revocation.messages import MAX_REQUEST, CheckRequest, read_request, write_verdict
from agent.certificates.revocation.validation import AnswerError, Subject
from agent.certificates.revocation.verdict import Reason, Verdict, merge, unknown
from agent.fetching import AnswerTooLargeError, Fetcher, FetchError, HostRefusedError, Request

FETCH_S: Final = 10.0
LIFE_S: Final = 90.0
"""Longer than the agent waits; ends a child whose agent is gone."""
MAX_OCSP: Final = 64 * 1024
MEMORY: Final = 2 * 1024**3
NICE: Final = 10

TELLING: Final = tuple(Reason)
"""Of several reasons the last of these is told."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to one address, and who judges the answer; `asked`: what that is kept by."""

    request: Request
    asked: tuple[bytes, ...]
    judge: Callable[[bytes, datetime], Verdict]
    renew_after: float


def main() -> int:
    """Answer the question on the standard input. Gives the exit code."""
    _limit_self()
    request = read_request(sys.stdin.buffer.read(MAX_REQUEST + 1))
    verdict = check(request, datetime.now(UTC))
    sys.stdout.buffer.write(write_verdict(verdict))
    sys.stdout.buffer.flush()
    return 0


def check(request: CheckRequest, now: datetime) -> Verdict:
    """What can be learned of the certificate now. Raises ValueError for a certificate that is none."""
    subject = Subject(request.certificate, request.chain)
    fetcher, files = Fetcher(frozenset(request.hosts)), AnswerFiles(Path(request.folder))
    reasons: list[Reason] = []
    for question in _list_questions(request, subject):
        try:
            return _ask(question, fetcher, files, now)
        except AnswerError as error:
            reasons.append(error.reason)
    return unknown(max(reasons, key=TELLING.index, default=Reason.NOT_PUBLISHED))


def _list_questions(request: CheckRequest, subject: Subject) -> Iterator[Question]:
    for url in request.ocsp:
        body, headers = subject.ocsp_request(), (("Content-Type", "application/ocsp-request"),)
        post = Request(url, "POST", headers, body, max_size=MAX_OCSP, timeout_s=FETCH_S)
        yield Question(post, (url.encode(), body), subject.judge_ocsp, request.renew_after)
    for url in request.crl:
        get = Request(url, max_size=MAX_ANSWER, timeout_s=FETCH_S)
        yield Question(get, (url.encode(), *request.chain[:1]), subject.judge_crl, request.renew_after)


def _ask(question: Question, fetcher: Fetcher, files: AnswerFiles, now: datetime) -> Verdict:
    """Use the kept answer while it is fresh, else fetch; it serves until it runs out. Raises AnswerError."""
    kept = _judge_kept(question, files, now)
    if kept is not None and (kept.is_final or now < (kept.renew_at(question.renew_after) or now)):
        return kept
    try:
        answer = _fetch(question.request, fetcher)
        verdict = question.judge(answer, now)
    except AnswerError:
        if kept is None:
            raise
        return kept
    if kept is not None and merge(kept, verdict, now) is kept:
        return kept  # an old answer played back
    files.save(answer, *question.asked)
    return verdict


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


def _judge_kept(question: Question, files: AnswerFiles, now: datetime) -> Verdict | None:
    """What a kept answer says now; one that is damaged goes."""
    content = files.load(*question.asked)
    if content is None:
        return None
    try:
        return question.judge(content, now)
    except AnswerError as error:
        if error.reason is not Reason.STALE:
            files.drop(*question.asked)
        return None


def _limit_self() -> None:
    """Take what a check needs, and stand back behind whatever the person is doing."""
    from agent.people.hardening import forbid_core_dumps  # noqa: PLC0415

    forbid_core_dumps()
    killer = threading.Timer(LIFE_S, os._exit, (1,))
    killer.daemon = True
    killer.start()
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - Unix

        os.nice(NICE)
        resource.setrlimit(resource.RLIMIT_CPU, (int(LIFE_S), int(LIFE_S)))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
