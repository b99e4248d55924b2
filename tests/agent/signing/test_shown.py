"""What a person reads of documents that the agent has not seen: in the window that asks, and in the panel's journal."""

from __future__ import annotations

import hashlib

from batch_calls import FOUR, encode, manifest, put, run
from support.agent import Person, RunningAgent

from agent.people.page import Page
from agent.people.panel.access_pages import journal_line
from agent.people.prompt import PinRequest
from agent.people.translations import load_words
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page

ENGLISH, FRENCH = load_words("en"), load_words("fr")
NB, RQ = "\N{NO-BREAK SPACE}", "\N{RIGHT SINGLE QUOTATION MARK}"


def page_of(person: Person, language: str = "fr") -> Page:
    """The last question as the dialog's process has it."""
    asked = person.asked[-1]
    assert isinstance(asked, PinRequest)
    question = read_envelope(write_envelope(Envelope(asked, language))).question
    return write_page(question, load_words(language))


def texts(page: Page) -> dict[str, str]:
    return {fact.label: fact.text for fact in page.facts}


async def newest(agent: RunningAgent) -> str:
    entry = (await agent.program("GET", "/v1/journal?limit=20")).body["entries"]
    signed = next(each for each in entry if each["action"].startswith("sign"))
    return journal_line(signed, FRENCH).text


async def test_hashes_made_by_the_caller(batching: RunningAgent, person: Person) -> None:
    await batching.page("POST", "/v1/grants", {"abilities": ["sign"]})
    digest = encode(hashlib.sha256(b"x").digest())
    document = {"name": "scanner.dcm", "digest": digest, "digestAlgorithm": "sha256"}
    answer = await batching.page("POST", "/v1/signatures", {"format": "cades", "documents": [document]})
    assert answer.status == 200, answer.body
    page = page_of(person)
    assert page.heading == f"Signer avec votre carte des documents que l{RQ}agent n{RQ}a pas vus"
    assert texts(page)["Contenu"] == f"non vu ici{NB}: l{RQ}appelant a calculé lui-même les empreintes"
    assert f"signer des documents qui n{RQ}ont pas été vus ici" in await newest(batching)


async def test_a_batch(batching: RunningAgent, person: Person) -> None:
    body = manifest(FOUR)
    for document in body["documents"][:3]:
        document["packaging"] = "enveloping"
    path = "/v1/batches/" + (await batching.page("POST", "/v1/batches", body)).body["id"]
    for place, content in enumerate(list(FOUR.values())[:3]):
        assert (await put(batching, f"{path}/documents/{place}", content)).status == 204
    assert (await run(batching, path))["state"] == "done"
    page = page_of(person)
    assert page.heading == "Signer un lot de documents avec votre carte, avec un seul code"
    shown = texts(page)
    assert shown["À signer"] == f"4{NB}documents"
    assert shown["Contenu"].startswith(f"1 d{RQ}entre eux non vu ici")
    assert shown["Format"] == "CMS / CAdES-B"
    assert texts(page_of(person, "en"))["Content"] == "1 of them not seen here: the caller made its hash itself"
    assert page.session is None
    assert f"signer un lot de documents, dont certains n{RQ}ont pas été vus ici" in await newest(batching)
