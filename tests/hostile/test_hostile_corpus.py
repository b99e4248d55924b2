"""Every file of the corpus, read as the agent reads it: what must happen happens, quickly, and nothing is valid."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent, running_agent

from agent.certificates.chains import Authorities
from agent.signing.signeddata import SignatureFaultError
from agent.signing.tokens import read_stamp
from agent.signing.verification.child import verify
from agent.signing.verification.messages import Head, Trust, Verify
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card
from hostile.corpus import FILES, INDEX, ROOT, Entry, read_index

ENTRIES = read_index()
SLOW_S = 5.0
KINDS = ("document", "recipe", "stamp", "call")


def of_kind(*kinds: str) -> list[Entry]:
    return [entry for entry in ENTRIES if entry.kind in kinds]


def outcomes(entry: Entry) -> set[str]:
    """The words for what the agent finds: a status, a reason of the document, or of each signature."""
    root = ROOT.read_bytes()
    trust = Trust(Authorities((root,), (), (root,)))
    beside = entry.read_beside()
    blobs = [entry.read(), *([] if beside is None else [beside])]
    request = Verify(documents=(Head(entry.name, beside is not None),), trust=trust)
    (judged,) = verify(request, blobs, datetime.now(UTC)).documents
    if not judged.signatures:
        return {str(judged.reason)}
    return {str(each.reason or "valid") for each in judged.signatures}


@pytest.mark.parametrize("entry", of_kind("document", "recipe"), ids=lambda entry: entry.name)
def test_a_document_is_what_the_index_says(entry: Entry) -> None:
    started = time.process_time()
    found = outcomes(entry)
    assert time.process_time() - started < SLOW_S
    if entry.expected == "refused":
        assert "valid" not in found
    else:
        assert found <= entry.outcomes, found


@pytest.mark.parametrize("entry", of_kind("stamp"), ids=lambda entry: entry.name)
def test_a_time_stamp_is_what_the_index_says(entry: Entry) -> None:
    try:
        read_stamp(entry.read(), b"corpus")
        found = "valid"
    except SignatureFaultError as error:
        found = str(error.reason)
    assert found in entry.outcomes


def test_the_index_tells_of_every_file_and_of_sixty_at_least() -> None:
    named = [entry.name for entry in ENTRIES]
    assert sorted(named) == sorted(path.name for path in FILES.iterdir())
    assert len(named) == len(set(named))
    assert sum(entry.expected != "valid" for entry in ENTRIES) >= 60
    assert all(entry.kind in KINDS and entry.line for entry in ENTRIES)
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 2_000_000
    assert INDEX.stat().st_size < 100_000


@pytest.fixture
async def agent(folder: Path, person: Person) -> AsyncIterator[RunningAgent]:
    card = open_card(folder)
    async with running_agent(folder, person, VirtualReaders([card])) as running:
        answer = await running.page("POST", "/v1/grants", {"abilities": ["identity", "sign"]})
        assert answer.status == 201
        person.asked.clear()
        yield running
    card.close()


@pytest.fixture
def person() -> Person:
    return Person()


async def test_calls_are_refused_with_a_code_and_nobody_is_asked(agent: RunningAgent, person: Person) -> None:
    for entry in of_kind("call"):
        route, _, body = entry.read().partition(b"\n")
        answer = await agent.page("POST", route.decode(), body)
        assert answer.code in entry.outcomes, (entry.name, answer.body)
    assert person.asked == []


async def test_the_running_agent_answers_for_all_documents(agent: RunningAgent) -> None:
    """In one call, as many as one takes: none stops the child, and none is valid under the agent's own authorities."""
    entries = [entry for entry in of_kind("document") if len(entry.read()) < 100_000]
    for start in range(0, len(entries), 50):
        documents = [
            {"name": entry.name, "content": base64.b64encode(entry.read()).decode()}
            for entry in entries[start : start + 50]
        ]
        answer = await agent.page("POST", "/v1/verifications", {"documents": documents})
        assert answer.status == 200
        assert len(answer.body["documents"]) == len(documents)
        assert not any(each["valid"] for told in answer.body["documents"] for each in told["signatures"])
        assert all(told["signatures"] or told["reason"] for told in answer.body["documents"])
