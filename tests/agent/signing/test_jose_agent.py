"""JWS and JAdES the whole way: a page's call, the person's code, the card's key, and another program's verdict."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, RunningAgent, running_agent
from support.jose import Verifier, header_of, run_verifier

from agent.signing.verification.jose import read_signatures
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

TEXT = b"Ordonnance\n"
HASH = hashlib.sha256(TEXT).digest()


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with run_verifier() as running:
        yield running


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
async def agent(folder: Path, person: Person) -> AsyncIterator[RunningAgent]:
    card = open_card(folder)
    async with running_agent(folder, person, VirtualReaders([card])) as running:
        yield running
    card.close()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def sign(agent: RunningAgent, document: dict[str, Any], **body: Any) -> bytes:
    answer = await agent.program(
        "POST", "/v1/signatures", body | {"documents": [{"name": "ordonnance.txt"} | document]}
    )
    assert answer.status == 200, answer.body
    (signature,) = answer.body["signatures"]
    json = body.get("serialization") == "json"
    assert signature["mediaType"] == ("application/jose+json" if json else "application/jose")
    return base64.b64decode(signature["content"])


async def test_a_card_signs_them(agent: RunningAgent, person: Person, verifier: Verifier) -> None:
    content = {"content": b64(TEXT), "mediaType": "text/plain"}
    compact = await sign(agent, content, format="jws")
    assert person.asked[-1].format == "JWS"
    assert verifier.verify(compact)[1] == TEXT
    flattened = await sign(agent, content, format="jades", serialization="json", claimedRole="Médecin")
    header, payload = verifier.verify(flattened)
    assert payload == TEXT
    assert header["srAts"]["claimed"][0]["qVals"] == ["Médecin"]
    assert [finding.reason for each in (compact, flattened) for finding in read_signatures(each, None)] == [None, None]
    issuers = {each["certificate"]: each["chain"] for each in await agent.ask(lambda client: client.certificates())}
    leaf, *intermediates = header["x5c"]
    assert issuers[leaf][: len(intermediates)] == intermediates
    assert person.asked[-1].format == "JAdES-B"


async def test_a_hash_made_by_the_caller_is_signed_and_shown_as_such(
    agent: RunningAgent, person: Person, verifier: Verifier
) -> None:
    document = {"digest": b64(HASH), "digestAlgorithm": "sha256"}
    signature = await sign(agent, document, format="jades", packaging="detached")
    verifier.verify(signature, b"", ["sigD"])
    assert header_of(signature)["sigD"]["pars"] == ["ordonnance.txt"]
    assert [finding.reason for finding in read_signatures(signature, TEXT)] == [None]
    (entry,) = await agent.ask(lambda client: client.journal(1))
    assert entry["action"] == "sign-digests"


@pytest.mark.parametrize(
    "body",
    [
        {"format": "jws", "reason": "x"},
        {"format": "jws", "level": "T"},
        {"format": "jws", "packaging": "enveloped"},
        {"format": "jws", "policy": {"identifier": "1.2.3", "digest": b64(HASH)}},
        {"format": "jades", "level": "LTA"},
        {"format": "jades", "location": "x"},
        {"format": "jades", "serialization": "general"},
    ],
)
async def test_what_does_not_fit_asks_nobody(agent: RunningAgent, person: Person, body: dict[str, Any]) -> None:
    documents = {"documents": [{"name": "a", "content": b64(TEXT)}]}
    assert (await agent.program("POST", "/v1/grants", {"abilities": ["sign"]})).status == 201
    person.asked.clear()
    answer = await agent.program("POST", "/v1/signatures", body | documents)
    assert (answer.status, answer.code) == (400, "bad-request")
    assert person.asked == []
