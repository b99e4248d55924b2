"""The description of the API is public, complete, and made from what parses the bodies."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest
from support import fake_agent
from support.agent import NONCE, PAGE, Person, RunningAgent
from support.schemas import list_misfits

from agent.api.answers import ANSWERS, COMPONENTS
from agent.cards.conditions import Condition
from drivers.virtual.personalisation import DEFAULT


async def test_every_route_is_described(agent: RunningAgent) -> None:
    answer = await agent.call("GET", "/openapi.json", None, {})
    document = answer.body
    assert document["openapi"] == "3.1.0"
    operations = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert operations >= {"read-status", "grant", "revoke", "authenticate", "sign", "verify-pin", "events"}
    assert "/v1/cards/{number}" in document["paths"]


async def test_bodies_refuse_unknown_members(agent: RunningAgent) -> None:
    document = (await agent.call("GET", "/openapi.json", None, {})).body
    schemas = document["components"]["schemas"]
    assert schemas["SignatureBody"]["additionalProperties"] is False
    assert schemas["AuthenticationBody"]["required"] == ["format", "challengeNonce"]
    media = document["paths"]["/v1/signatures"]["post"]["requestBody"]["content"]
    assert media["application/json"]["schema"] == {"$ref": "#/components/schemas/SignatureBody"}
    assert media.keys() == {"application/json", "multipart/form-data"}
    verified = document["paths"]["/v1/verifications"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert verified["schema"]["properties"].keys() == {"request", "file", "detachedContent"}


def list_operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()}


async def test_every_post_has_a_body_and_every_other_route_but_deletions_an_answer(agent: RunningAgent) -> None:
    document = (await agent.call("GET", "/openapi.json", None, {})).body
    sent = {
        path[method]["operationId"]
        for path in document["paths"].values()
        for method in ("post", "put", "patch")
        if method in path
    }
    operations = list_operations(document)
    assert {name for name, operation in operations.items() if "requestBody" in operation} == sent
    without = {name for name, operation in operations.items() if "content" not in operation["responses"]["2XX"]}
    deletions = {"revoke", "remove-certificate", "cancel-order", "lift-denials", "cancel-batch"}
    deletions |= {"forget-mail-password", "stop-mail-bridge"}
    assert without == deletions | {"events", "add-to-batch"}


DOCUMENT = {"name": "a.txt", "content": base64.b64encode(b"content").decode()}
SUBMISSION = {"submissionSetId": "1.2.3", "documents": [{"id": "1.2.4", "mediaType": "image/png", "content": "AAAA"}]}
CALLS: dict[str, tuple[str, str, Any]] = {
    "read-status": ("GET", "/v1/status", None),
    "list-readers": ("GET", "/v1/readers", None),
    "read-cards": ("GET", "/v1/cards", None),
    "read-card": ("GET", f"/v1/cards/{DEFAULT.serial}", None),
    "read-situations": ("POST", f"/v1/cards/{DEFAULT.serial}/situations", {}),
    "list-certificates": ("GET", "/v1/certificates", None),
    "list-means": ("GET", "/v1/means", None),
    "list-grants": ("GET", "/v1/grants", None),
    "grant": ("POST", "/v1/grants", {"abilities": ["identity"]}),
    "verify-pin": ("POST", "/v1/pin/verify", {}),
    "lock-pin": ("POST", "/v1/pin/lock", {}),
    "authenticate": ("POST", "/v1/authentications", {"format": "web-eid:1.0", "challengeNonce": NONCE}),
    "sign": ("POST", "/v1/signatures", {"format": "cms", "documents": [DOCUMENT]}),
    "sign-submission": ("POST", "/v1/dmp/submission-signature", SUBMISSION),
    "sign-vihf": ("POST", "/v1/assertions/vihf", {"mode": "direct", "structure": {"sector": "SA07"}}),
    "sign-insi": ("POST", "/v1/assertions/insi", {}),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_page_is_answered_as_described(granted: RunningAgent, name: str) -> None:
    document = (await granted.call("GET", "/openapi.json", None, {})).body
    answer = await granted.page(*CALLS[name])
    assert answer.status in (200, 201)
    assert check(answer.body, name, document) == []


@pytest.mark.parametrize(
    ("name", "path"), [("list-journal", "/v1/journal"), ("list-means", "/v1/means"), ("read-denials", "/v1/denials")]
)
async def test_a_program_is_answered_as_described(granted: RunningAgent, name: str, path: str) -> None:
    document = (await granted.call("GET", "/openapi.json", None, {})).body
    assert check((await granted.program("GET", path)).body, name, document) == []


def check(body: Any, name: str, document: dict[str, Any]) -> list[str]:
    schema = list_operations(document)[name]["responses"]["2XX"]["content"]["application/json"]["schema"]
    return list_misfits(body, schema, document["components"]["schemas"])


async def test_messages_of_the_stream_are_as_described(granted: RunningAgent) -> None:
    document = (await granted.call("GET", "/openapi.json", None, {})).body
    described = list_operations(document)["events"]["responses"]["101"]["content"]["application/json"]["schema"]
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{granted.port}/v1/events", headers=headers) as socket,
    ):
        messages = [await socket.receive_json(timeout=10)]
        grant = (await granted.page("GET", "/v1/grants")).body["grants"][0]
        await granted.page("DELETE", f"/v1/grants/{grant['id']}")
        messages += [message.json() async for message in socket]
    components = document["components"]["schemas"]
    assert messages[0]["type"] == "state"
    assert [list_misfits(message, described, components) for message in messages] == [[]] * len(messages)


async def test_problems_are_as_described(granted: RunningAgent, person: Person) -> None:
    document = (await granted.call("GET", "/openapi.json", None, {})).body
    components = document["components"]["schemas"]
    person.pin = "9999"
    wrong = await granted.page(*CALLS["verify-pin"])
    missing = await granted.page(*CALLS["authenticate"], origin="https://other.example")
    unknown = await granted.page("POST", "/v1/pin/verify", {"pin": "1234"})
    assert [answer.code for answer in (wrong, missing, unknown)] == ["pin-wrong", "grant-required", "bad-request"]
    for answer in (wrong, missing, unknown):
        assert list_misfits(answer.body, {"$ref": "#/components/schemas/Problem"}, components) == []


@pytest.mark.parametrize("condition", Condition)
async def test_the_fake_agent_of_other_tests_tells_what_is_described(condition: Condition) -> None:
    body = {"name": "cps-agent", "version": "0", **fake_agent.status(condition)}
    assert list_misfits(body, ANSWERS["read-status"], COMPONENTS) == []
