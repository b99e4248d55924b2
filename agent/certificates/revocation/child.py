"""The child `_revocation`: one question on its input, one answer on its output, then it ends."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.certificates.revocation.addresses import Addresses
from agent.certificates.revocation.answers import AnswerFiles
from agent.certificates.revocation.asking import Desk, list_questions
from agent.certificates.revocation.messages import MAX_REQUEST, CheckRequest, read_request, write_verdict
from agent.certificates.revocation.validation import AnswerError, Subject
from agent.certificates.revocation.verdict import Verdict, unknown
from agent.fetching import Fetcher
from agent.people.hardening import confine

LIFE_S: Final = 90
"""Longer than the agent waits; ends a child whose agent is gone."""
MEMORY: Final = 2 * 1024**3
NICE: Final = 10


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
    desk = Desk(Fetcher(frozenset(request.hosts)), AnswerFiles(Path(request.folder)), request.renew_after)
    addresses = Addresses(tuple(request.ocsp), tuple(request.crl))
    try:
        return desk.ask(list_questions(subject, addresses, request.chain[0]), now).verdict
    except AnswerError as error:
        return unknown(error.reason)


def _limit_self() -> None:
    """Take what a check needs, and stand back behind whatever the person is doing."""
    confine(MEMORY, LIFE_S, LIFE_S)
    if sys.platform != "win32":
        os.nice(NICE)
