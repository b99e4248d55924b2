"""POST /v1/verifications: who may call, what is read, and what is told of documents."""

from __future__ import annotations

import base64
import json
from typing import Any

from support.agent import PAGE, Answer, Person, RunningAgent

ROUTE = "/v1/verifications"
BOUNDARY = "cut-here"


def document(content: bytes = b"hello", name: str = "a.txt", **members: Any) -> dict[str, Any]:
    return {"name": name, "content": base64.b64encode(content).decode(), **members}


def form(request: dict[str, Any], *files: tuple[str, bytes]) -> bytes:
    parts = [("request", json.dumps(request).encode()), *files]
    head = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n'
    return b"".join(head.format(BOUNDARY, name).encode() + content + b"\r\n" for name, content in parts) + (
        f"--{BOUNDARY}--\r\n".encode()
    )


async def send(agent: RunningAgent, body: bytes) -> Answer:
    headers = {"Origin": PAGE, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await agent.call("POST", ROUTE, body, headers)


async def test_a_document_without_a_signature_is_said_to_have_none(granted: RunningAgent, person: Person) -> None:
    answer = await granted.page("POST", ROUTE, {"documents": [document()]})
    assert answer.status == 200, answer.body
    (told,) = answer.body["documents"]
    assert (told["name"], told["signatures"], told["reason"]) == ("a.txt", [], "no-signature")
    assert told["sentence"]
    assert told["sentenceFr"]
    assert person.asked == []


async def test_any_grant_may_verify_and_a_program_of_this_user_too(agent: RunningAgent, person: Person) -> None:
    body = {"documents": [document()]}
    assert (await agent.page("POST", ROUTE, body)).code == "grant-required"
    assert (await agent.page("POST", "/v1/grants", {"abilities": ["events"]})).status == 201
    assert (await agent.page("POST", ROUTE, body)).status == 200
    assert (await agent.program("POST", ROUTE, body)).status == 200
    assert len(person.asked) == 1


async def test_damaged_documents_have_a_reason(granted: RunningAgent) -> None:
    """In one call: none of them keeps the others from being told."""
    starts = (b"%PDF-1.7\n", b"PK\x03\x04", b"<", b"\x30\x82\xff\xff", b"{", b"eyJh.e.", b"")
    documents = [document(start + bytes(range(256)) * 8) for start in starts]
    answer = await granted.page("POST", ROUTE, {"documents": documents})
    assert answer.status == 200
    for told in answer.body["documents"]:
        assert not any(signature["valid"] for signature in told["signatures"])
        assert told["signatures"] or told["reason"] in ("no-signature", "unreadable")


BAD = {
    "no documents": {"documents": []},
    "no content": {"documents": [{"name": "a"}]},
    "a code": {"documents": [document(pin="1234")]},
    "no anchor": {"documents": [document()], "anchors": [base64.b64encode(b"nobody").decode()]},
    "no base64": {"documents": [document() | {"content": "%%%"}]},
}


async def test_a_wrong_call_is_refused(granted: RunningAgent) -> None:
    for case, body in BAD.items():
        answer = await granted.page("POST", ROUTE, body)
        assert (answer.status, answer.code) == (400, "bad-request"), case


async def test_large_files_are_uploaded_with_what_they_sign(granted: RunningAgent) -> None:
    request = {"documents": [{"name": "a"}, {"name": "b"}]}
    files = (("file", bytes(20_000_000)), ("detachedContent", b"x"), ("file", b"y"))
    answer = await send(granted, form(request, *files))
    assert answer.status == 200, answer.body
    assert [(each["name"], each["reason"]) for each in answer.body["documents"]] == [
        ("a", "no-signature"),
        ("b", "no-signature"),
    ]


ONE = {"documents": [{"name": "a"}]}
BAD_FORMS = {
    "no file": form(ONE),
    "one file too many": form(ONE, ("file", b"x"), ("file", b"y")),
    "detached first": form(ONE, ("detachedContent", b"x"), ("file", b"y")),
    "detached twice": form(ONE, ("file", b"x"), ("detachedContent", b"x"), ("detachedContent", b"y")),
    "content in the request": form({"documents": [document()]}, ("file", b"x")),
    "nothing": b"",
}


async def test_a_wrong_upload_is_refused(granted: RunningAgent) -> None:
    for case, body in BAD_FORMS.items():
        answer = await send(granted, body)
        assert (answer.status, answer.code) == (400, "bad-request"), case
