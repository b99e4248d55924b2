"""POST /v1/verifications of a running agent that believes a served PKI: time-stamps, revocation, and who may ask whom."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Answer, Person, RunningAgent, running_agent
from support.certomancer import Pki
from support.pdf import pages, write_pdf
from support.signing_keys import SigningKey

from agent.signing import xades
from agent.signing.documents import Document
from agent.signing.kinds import load_kind
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.words import RULES, Format, Level, Packaging

ROUTE = "/v1/verifications"
XML = b"<a>texte</a>"


@pytest.fixture
async def agent(folder: Path, person: Person, pki: Pki) -> AsyncIterator[RunningAgent]:
    trusted = {
        "test_authorities": pki.authorities,
        "timestamp_authorities": (pki.root,),
        "revocation_hosts": (pki.host,),
    }
    async with running_agent(folder, person, **trusted) as running:
        assert (await running.page("POST", "/v1/grants", {"abilities": ["events"]})).status == 201
        person.asked.clear()
        yield running


async def sign(key: SigningKey, outside: Outside, level: Level) -> bytes:
    """In a thread: pyHanko's coroutines are run to their end there, as in a worker."""
    return await asyncio.to_thread(_sign, key, outside, level)


def _sign(key: SigningKey, outside: Outside, level: Level) -> bytes:
    terms = SignatureTerms(Format.XADES, level, Packaging.ENVELOPED)
    (signature,) = key.complete_all(xades.prepare([Document.of("a.xml", XML)], terms, key.signer(), outside))
    return signature


def body(signed: bytes | list[bytes], *anchors: bytes) -> dict[str, Any]:
    contents = [signed] if isinstance(signed, bytes) else signed
    documents = [{"name": "a.xml", "content": base64.b64encode(each).decode()} for each in contents]
    return {"documents": documents, "anchors": [base64.b64encode(anchor).decode() for anchor in anchors]}


def every(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer.body
    return [dict(signature) for document in answer.body["documents"] for signature in document["signatures"]]


def only(answer: Answer) -> dict[str, Any]:
    (signature,) = every(answer)
    return signature


LEVELS = (Level.B, Level.T, Level.LT)


async def test_levels_with_revocation_and_time(
    agent: RunningAgent, person: Person, pki: Pki, published_key: SigningKey, outside: Outside
) -> None:
    revoked = SigningKey(pki.key, pki.der("revoked"), published_key.chain_der)
    signed = [await sign(published_key, outside, level) for level in LEVELS]
    *found, late = every(await agent.page("POST", ROUTE, body([*signed, await sign(revoked, outside, Level.B)])))
    for level, told in zip(LEVELS, found, strict=True):
        assert (told["valid"], told["status"], told["level"]) == (True, "valid", str(level)), told
        assert told["revocation"]["status"] == "good"
        assert told["signer"]["name"] == "Médecin CAMILLE ESSAI"
        assert told["signer"]["trusted"]
        assert told["timestampAuthority"] == (None if level is Level.B else "HORODATAGE CERTOMANCER")
        assert (told["provenAt"] is None) == (level is Level.B)
        assert "CAMILLE ESSAI" in told["sentence"]
        assert "selon l\N{RIGHT SINGLE QUOTATION MARK}horodatage" in told["sentenceFr"] or level is Level.B
    assert (late["status"], late["reason"]) == ("invalid", "certificate-revoked")
    assert late["revocation"]["revokedAt"] == "2025-01-02T03:04:05Z"
    assert person.asked == []


async def test_for_a_page_with_anchors_of_its_own_nobody_is_asked(
    agent: RunningAgent, pki: Pki, outside: Outside, published_key: SigningKey
) -> None:
    """A certificate of its own under its own root could otherwise make the agent call any path of an allowed host."""
    call = body(await sign(published_key, outside, Level.B), pki.der("root"))
    told = only(await agent.page("POST", ROUTE, call))
    assert (told["status"], told["reason"]) == ("indeterminate", "revocation-unknown")
    assert only(await agent.program("POST", ROUTE, call))["valid"]
    stranger = only(
        await agent.program("POST", ROUTE, body(await sign(published_key, outside, Level.LT), pki.der("stranger")))
    )
    assert (stranger["reason"], stranger["signer"]["trusted"]) == ("issuer-unknown", False)


SHAPES = [(kind, packaging) for kind, rules in RULES.items() if rules.levels for packaging in rules.packagings]


async def test_every_format_in_every_packaging_in_one_call(folder: Path, person: Person) -> None:
    """As the agent makes them with the card of this data folder, whole and altered."""
    key = SigningKey.of_card(folder)
    signed = [await asyncio.to_thread(_sign_as, key, kind, packaging) for kind, packaging in SHAPES]
    altered = [
        each[: len(each) // 2] + bytes([each[len(each) // 2] ^ 1]) + each[len(each) // 2 + 1 :] for each in signed
    ]
    documents = [
        {"name": kind, "content": _text(content)}
        | ({"detachedContent": _text(source_of(kind))} if packaging is Packaging.DETACHED else {})
        for content, (kind, packaging) in zip([*signed, *altered], SHAPES * 2, strict=True)
    ]
    async with running_agent(folder, person) as running:
        answer = await running.program("POST", ROUTE, {"documents": documents})
    whole, damaged = answer.body["documents"][: len(SHAPES)], answer.body["documents"][len(SHAPES) :]
    for (kind, packaging), told in zip(SHAPES, whole, strict=True):
        (signature,) = told["signatures"]
        assert signature["valid"], (kind, packaging, signature)
        assert signature["format"] == ("cades" if kind is Format.CMS else kind)
        assert signature["signer"]["kind"] == "CPS"
        assert signature["signer"]["test"]
    assert not any(signature["valid"] for told in damaged for signature in told["signatures"])


def source_of(kind: Format) -> bytes:
    return write_pdf(pages()) if kind is Format.PADES else XML


def _sign_as(key: SigningKey, kind: Format, packaging: Packaging) -> bytes:
    terms, document = SignatureTerms(kind, Level.B, packaging), Document.of("a.xml", source_of(kind))
    (signature,) = key.complete_all(load_kind(str(kind)).prepare([document], terms, key.signer(), Outside()))
    return signature


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
