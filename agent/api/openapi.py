"""GET /openapi.json: the API in OpenAPI 3.1, its bodies taken from the schemas that parse them."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from aiohttp import web

from agent import __version__
from agent.api.dmp_schemas import InsiBody, LinkBody, SubmissionBody, VihfBody
from agent.api.lazily import find_handler
from agent.api.media import CONTENT_ROUTE, GATEWAY_ROUTE, MULTIPART, UPLOAD_ROUTES
from agent.api.mssante_schemas import BearerBody, BridgeBody, PasswordBody
from agent.api.schemas import (
    BatchBody,
    DeliveryBody,
    ExchangeBody,
    GrantBody,
    ImportBody,
    LockBody,
    LoginBody,
    OrderBody,
    PinBody,
    SignatureBody,
    SituationsBody,
    StartBody,
    StopBody,
    TokenBody,
    VerificationBody,
)
from agent.api.verification_uploads import DETACHED

BODIES: dict[str, Any] = {
    "grant": GrantBody,
    "verify-pin": PinBody,
    "change-pin": PinBody,
    "unblock-pin": PinBody,
    "lock-pin": LockBody,
    "read-situations": SituationsBody,
    "authenticate": LoginBody,
    "psc-token": TokenBody,
    "psc-exchange": ExchangeBody,
    "sign": SignatureBody,
    "sign-submission": SubmissionBody,
    "sign-vihf": VihfBody,
    "sign-insi": InsiBody,
    "open-dmp": LinkBody,
    "verify": VerificationBody,
    "make-batch": BatchBody,
    "start-batch": StartBody,
    "stop-batch": StopBody,
    "keep-certificate": ImportBody,
    "order-certificate": OrderBody,
    "deliver-certificate": DeliveryBody,
    "start-mail-bridge": BridgeBody,
    "give-mail-bearer": BearerBody,
    "make-mail-password": PasswordBody,
}


PARTS = {"sign": ("file",), "verify": ("file", DETACHED)}
"""What the files of an upload are called, by the names of the routes."""


async def serve_openapi(request: web.Request) -> web.Response:
    """Describe every /v1 route of this application."""
    routes = [
        route for route in request.app.router.routes() if route.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    ]
    return web.json_response(describe(routes))


def describe(routes: list[web.AbstractRoute]) -> dict[str, Any]:
    """Build the document from the routing table."""
    from agent.api.answers import COMPONENTS  # noqa: PLC0415 - it brings what every route answers

    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = route.resource.canonical if route.resource else ""
        if path.startswith("/v1/"):
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "CPS agent", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": _schemas()[1] | COMPONENTS,
            "securitySchemes": {"localToken": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"localToken": []}, {}],
    }


def _operation(route: web.AbstractRoute, path: str) -> dict[str, Any]:
    name = route.name or ""
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": (find_handler(route.handler).__doc__ or "").partition(": ")[2].strip() or name,
        "parameters": [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for part in path.split("/")
            if part.startswith("{")
        ],
        "responses": {
            "2XX": _done(name),
            "default": {"description": "refused or failed", "content": problem},
        },
    }
    if name == "events":
        from agent.api.answers import MESSAGES  # noqa: PLC0415 - as above

        described = {"description": "messages of a WebSocket", "content": {"application/json": {"schema": MESSAGES}}}
        operation["responses"]["101"] = described
    if name == GATEWAY_ROUTE:
        _describe_gateway(operation, route.method)
    if name == CONTENT_ROUTE:
        operation["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    if name in BODIES:
        schema = _schemas()[0][list(BODIES).index(name)]
        operation["requestBody"] = {"required": True, "content": _media(name, schema)}
    return operation


def _describe_gateway(operation: dict[str, Any], method: str) -> None:
    """Whatever the service takes, and whatever it answers; who holds the key is said by a header."""
    from agent.api.gateway_headers import ASSERTION, AUTHORIZATION, CARD  # noqa: PLC0415 - as above

    operation["operationId"] += f"-{method.lower()}"
    operation["responses"]["2XX"]["content"] = {"*/*": {}}
    operation["parameters"] += [
        {"name": header, "in": "header", "required": False, "schema": {"type": "string"}}
        for header in (CARD, AUTHORIZATION, ASSERTION)
    ]
    if method in ("POST", "PUT", "PATCH"):
        operation["requestBody"] = {"required": False, "content": {"*/*": {}}}


def _done(name: str) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "done"}
    from agent.api.answers import ANSWERS  # noqa: PLC0415 - as above

    if name in ANSWERS:
        described["content"] = {"application/json": {"schema": ANSWERS[name]}}
    return described


def _media(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {"application/json": {"schema": schema}}
    if name in UPLOAD_ROUTES:
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        parts = dict.fromkeys(PARTS[name], files)
        media[MULTIPART] = {"schema": {"type": "object", "properties": {"request": schema, **parts}}}
    return media


@functools.cache
def _schemas() -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    schemas, components = msgspec.json.schema_components(BODIES.values(), ref_template="#/components/schemas/{name}")
    return tuple(schemas), components
