"""Every level the whole way: a certificate whose revocation is published, a served authority, the API, and others' verdict."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, RunningAgent, running_agent
from support.certomancer import Pki
from support.openssl import verify_cms, write_pem
from support.pdf import pages, pdfsig, write_pdf

from drivers.virtual.pki import dump_key

TEXT = "Certificat médical\r\n".encode()
DOCUMENTS = {
    "cades": ("a.txt", TEXT),
    "pades": ("a.pdf", write_pdf(pages(1))),
    "xades": ("a.xml", b"<certificat>apte</certificat>"),
    "asic-e": ("a.txt", TEXT),
}
LEVELS = [("cades", "LT"), ("cades", "LTA"), ("pades", "LT"), ("pades", "LTA"), ("xades", "LT"), ("asic-e", "LT")]


@pytest.fixture
async def cabinet(folder: Path, person: Person, pki: Pki) -> AsyncIterator[RunningAgent]:
    """An agent that keeps such a certificate, and asks whom it may."""
    terms = {
        "test_authorities": pki.authorities,
        "revocation_hosts": (pki.host,),
        "timestamp_url": pki.url("tsa/tsa"),
        "timestamp_authorities": (pki.root,),
        "timestamp_hosts": (pki.host,),
        "software_keys": "passphrase",
    }
    async with running_agent(folder, person, **terms) as agent:
        yield agent


async def take_in(agent: RunningAgent, pki: Pki) -> str:
    """Import the key with its certificate. Gives its number."""
    pem = dump_key(pki.key) + ssl.DER_cert_to_PEM_cert(pki.der("good")).encode()
    (added,) = await agent.ask(lambda client: client.import_certificate("signature.pem", pem))
    return str(added["cardNumber"])


async def sign(agent: RunningAgent, number: str, **members: Any) -> bytes:
    name, content = DOCUMENTS[members["format"]]
    document = {"name": name, "content": base64.b64encode(content).decode()}
    answer = await agent.program("POST", "/v1/signatures", {"documents": [document], "cardNumber": number, **members})
    assert answer.status == 200, answer.body
    return base64.b64decode(answer.body["signatures"][0]["content"])


async def verify(agent: RunningAgent, signed: bytes, detached: bytes | None) -> list[dict[str, Any]]:
    document = {"name": "signed", "content": base64.b64encode(signed).decode()}
    if detached is not None:
        document["detachedContent"] = base64.b64encode(detached).decode()
    answer = await agent.program("POST", "/v1/verifications", {"documents": [document]})
    assert answer.status == 200, answer.body
    return list(answer.body["documents"][0]["signatures"])


def alter(format_name: str, signed: bytes) -> bytes:
    """The first byte of what the document says, changed."""
    place = signed.index(b"apte") if format_name == "xades" else len(signed) // 100
    return signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]


async def test_levels_with_evidence(cabinet: RunningAgent, pki: Pki, tmp_path: Path) -> None:
    number = await take_in(cabinet, pki)
    write_pem(tmp_path / "root.pem", pki.der("root"))
    for format_name, level in LEVELS:
        signed = await sign(cabinet, number, format=format_name, level=level)
        detached = TEXT if format_name == "cades" else None
        (found,) = await verify(cabinet, signed, detached)
        told = (found["valid"], found["format"], found["level"], found["revocation"]["status"])
        assert told == (True, format_name, level, "good"), found
        assert found["provenAt"]
        altered = await verify(cabinet, alter(format_name, signed), detached)
        assert not any(signature["valid"] for signature in altered), (format_name, level, altered)
        if format_name == "cades":
            verify_cms(tmp_path, signed, TEXT)
        if format_name == "pades":
            assert pdfsig(tmp_path, signed)[0].is_valid
