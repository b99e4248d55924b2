"""Assertions on the way: a program's own message reaches the service with a signed VIHF, and is otherwise what it was."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from support.agent import RunningAgent
from support.gateway import Asked, Gateway, open_gateway
from support.insi_service import fault
from support.openssl import write_chain
from support.soap_service import FaultError
from support.xmlsec_profiles import accepts

from agent.people.prompt import Action, PinRequest, PromptRefusedError
from drivers.virtual.link import VirtualReaders

SOAP = "http://www.w3.org/2003/05/soap-envelope"
MESSAGE = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a b="é"/></s:Body></s:Envelope>'.encode()
VIHF = {
    "mode": "direct",
    "structure": {"id": "499700002712005"},
    "patient": {"ins": "207058575627097", "kind": "test"},
}
XML = {"Content-Type": "application/soap+xml; charset=utf-8"}
MTOM = {
    "Content-Type": 'multipart/related; boundary="uuid:a"; type="application/xop+xml"; start="<root@x>"; '
    'start-info="application/soap+xml"'
}
ROOT = (
    b'Content-Type: application/xop+xml; type="application/soap+xml"\r\nContent-ID: <root@x>\r\nContent-Length: %d\r\n'
)
SERVICES = """assertion = "vihf"
[services.insi-essai]
title = "INSi"
url = "https://localhost:1"
assertion = "insi"
[services.nothing]
title = "Rien"
url = "https://localhost:1"
"""


def asking(body: Any = VIHF) -> dict[str, str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"CPS-Agent-Assertion": base64.b64encode(content).decode()}


def mtom(root: bytes, attachment: bytes) -> bytes:
    head = b"--uuid:a\r\n" + ROOT % len(root) + b"\r\n" + root
    return head + b"\r\n--uuid:a\r\nContent-ID: <doc>\r\n\r\n" + attachment + b"\r\n--uuid:a--\r\n"


def root_of(body: bytes) -> bytes:
    return body.partition(b"\r\n\r\n")[2].partition(b"\r\n--uuid:a")[0]


SEEN: list[tuple[web.Request, bytes]] = []
FAULTS: list[FaultError] = []


async def take(request: web.Request) -> web.Response:
    SEEN.append((request, await request.read()))
    if not FAULTS:
        return web.Response(body=b"<done/>", content_type="application/soap+xml")
    content, kind = FAULTS[0].write(), "application/soap+xml"
    if "multipart" in request.query_string:
        content, kind = mtom(content, b"\0"), "multipart/related"
    status = 200 if request.query_string else FAULTS[0].status
    return web.Response(body=content, status=status, headers={"Content-Type": f'{kind}; boundary="uuid:a"'})


@pytest.fixture
async def gateway(folder: Path, readers: VirtualReaders) -> AsyncIterator[Gateway]:
    SEEN.clear()
    FAULTS.clear()
    async with open_gateway(folder, readers, {"soap": take}, SERVICES) as opened:
        yield opened


async def send(
    gateway: Gateway, data: Any = MESSAGE, headers: dict[str, str] = XML, body: dict[str, Any] = VIHF
) -> Asked:
    return await gateway.ask("POST", "essai/app/soap", headers | asking(body), data=data)


async def verified(agent: RunningAgent, folder: Path, content: bytes) -> bool:
    write_chain(folder, (await agent.program("GET", "/v1/certificates")).body["certificates"][0])
    return accepts(folder, content)


async def test_the_service_gets_the_message_with_the_assertion(gateway: Gateway, tmp_path: Path) -> None:
    assert (await send(gateway)).body == b"<done/>"
    ((request, body),) = SEEN
    assert await verified(gateway.agent, tmp_path, body)
    before, _, after = MESSAGE.partition(b"<s:Body>")
    assert body.startswith(before)
    assert body.endswith(b"<s:Body>" + after)
    assert int(request.headers["Content-Length"]) == len(body)
    assert not [name for name in request.headers if name.lower().startswith("cps-agent")]
    entry = (await gateway.journal("sign-vihf"))[0]
    assert (entry["subject"], entry["outcome"]) == ("VIHF 3.0, direct", "ok")
    asked = gateway.person.asked[-1]
    assert isinstance(asked, PinRequest)
    assert (asked.action, asked.assertion and asked.assertion.patient) == (Action.ASSERT, "207058575627097")
    assert asked.assertion is not None
    assert asked.assertion.recipient == f"https://localhost:{gateway.server.port}"


async def test_each_message_has_a_question_of_its_own(gateway: Gateway) -> None:
    gateway.person.session = True
    for _ in range(2):
        assert (await send(gateway)).status == 200
    actions = [each.action for each in gateway.person.asked if isinstance(each, PinRequest)]
    assert actions == [Action.CONNECT, Action.ASSERT, Action.ASSERT]
    assert SEEN[0][1] != SEEN[1][1]


async def test_attachments_flow_on_unchanged(gateway: Gateway, tmp_path: Path) -> None:
    attachment = os.urandom(3 * 1024 * 1024)
    body = mtom(MESSAGE, attachment)
    assert (await send(gateway, io.BytesIO(body), MTOM)).status == 200

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    assert (await send(gateway, pieces(), MTOM)).status == 200
    for (request, seen), length in zip(SEEN, (True, False), strict=True):
        root = root_of(seen)
        assert await verified(gateway.agent, tmp_path, root)
        assert seen == mtom(root, attachment)
        assert ("Content-Length" in request.headers) is length
        assert request.headers["Content-Type"] == MTOM["Content-Type"]


async def test_insi_gets_its_own(folder: Path, readers: VirtualReaders, tmp_path: Path) -> None:
    SEEN.clear()
    async with open_gateway(folder, readers, {"soap": take}, 'assertion = "insi"') as gateway:
        answer = await send(gateway, body={"billingId": "991130972"})
        assert answer.status == 200, answer.problem
        assert await verified(gateway.agent, tmp_path, SEEN[0][1])
        assert b'NameQualifier="CPS">899700002712<' in SEEN[0][1]
        assert (await gateway.journal("sign-insi"))[0]["exchanges"] > 0


TWICE = MESSAGE.replace(
    b"<s:Body>", b'<s:Header><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/></s:Header><s:Body>'
)
OLD = MESSAGE.replace(SOAP.encode(), b"http://schemas.xmlsoap.org/soap/envelope/")
IMPOSSIBLE: tuple[tuple[dict[str, str], bytes, str], ...] = (
    (XML | asking(), b"<a", "envelope-refused"),
    (XML | asking(), TWICE, "envelope-refused"),
    (XML | asking(), OLD, "envelope-refused"),
    (XML | asking(), MESSAGE + b" " * 1024 * 1024, "envelope-refused"),
    ({"Content-Type": "text/xml"} | asking(), OLD, "envelope-refused"),
    (MTOM | asking(), b"--uuid:a--\r\n", "envelope-refused"),
    (MTOM | asking(), mtom(MESSAGE.ljust(1_100_000), b""), "envelope-refused"),
    ({"Content-Type": "application/json"} | asking(), b"{}", "unsupported-media"),
    (XML | {"Content-Encoding": "gzip"} | asking(), MESSAGE, "unsupported-media"),
    (XML | {"CPS-Agent-Assertion": "é"}, MESSAGE, "bad-request"),
    (XML | {"CPS-Agent-Assertion": ""}, MESSAGE, "bad-request"),
    (XML | asking(b"[]"), MESSAGE, "bad-request"),
    (XML | asking(VIHF | {"pin": "1234"}), MESSAGE, "bad-request"),
    (XML | asking(VIHF | {"envelope": {"action": "urn:a"}}), MESSAGE, "bad-request"),
    (XML | asking(VIHF | {"patient": {"ins": "269054958815781", "kind": "nir"}}), MESSAGE, "bad-request"),
    (XML | asking({"billingId": "991130972"}), MESSAGE, "bad-request"),
)


async def test_what_cannot_be_done_is_refused_and_nothing_sent(gateway: Gateway) -> None:
    for headers, body, code in IMPOSSIBLE:
        answer = await gateway.ask("POST", "essai/app/soap", headers, data=io.BytesIO(body))
        assert answer.code == code, (headers, body[:60], answer.problem)
    assert (await gateway.ask("POST", "nothing/x", XML | asking(), data=MESSAGE)).code == "bad-request"
    assert not SEEN
    assert [type(each).__name__ for each in gateway.person.asked] == ["ConfirmRequest"]  # may it use the gateway at all


async def test_a_person_who_says_no_keeps_the_message_here(gateway: Gateway) -> None:
    await gateway.ask("POST", "essai/app/soap", XML, data=b"<first/>")

    def refuse() -> None:
        gateway.person.refuses = PromptRefusedError()

    gateway.person.on_ask = refuse
    answer = await send(gateway)
    assert answer.status == 403
    assert [body for _, body in SEEN] == [b"<first/>"]
    assert not await gateway.journal("sign-vihf")


async def test_faults_are_explained_beside_the_answer(gateway: Gateway) -> None:
    FAULTS.append(FaultError("PS et Structure non liés"))
    for query in ("", "?200", "?multipart"):
        answer = await gateway.ask("POST", f"essai/app/soap{query}", XML, data=MESSAGE)
        assert b"Structure non li" in answer.body
        assert answer.headers["CPS-Agent-Fault"] == "structure-not-linked"
        assert "structure.id" in unquote(answer.headers["CPS-Agent-Explanation"])
        assert "Désignez une autre structure" in unquote(answer.headers["CPS-Agent-Explanation-Fr"])
    FAULTS[0] = fault("desir_999", "Erreur inconnue")
    answer = await gateway.ask("POST", "essai/app/soap", XML, data=MESSAGE)
    assert "CPS-Agent-Fault" not in answer.headers
    FAULTS[0] = FaultError("x", "s:DMPNobodyKnows")
    answer = await gateway.ask("POST", "essai/app/soap", XML, data=MESSAGE)
    assert answer.headers["CPS-Agent-Fault"] == "DMPNobodyKnows"
    assert "CPS-Agent-Explanation" not in answer.headers
    subjects = {(entry["action"], entry["outcome"]) for entry in await gateway.journal()}
    assert ("service-fault", "structure-not-linked") in subjects
