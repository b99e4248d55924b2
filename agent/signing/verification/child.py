"""The child `_verification`: one request on its input, one answer on its output, then it ends.

It reads files that anybody may have made, in a process of its own: what crashes a parser, or makes it endless, costs
this process alone.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from agent.people.hardening import confine
from agent.signing.messages import receive, write_message
from agent.signing.verification.detection import find_family, unwrap
from agent.signing.verification.findings import Finding, UnreadableError
from agent.signing.verification.judging import Court
from agent.signing.verification.messages import DocumentJudged, DocumentReason, Head, Verified, Verify
from agent.signing.verification.readers import load_reader

LIFE_S: Final = 120
"""Longer than the agent waits; ends a child whose agent is gone."""
CPU_S: Final = 60
MEMORY: Final = 1024**3
MAX_SIGNATURES: Final = 100
MAX_HINT: Final = 500
log = logging.getLogger(__name__)


def main() -> int:
    """Answer the request on the standard input. Gives the exit code."""
    confine(MEMORY, CPU_S, LIFE_S)
    received = receive(sys.stdin.buffer, Verify)
    if received is None:
        return 1
    for piece in write_message(verify(*received, datetime.now(UTC))):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return 0


def verify(request: Verify, blobs: Sequence[bytes], now: datetime) -> Verified:
    """Read and judge every document."""
    court, left = Court(request.trust, now), iter(blobs)
    return Verified(documents=tuple(_verify_one(court, head, left) for head in request.documents))


def _verify_one(court: Court, head: Head, blobs: Iterator[bytes]) -> DocumentJudged:
    content, detached = next(blobs), next(blobs) if head.has_detached else None
    try:
        findings = read(content, detached)
        judged = tuple(map(court.judge, findings))
    except UnreadableError as error:
        return DocumentJudged(name=head.name, reason=DocumentReason.UNREADABLE, hint=str(error)[:MAX_HINT])
    except Exception as error:  # noqa: BLE001 - the edge: libraries meet documents that nobody foresaw
        log.warning("a document cannot be read: %s", type(error).__name__)
        return DocumentJudged(name=head.name, reason=DocumentReason.UNREADABLE, hint=type(error).__name__)
    return DocumentJudged(name=head.name, signatures=judged, reason=None if judged else DocumentReason.NO_SIGNATURE)


def read(content: bytes, detached: bytes | None) -> list[Finding]:
    """Every signature of a file; none for one that is of no family. Raises UnreadableError."""
    family = find_family(content)
    if family is None:
        return []
    findings = load_reader(family).read_signatures(unwrap(content), detached)
    if len(findings) > MAX_SIGNATURES:
        raise UnreadableError(f"more than {MAX_SIGNATURES} signatures")
    return findings
