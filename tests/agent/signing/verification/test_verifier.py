"""The child that verifies: one for each request, and whatever stops it is told of the document that did."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from io import BytesIO

import pytest

from agent.api.problems import find_problem
from agent.certificates.chains import Chains
from agent.signing.errors import VerifierBusyError
from agent.signing.preparation import Outside
from agent.signing.verification.messages import DocumentReason
from agent.signing.verification.verifier import MOST_ADMITTED, Held, Question, Verifier

STOPPED = {
    "ends at once": "",
    "is killed": "import os; os.kill(os.getpid(), 9)",
    "answers rubbish": "import sys; sys.stdin.buffer.read(); sys.stdout.write('no frame at all')",
    "announces too much": "import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(bytes([255] * 64))",
    "answers about others": """
import sys; sys.stdin.buffer.read()
answer = b'{"type":"Verified","documents":[{"name":"z"}]}'
sys.stdout.buffer.write(len(answer).to_bytes(4, "big") + answer)""",
    "never answers": "import sys, time; sys.stdin.buffer.read(); time.sleep(600)",
}


def question(name: str = "a", content: bytes = b"hello") -> Question:
    return Question(name, Held(BytesIO(content), len(content)))


def verifier(program: str | None = None) -> Verifier:
    command = None if program is None else [sys.executable, "-c", program]
    return Verifier(Chains(), Outside(), command)


@pytest.mark.parametrize("case", STOPPED)
async def test_a_child_that_stops_costs_its_document(case: str) -> None:
    stopped = verifier(STOPPED[case])
    stopped.timeout_s = 0.5 if case == "never answers" else 30
    (judged,) = await stopped.verify([question()])
    assert (judged.name, judged.reason, judged.signatures) == ("a", DocumentReason.UNREADABLE, ())


async def test_of_several_documents_only_the_one_at_fault_is_unreadable() -> None:
    program = """
import sys
from agent.signing.messages import receive, write_message
from agent.signing.verification.child import verify
from agent.signing.verification.messages import Verify
from datetime import datetime, UTC
request, blobs = receive(sys.stdin.buffer, Verify)
if b"bomb" in blobs:
    sys.exit(1)
sys.stdout.buffer.write(b"".join(write_message(verify(request, blobs, datetime.now(UTC)))))
"""
    judged = await verifier(program).verify([question("a"), question("b", b"bomb"), question("c")])
    assert [(each.name, each.reason) for each in judged] == [
        ("a", DocumentReason.NO_SIGNATURE),
        ("b", DocumentReason.UNREADABLE),
        ("c", DocumentReason.NO_SIGNATURE),
    ]


async def test_the_child_itself_answers() -> None:
    (judged,) = await verifier().verify([question()])
    assert judged.reason is DocumentReason.NO_SIGNATURE


def test_documents_are_taken_in_a_few_at_a_time() -> None:
    """Sixty requests at once would otherwise have the agent hold sixty times 16 MB."""
    busy = verifier()
    with ExitStack() as stack:
        for _ in range(MOST_ADMITTED):
            stack.enter_context(busy.admit())
        with pytest.raises(VerifierBusyError) as refused, busy.admit():
            pass
        assert find_problem(refused.value).code == "too-many-requests"
    with busy.admit():
        pass
