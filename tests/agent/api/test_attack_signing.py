"""Attacks on what a person signs: unseen, without a grant, in somebody else's words, with another key, over and over."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import PAGE, DeskPresence, Person, RunningAgent, running_agent
from support.openssl import verify_cms, write_chain

from agent.people.prompt import PinRequest, StatementSummary
from agent.signing.workshop import Job
from drivers.base import KeyRole
from drivers.virtual.link import VirtualReaders

OTHER = "https://other.example"
POLICY = {"identifier": "1.2.250.1.1.1", "digest": base64.b64encode(bytes(32)).decode()}
PDF_MEMBERS = ("reason", "location", "field", "appearance")


def document(name: str = "a.txt", content: bytes = b"text", **members: Any) -> dict[str, Any]:
    return {"name": name, "content": base64.b64encode(content).decode(), **members}


def cades(*documents: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"format": "cades", "documents": documents or (document(),), **members}


@pytest.fixture
async def agent(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    """An agent that offers no PIN sessions: nothing is asked but once for each use."""
    async with running_agent(folder, person, readers) as running:
        yield running


async def test_attack_a_page_signs_in_a_capacity_that_nobody_is_shown(granted: RunningAgent, person: Person) -> None:
    body = cades(claimedRole="Directeur\u202e de l\u2019hôpital", policy=POLICY)
    assert (await granted.page("POST", "/v1/signatures", body)).status == 200
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert asked.statement == StatementSummary("Directeur\u202e de l\u2019hôpital", POLICY["identifier"])


async def test_attack_a_kept_code_signs_in_a_capacity_that_nobody_is_shown(
    folder: Path, readers: VirtualReaders
) -> None:
    """What binds the person as more than themselves is asked each time, whatever else was let go."""
    person = Person(session=True)
    async with running_agent(folder, person, readers, DeskPresence()) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["sign"]})
        person.asked.clear()
        calls: list[dict[str, Any]] = [{}, {}, {"claimedRole": "Directeur"}, {"policy": POLICY}, {}]
        asked = []
        for members in calls:
            assert (await agent.page("POST", "/v1/signatures", cades(**members))).status == 200
            asked.append(len(person.asked))
    assert asked == [1, 1, 2, 3, 3]
    assert [each.session_minutes is None for each in person.asked] == [False, True, True]  # type: ignore[union-attr]


async def test_attack_a_page_reaches_for_what_it_may_not_have(granted: RunningAgent, person: Person) -> None:
    """Raw signatures, another site's grant, members that are not there: nobody is asked."""
    raw = {"format": "raw", "documents": [{"name": "a", "digest": POLICY["digest"], "digestAlgorithm": "sha256"}]}
    calls = [
        (raw, PAGE),
        (cades(), OTHER.replace("https", "http")),
        (cades(role="authentication"), PAGE),
        (cades(key="CPS_PRIV_AUT"), PAGE),
        (cades(certificate="AAAA"), PAGE),
        (cades(timestampUrl="http://127.0.0.1/"), PAGE),
        (cades(hosts=["127.0.0.1"]), PAGE),
        (cades(document(path="/etc/passwd")), PAGE),
        (cades(pin="1234"), PAGE),
        (cades(count=1), PAGE),
    ]
    for body, origin in calls:
        answer = await granted.page("POST", "/v1/signatures", body, origin)
        assert answer.status in (400, 403), body
    assert person.asked == []


async def test_attack_a_signature_is_of_no_other_key_than_that_for_signatures(
    granted: RunningAgent, tmp_path: Path
) -> None:
    listed = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    keys = {each["role"]: each["certificate"] for each in listed}
    for kind in ("cades", "jws", "xmldsig"):
        body = {"format": kind, "documents": [document("a.xml", b"<a/>")], "packaging": "enveloping"}
        (signature,) = (await granted.page("POST", "/v1/signatures", body)).body["signatures"]
        assert signature["certificate"] == keys[KeyRole.SIGNATURE] != keys[KeyRole.AUTHENTICATION]
        assert keys[KeyRole.AUTHENTICATION].encode() not in base64.b64decode(signature["content"])


