"""Signatures of uploaded files: streamed, hashed, and refused when anything is out of place."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from support.agent import PAGE, Answer, Person, RunningAgent
from support.openssl import verify_cms, write_chain

BOUNDARY = "cut-here"
CMS = {"format": "cms", "level": "B"}


def part(name: str, content: bytes, filename: str | None = None, extra: str = "") -> bytes:
    shown = f'; filename="{filename}"' if filename else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n{extra}\r\n'
    return head.encode() + content + b"\r\n"


def form(request: dict[str, Any], *files: tuple[str, bytes]) -> bytes:
    parts = [part("request", json.dumps(request).encode()), *(part("file", content, name) for name, content in files)]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


async def send(agent: RunningAgent, body: bytes, path: str = "/v1/signatures", origin: str = PAGE) -> Answer:
    headers = {"Origin": origin, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return await agent.call("POST", path, body, headers)


@pytest.mark.parametrize("detached", [True, False])
async def test_files_are_signed_in_the_order_of_the_documents(
    granted: RunningAgent, tmp_path: Path, detached: bool
) -> None:
    certificates = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    files = [("a.bin", bytes(range(256)) * 40), ("b.txt", b"said --cut-here in a line\r\n\r\n")]
    request = CMS | {"detached": detached, "documents": [{"name": name} for name, _ in files]}
    answer = await send(granted, form(request, *files))
    assert answer.status == 200, answer.body
    for (name, content), signature in zip(files, answer.body["signatures"], strict=True):
        assert signature["name"] == name
        verify_cms(tmp_path, base64.b64decode(signature["content"]), content, detached=detached)


async def test_a_file_larger_than_a_json_body_is_signed(granted: RunningAgent, tmp_path: Path) -> None:
    certificates = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    content = bytes(40 * 1024 * 1024)
    answer = await send(granted, form(CMS | {"documents": [{"name": "scan.pdf"}]}, ("scan.pdf", content)))
    assert answer.status == 200
    verify_cms(tmp_path, base64.b64decode(answer.body["signatures"][0]["content"]), content)


ONE = CMS | {"documents": [{"name": "a"}]}
BAD = {
    "no parts": b"",
    "no end": part("request", json.dumps(ONE).encode()),
    "not a form": b"hello",
    "no file": form(ONE),
    "one file too many": form(ONE, ("a", b"x"), ("b", b"y")),
    "another name": form(ONE, ("b", b"x")),
    "content in the request": form(CMS | {"documents": [{"name": "a", "content": "AAAA"}]}, ("a", b"x")),
    "raw": form({"format": "raw", "documents": [{"name": "a"}]}, ("a", b"x")),
    "unknown member": form(ONE | {"pin": "1234"}, ("a", b"x")),
    "no JSON": part("request", b"{") + f"--{BOUNDARY}--\r\n".encode(),
    "file first": part("file", b"x", "a") + form(ONE),
    "encoded": part("request", json.dumps(ONE).encode())
    + part("file", b"eA==", "a", "Content-Transfer-Encoding: base64\r\n")
    + f"--{BOUNDARY}--\r\n".encode(),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_upload_is_refused_and_asks_nobody(granted: RunningAgent, person: Person, case: str) -> None:
    answer = await send(granted, BAD[case])
    assert (answer.status, answer.code) == (400, "bad-request")
    assert person.asked == []


async def test_a_nested_upload_is_refused(granted: RunningAgent, person: Person) -> None:
    inner = part("request", b"x", extra="Content-Type: multipart/mixed; boundary=inner\r\n")
    assert (await send(granted, inner + f"--{BOUNDARY}--\r\n".encode())).code == "bad-request"
    assert person.asked == []


async def test_a_file_that_the_signature_is_to_hold_has_the_cap_of_json(granted: RunningAgent) -> None:
    request = ONE | {"detached": False}
    assert (await send(granted, form(request, ("a", bytes(17 * 1024 * 1024))))).code == "body-too-large"


async def test_attack_an_ungranted_page_posts_a_form(agent: RunningAgent, person: Person) -> None:
    assert (await send(agent, form(ONE, ("a", b"x")))).code == "grant-required"
    assert (await send(agent, form(ONE, ("a", b"x")), origin="null")).code == "origin-refused"
    assert person.asked == []


async def test_other_routes_take_no_uploads(granted: RunningAgent) -> None:
    assert (await send(granted, form(ONE, ("a", b"x")), "/v1/pin/verify")).code == "unsupported-media"
