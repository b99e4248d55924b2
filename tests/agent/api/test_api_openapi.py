"""The description of the API is public, complete, and made from what parses the bodies."""

from __future__ import annotations

from support.agent import RunningAgent


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