async def test_attack_the_grant_goes_while_the_worker_is_busy(
    granted: RunningAgent, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that takes its time gives nobody the time to sign what is no longer granted."""
    prepare = Job.prepare

    async def slowly(self: Job, *arguments: Any) -> Any:
        made = await prepare(self, *arguments)
        for grant in (await granted.program("GET", "/v1/grants")).body["grants"]:
            await granted.program("DELETE", f"/v1/grants/{grant['id']}")
        return made

    monkeypatch.setattr(Job, "prepare", slowly)
    answer = await granted.page("POST", "/v1/signatures", cades())
    assert (answer.status, answer.code) == (403, "grant-required")
    assert len(person.asked) == 1


async def test_attack_documents_change_under_way(granted: RunningAgent, person: Person, tmp_path: Path) -> None:
    """Two pages at once, many documents: each gets what it sent, and the person was shown exactly that."""
    await granted.page("POST", "/v1/grants", {"abilities": ["sign"]}, OTHER)
    person.asked.clear()
    write_chain(tmp_path, (await granted.page("GET", "/v1/certificates")).body["certificates"][0])
    sent = {
        origin: [document(f"{number}.txt", f"{origin}{number}".encode()) for number in range(5)]
        for origin in (PAGE, OTHER)
    }
    answers = await asyncio.gather(
        *(granted.page("POST", "/v1/signatures", cades(*documents), origin) for origin, documents in sent.items())
    )
    for (origin, documents), answer in zip(sent.items(), answers, strict=True):
        assert answer.status == 200
        for number, (signature, own) in enumerate(zip(answer.body["signatures"], documents, strict=True)):
            assert signature["name"] == own["name"]
            verify_cms(tmp_path, base64.b64decode(signature["content"]), f"{origin}{number}".encode())
    shown = {
        asked.asker.caller: (asked.subjects, asked.sizes) for asked in person.asked if isinstance(asked, PinRequest)
    }
    assert shown == {
        origin: (tuple(each["name"] for each in documents), (len(origin) + 1,) * 5)
        for origin, documents in sent.items()
    }


NAMES = [
    "\u202efdp.exe",
    "a\x00b",
    "a\r\nX-Header: y",
    "../" * 20,
    "x" * 255,
    "<b>&amp;\"'",
    "\U0001f4a9" * 60,
    " ",
    "%s%n{0}",
]


async def test_attack_names(granted: RunningAgent, person: Person) -> None:
    """Whatever a document is called: signed under that name, or refused before anybody is asked; never anything else."""
    for name in NAMES:
        person.asked.clear()
        answer = await granted.page("POST", "/v1/signatures", {"format": "asic-e", "documents": [document(name)]})
        if answer.status == 200:
            assert [asked.subjects for asked in person.asked] == [(name,)]  # type: ignore[union-attr]
        else:
            assert (answer.status, answer.code) in ((400, "bad-request"), (422, "document-refused")), name
            assert person.asked == []
    assert (await granted.page("GET", "/v1/status")).status == 200


BOMBS = {
    "xades": b"<a>" * 100_000,
    "xmldsig": b"<!DOCTYPE a [<!ENTITY b '" + b"c" * 1000 + b"'>]><a>" + b"&b;" * 100_000 + b"</a>",
    "pades": b"%PDF-1.7\n1 0 obj\n" + b"[" * 200_000,
}


async def test_attack_documents_that_exhaust_a_parser_cost_their_call_alone(
    granted: RunningAgent, person: Person
) -> None:
    bombs = [
        asyncio.create_task(
            granted.page("POST", "/v1/signatures", {"format": kind, "documents": [document("bomb", content)]})
        )
        for kind, content in BOMBS.items()
    ]
    assert (await granted.page("POST", "/v1/signatures", cades())).status == 200
    assert [(await bomb).code for bomb in bombs] == ["document-refused"] * len(BOMBS)
    assert len(person.asked) == 1
