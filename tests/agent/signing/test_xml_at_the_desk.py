"""XML signatures all the way: a page, the agent, a card, and a program that is not ours."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person, RunningAgent, running_agent
from support.certomancer import Pki
from support.signing_keys import SigningKey
from support.xadesjs import run_xades_verifier
from support.xmlsec import xmlsec_accepts

from drivers.virtual.kinds import CPS4, open_card_of_kind
from drivers.virtual.link import VirtualReaders

XML = b'<?xml version="1.0"?><?xml-stylesheet href="cda.xsl"?><a xmlns="urn:hl7-org:v3"><b Id="c">d</b></a>'


@pytest.fixture(scope="module")
def desk_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def cards(desk_folder: Path) -> Iterator[VirtualReaders]:
    made = [open_card_of_kind(desk_folder, kind) for kind in ("cps3", "cps4")]
    yield VirtualReaders(made)
    for card in made:
        card.close()


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
async def desk(desk_folder: Path, cards: VirtualReaders, person: Person, pki: Pki) -> AsyncIterator[RunningAgent]:
    SigningKey.of_card(desk_folder).write_chain(desk_folder)
    cards._stopped = False
    stamps = {"timestamp_url": pki.url("tsa/tsa"), "timestamp_authorities": (pki.root,)}
    async with running_agent(desk_folder, person, cards, **stamps) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["identity", "sign"]})
        person.asked.clear()
        yield agent


async def sign(desk: RunningAgent, content: bytes = XML, **members: Any) -> list[dict[str, Any]]:
    document = {"name": "a.xml", "content": base64.b64encode(content).decode()}
    body = {"format": "xmldsig", "cardNumber": "99900001", "documents": [document], **members}
    answer = await desk.page("POST", "/v1/signatures", body)
    assert answer.status == 200, answer.body
    return list(answer.body["signatures"])


def content_of(signature: dict[str, Any]) -> bytes:
    return base64.b64decode(signature["content"])


@pytest.mark.parametrize("format_", ["xmldsig", "xades"])
@pytest.mark.parametrize("packaging", ["enveloped", "enveloping", "detached"])
async def test_a_card_signs_for_a_page(desk: RunningAgent, packaging: str, format_: str, tmp_path: Path) -> None:
    SigningKey.of_card(desk.folder).write_chain(tmp_path)
    (tmp_path / "a.xml").write_bytes(XML)
    (signature,) = await sign(desk, format=format_, packaging=packaging)
    assert xmlsec_accepts(tmp_path, content_of(signature))


async def test_a_card_signs_several_documents_in_one_container(
    desk: RunningAgent, person: Person, tmp_path: Path
) -> None:
    SigningKey.of_card(desk.folder).write_chain(tmp_path)
    documents = [{"name": f"{name}.pdf", "content": "JVBERi0="} for name in "ab"]
    (signature,) = await sign(desk, format="asic-e", documents=documents)
    assert (signature["name"], len(person.asked)) == ("a.asice", 1)
    with zipfile.ZipFile(io.BytesIO(content_of(signature))) as archive:
        archive.extractall(tmp_path)
    assert xmlsec_accepts(tmp_path, (tmp_path / "META-INF" / "signatures001.xml").read_bytes())
    (tmp_path / "b.pdf").write_bytes(b"%PDF+")
    assert not xmlsec_accepts(tmp_path, (tmp_path / "META-INF" / "signatures001.xml").read_bytes())


async def test_a_signature_is_stamped(desk: RunningAgent, tmp_path: Path) -> None:
    SigningKey.of_card(desk.folder).write_chain(tmp_path)
    (signature,) = await sign(desk, format="xades", level="T")
    assert b"<xades:EncapsulatedTimeStamp" in content_of(signature)
    assert xmlsec_accepts(tmp_path, content_of(signature))


async def test_a_hostile_document_is_refused_before_the_person_is_asked(desk: RunningAgent, person: Person) -> None:
    content = base64.b64encode(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>").decode()
    body = {"format": "xmldsig", "documents": [{"name": "a.xml", "content": content}]}
    answer = await desk.page("POST", "/v1/signatures", body)
    assert (answer.status, answer.code, answer.body["document"]) == (422, "document-refused", "a.xml")
    assert person.asked == []


async def test_a_card_that_can_signs_with_pss(desk: RunningAgent) -> None:
    content = XML.replace(b'<?xml-stylesheet href="cda.xsl"?>', b"")  # xadesjs looks at the root alone
    (signature,) = await sign(desk, content, format="xades", scheme="PS256", cardNumber=CPS4.serial)
    assert b"xmldsig-more#sha256-rsa-MGF1" in content_of(signature)
    with run_xades_verifier() as xadesjs:
        assert xadesjs.verify(content_of(signature))
        assert xadesjs.refuses(content_of(signature).replace(b">d<", b">e<"))
