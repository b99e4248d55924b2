"""CAdES the whole way: a page's call, the person's code, the card, a served authority; OpenSSL's verdict and the agent's."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from batch_calls import FOUR, make, start, wait_over
from support.agent import Person, RunningAgent, running_agent
from support.certomancer import Pki
from support.cms_files import SIGNATURE_STAMP, Parts, verify_stamp
from support.openssl import verify_cms
from support.signing_keys import SigningKey

from agent.people.prompt import PinRequest
from agent.signing import cms
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.words import Format, Level, Packaging
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card

CONTENT = "Certificat de décès : é\r\n".encode() * 30


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
async def desk(folder: Path, person: Person, pki: Pki) -> AsyncIterator[RunningAgent]:
    card = open_card(folder)
    stamps = {"timestamp_url": pki.url("tsa/tsa"), "timestamp_authorities": (pki.root,), "timestamp_hosts": (pki.host,)}
    async with running_agent(folder, person, VirtualReaders([card]), **stamps) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["identity", "sign"]})
        yield agent
    card.close()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def sign(desk: RunningAgent, **members: Any) -> bytes:
    document = {"name": "certificat.txt", "content": b64(CONTENT)}
    answer = await desk.page("POST", "/v1/signatures", {"format": "cades", "documents": [document], **members})
    assert answer.status == 200, answer.body
    (signature,) = answer.body["signatures"]
    return base64.b64decode(signature["content"])


async def verify(desk: RunningAgent, signature: bytes, detached: bytes) -> dict[str, Any]:
    document = {"name": "certificat.p7s", "content": b64(signature), "detachedContent": b64(detached)}
    answer = await desk.page("POST", "/v1/verifications", {"documents": [document]})
    assert answer.status == 200, answer.body
    return dict(answer.body["documents"][0]["signatures"][0])


async def test_a_card_signs_with_a_time_stamp(desk: RunningAgent, pki: Pki, person: Person, tmp_path: Path) -> None:
    policy = {"identifier": "urn:oid:1.2.250.1.213.1.9", "digest": b64(bytes(32))}
    signature = await sign(desk, level="T", policy=policy, claimedRole="Médecin régulateur")
    assert person.asked[-1].format == "CAdES-T"  # type: ignore[union-attr]
    SigningKey.of_card(desk.folder).write_chain(tmp_path)
    assert "1.2.250.1.213.1.9" in verify_cms(tmp_path, signature, CONTENT)
    parts = Parts(signature)
    verify_stamp(pki, tmp_path, parts.token(SIGNATURE_STAMP), parts.value)
    found = await verify(desk, signature, CONTENT)
    assert (found["valid"], found["format"], found["level"]) == (True, "cades", "T"), found
    altered = await verify(desk, signature, CONTENT + b" ")
    assert (altered["valid"], altered["reason"]) == (False, "altered")


async def test_a_test_card_has_no_evidence(desk: RunningAgent, person: Person) -> None:
    document = {"name": "certificat.txt", "content": b64(CONTENT)}
    answer = await desk.page("POST", "/v1/signatures", {"format": "cades", "level": "LTA", "documents": [document]})
    assert (answer.status, answer.code) == (502, "evidence-missing")
    assert "not revoked" in answer.body["hint"]
    assert not any(isinstance(asked, PinRequest) for asked in person.asked)


async def test_a_batch_without_evidence_stands_still_before_the_code(desk: RunningAgent, person: Person) -> None:
    await desk.page("POST", "/v1/grants", {"abilities": ["batch"]})
    path = await make(desk, FOUR, level="LT")
    assert (await start(desk, path)).status == 202
    body = await wait_over(desk, path)
    assert (body["state"], body["problem"]["code"], body["left"]) == ("paused", "evidence-missing", 4)
    assert not any(isinstance(asked, PinRequest) for asked in person.asked)


async def test_an_authority_that_fails(desk: RunningAgent, pki: Pki) -> None:
    document = {"name": "certificat.txt", "content": b64(CONTENT)}
    with pki.mood("tsa/tsa", "nonsense"):
        answer = await desk.page("POST", "/v1/signatures", {"format": "cades", "level": "T", "documents": [document]})
    assert (answer.status, answer.code) == (502, "timestamp-failed")
    assert "cannot be read" in answer.body["hint"]


@pytest.mark.parametrize("level", ["T", "LT", "LTA"])
async def test_what_another_workstation_signed_is_judged_here(
    folder: Path, pki: Pki, published_key: SigningKey, outside: Outside, level: str
) -> None:
    terms = SignatureTerms(Format.CADES, Level(level), Packaging.DETACHED)
    made = cms.prepare([Document.of("certificat.txt", CONTENT)], terms, published_key.signer(), outside)
    (signature,) = await asyncio.to_thread(published_key.complete_all, made)
    trust = {"test_authorities": pki.authorities, "timestamp_authorities": (pki.root,)}
    async with running_agent(folder, Person(), revocation_hosts=(pki.host,), **trust) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["identity"]})
        found = await verify(agent, signature, CONTENT)
    assert (found["valid"], found["level"], found.get("reason")) == (True, level, None), found
    assert found["provenAt"]
