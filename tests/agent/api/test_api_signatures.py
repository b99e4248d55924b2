"""What a call for signatures may ask, what is refused before anybody types a code, and what the person is told."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import PAGE, Person, RunningAgent, running_agent
from support.openssl import openssl, verify_cms, write_chain, write_pem

from agent.people.prompt import Action, PinRequest

CONTENT = "Compte rendu : éàç\r\n".encode() * 50
ONE: list[dict[str, Any]] = [{"name": "a.txt", "content": base64.b64encode(CONTENT).decode()}]
HASHED = [
    {
        "name": "a.txt",
        "digest": base64.b64encode(hashlib.sha256(CONTENT).digest()).decode(),
        "digestAlgorithm": "sha256",
    }
]


@pytest.fixture
async def cps4(folder: Path, person: Person) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, virtual=True, virtual_kind=("cps4",)) as agent:
        await agent.page("POST", "/v1/grants", {"abilities": ["sign", "identity"]})
        person.asked.clear()
        yield agent


EARLY = {
    "PS256 of a CPS3": ({"format": "cms", "scheme": "PS256", "documents": ONE}, 422, "not-supported"),
    "no authority": ({"format": "cades", "level": "T", "documents": ONE}, 422, "timestamp-unset"),
    "hash to hold": ({"format": "cms", "packaging": "enveloping", "documents": HASHED}, 400, "bad-request"),
    "hash and content": ({"format": "cms", "documents": [ONE[0] | HASHED[0]]}, 400, "bad-request"),
    "SHA-1": ({"format": "cms", "documents": [HASHED[0] | {"digestAlgorithm": "sha1"}]}, 400, "bad-request"),
    "two packagings": ({"format": "cms", "packaging": "enveloping", "detached": True, "documents": ONE}, 400, "bad-request"),
    "no such packaging": ({"format": "cms", "packaging": "enveloped", "documents": ONE}, 400, "bad-request"),
    "an option of PDF": ({"format": "cms", "location": "Lyon", "documents": ONE}, 400, "bad-request"),
    "control characters": ({"format": "cms", "reason": "a\nb", "documents": ONE}, 400, "bad-request"),
    "a level of raw": ({"format": "raw", "level": "B", "documents": HASHED}, 400, "bad-request"),
    "a URI for raw": ({"format": "raw", "documents": [HASHED[0] | {"uri": "urn:a"}]}, 400, "bad-request"),
    "a URI for CMS": ({"format": "cms", "documents": [ONE[0] | {"uri": "urn:a"}]}, 400, "bad-request"),
    "a role of raw": ({"format": "raw", "claimedRole": "Médecin", "documents": HASHED}, 400, "bad-request"),
    "raw around a document": ({"format": "raw", "packaging": "enveloping", "documents": HASHED}, 400, "bad-request"),
}  # fmt: skip


@pytest.mark.parametrize("name", EARLY)
async def test_what_cannot_be_signed_is_refused_before_a_code_is_asked(
    granted: RunningAgent, person: Person, name: str
) -> None:
    body, status, code = EARLY[name]
    answer = await granted.page("POST", "/v1/signatures", body)
    assert (answer.status, answer.code) == (status, code), answer.body
    assert person.asked == []


async def test_a_hash_by_the_caller_is_called_that(granted: RunningAgent, person: Person, tmp_path: Path) -> None:
    certificates = (await granted.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    answer = await granted.page("POST", "/v1/signatures", {"format": "cades", "documents": HASHED})
    assert answer.status == 200, answer.body
    verify_cms(tmp_path, base64.b64decode(answer.body["signatures"][0]["content"]), CONTENT)
    (asked,) = person.asked
    assert isinstance(asked, PinRequest)
    assert (asked.action, asked.format, asked.sizes) == (Action.SIGN_DIGESTS, "CAdES-B", ())
    entry = (await granted.program("GET", "/v1/journal")).body["entries"][0]
    assert (entry["action"], entry["caller"], entry["subject"]) == ("sign-digests", PAGE, "a.txt")


async def test_pss_where_the_card_can(cps4: RunningAgent, tmp_path: Path) -> None:
    certificates = (await cps4.page("GET", "/v1/certificates")).body["certificates"]
    write_chain(tmp_path, certificates[0])
    body = {"format": "cms", "scheme": "PS256", "documents": ONE}
    answer = await cps4.page("POST", "/v1/signatures", body)
    assert answer.status == 200, answer.body
    words = verify_cms(tmp_path, base64.b64decode(answer.body["signatures"][0]["content"]), CONTENT)
    assert "rsassaPss" in words


async def test_raw_pss_where_the_card_can(cps4: RunningAgent, tmp_path: Path) -> None:
    answer = await cps4.program("POST", "/v1/signatures", {"format": "raw", "scheme": "PS256", "documents": HASHED})
    assert answer.status == 200, answer.body
    (signature,) = answer.body["signatures"]
    write_pem(tmp_path / "cert.pem", base64.b64decode(signature["certificate"]))
    (tmp_path / "sig").write_bytes(base64.b64decode(signature["content"]))
    (tmp_path / "content").write_bytes(CONTENT)
    openssl(tmp_path, "x509", "-in", "cert.pem", "-noout", "-pubkey", "-out", "pub")
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
    openssl(tmp_path, "dgst", "-sha256", *pss, "-verify", "pub", "-signature", "sig", "content")
