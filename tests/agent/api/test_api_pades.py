"""PDF files signed through the API with the card, and checked by poppler."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from support.agent import Person, RunningAgent
from support.pdf import ORDONNANCE, pages, pdfsig, qpdf, read_text, stream, write_pdf

HOSTILE = write_pdf(pages() | {1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [] /XFA () >> >>"})


def body(*contents: bytes, **options: Any) -> dict[str, Any]:
    documents = [
        {"name": f"{number}.pdf", "content": base64.b64encode(content).decode()}
        for number, content in enumerate(contents, 1)
    ]
    return {"format": "pades", "documents": documents, **options}


async def trusted(agent: RunningAgent) -> list[bytes]:
    certificates = (await agent.page("GET", "/v1/certificates")).body["certificates"]
    return [base64.b64decode(der) for der in certificates[0]["chain"]]


async def test_files_are_signed_with_one_code(granted: RunningAgent, person: Person, tmp_path: Path) -> None:
    roots = await trusted(granted)
    large = write_pdf(pages(3) | {30: stream(bytes(range(256)) * 20_000)})
    assert len(large) > 5_000_000
    options = {"reason": "Accord", "appearance": {"page": 1, "x": 350, "y": 700}}
    answer = await granted.page("POST", "/v1/signatures", body(ORDONNANCE, large, **options))
    assert answer.status == 200, answer.body
    assert len(person.asked) == 1
    for original, signature in zip((ORDONNANCE, large), answer.body["signatures"], strict=True):
        signed = base64.b64decode(signature["content"])
        assert signed.startswith(original)
        (found,) = pdfsig(tmp_path, signed, roots)
        assert (found.is_valid, found.is_trusted, found.is_total) == (True, True, True)
        qpdf(tmp_path, signed)
    assert "Signé par CAMILLE VIRTUEL, médecin Le " in read_text(tmp_path, signed)


async def test_what_is_altered_is_valid_no_more_here_and_elsewhere(granted: RunningAgent, tmp_path: Path) -> None:
    answer = await granted.page("POST", "/v1/signatures", body(ORDONNANCE))
    signed = base64.b64decode(answer.body["signatures"][0]["content"])
    for content, is_valid in ((signed, True), (signed.replace(b"(Ordonnance)", b"(Ordonnancf)"), False)):
        (found,) = pdfsig(tmp_path, content)
        assert found.is_valid is is_valid
        told = await verify(granted, content)
        assert (told["valid"], told["format"], told.get("reason")) == (
            is_valid,
            "pades",
            None if is_valid else "altered",
        )
    assert told["level"] is None


async def verify(agent: RunningAgent, content: bytes) -> dict[str, Any]:
    documents = [{"name": "a.pdf", "content": base64.b64encode(content).decode()}]
    answer = await agent.page("POST", "/v1/verifications", {"documents": documents})
    assert answer.status == 200, answer.body
    (told,) = answer.body["documents"]
    (signature,) = told["signatures"]
    return dict(signature)


async def test_a_refused_file_is_named_and_asks_nobody(granted: RunningAgent, person: Person) -> None:
    answer = await granted.page("POST", "/v1/signatures", body(ORDONNANCE, HOSTILE))
    assert (answer.status, answer.code) == (422, "document-refused"), answer.body
    assert answer.body["document"] == "2.pdf"
    assert "XFA" in answer.body["hint"]
    assert person.asked == []


async def test_a_box_beside_the_page_is_refused(granted: RunningAgent, person: Person) -> None:
    answer = await granted.page("POST", "/v1/signatures", body(ORDONNANCE, appearance={"page": 9}))
    assert (answer.status, answer.code) == (400, "bad-request"), answer.body
    assert (answer.body["document"], person.asked) == ("1.pdf", [])
