"""GET /openapi.json: the API in OpenAPI 3.1, its bodies taken from the schemas that parse them."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from aiohttp import web

from agent import __version__
from agent.access.callers import CallerKind
from agent.api import uploads
from agent.api.schemas import AuthenticationBody, Body, GrantBody, PinBody, SignatureBody
from agent.cards.conditions import Condition
from agent.cards.events import EventType

BODIES: dict[str, type[Body]] = {
    "grant": GrantBody,
    "verify-pin": PinBody,
    "change-pin": PinBody,
    "unblock-pin": PinBody,
    "authenticate": AuthenticationBody,
    "sign": SignatureBody,
}
PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "layer", "detail", "detailFr"],
    "properties": {
        **{key: {"type": "string"} for key in ("type", "title", "code", "layer", "detail", "detailFr", "hint", "card")},
        **{key: {"type": "integer"} for key in ("status", "triesLeft")},
    },
}

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TEXT_OR_NULL = {"type": ["string", "null"]}
CONDITION = {"enum": list(Condition)}
KIND = {"enum": list(CallerKind)}
PIN = {
    "type": ["object", "null"],
    "properties": {"state": {"enum": ["ready", "session", "blocked"]}, "triesLeft": {"type": ["integer", "null"]}},
}
READER = {
    "type": "object",
    "required": ["name", "state", "condition", "trouble"],
    "properties": {
        "name": TEXT,
        "state": {"enum": ["empty", "reading", "ready", "trouble"]},
        "condition": CONDITION,
        "trouble": {
            "type": ["object", "null"],
            "properties": {"code": TEXT, "detail": TEXT, "detailFr": TEXT},
        },
        **dict.fromkeys(("cardNumber", "kind", "holderName", "expiresAt"), TEXT_OR_NULL),
        "pin": PIN,
    },
}
SESSION = {
    "type": "object",
    "properties": {**dict.fromkeys(("id", "caller", "cardNumber", "endsAt"), TEXT), "kind": KIND, "usesLeft": NUMBER},
}
STATE = {
    "type": "object",
    "required": ["type", "condition", "service", "readers", "sessions"],
    "properties": {
        "type": {"const": "state"},
        "condition": CONDITION,
        "service": {"enum": ["running", "stopped"]},
        "readers": {"type": "array", "items": {"$ref": "#/components/schemas/Reader"}},
        "sessions": {"type": "array", "items": {"$ref": "#/components/schemas/Session"}},
    },
}
EVENT = {
    "type": "object",
    "required": ["type", "reader"],
    "properties": {
        "type": {"enum": list(EventType)},
        "reader": TEXT_OR_NULL,
        "condition": CONDITION,
        "kind": KIND,
        **dict.fromkeys(("cardNumber", "code", "id", "caller"), TEXT),
    },
}
COMPONENTS = {"Problem": PROBLEM, "Reader": READER, "Session": SESSION, "State": STATE, "Event": EVENT}
MESSAGES = {"oneOf": [{"$ref": "#/components/schemas/State"}, {"$ref": "#/components/schemas/Event"}]}
"""What /v1/events sends, each as one text message: the state first, then events."""


async def serve_openapi(request: web.Request) -> web.Response:
    """Describe every /v1 route of this application."""
    routes = [route for route in request.app.router.routes() if route.method in ("GET", "POST", "DELETE")]
    return web.json_response(describe(routes))


def describe(routes: list[web.AbstractRoute]) -> dict[str, Any]:
    """Build the document from the routing table."""
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
        "summary": (route.handler.__doc__ or "").partition(": ")[2].strip() or name,
        "parameters": [
            {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
            for part in path.split("/")
            if part.startswith("{")
        ],
        "responses": {
            "2XX": {"description": "done"},
            "default": {"description": "refused or failed", "content": problem},
        },
    }
    if name == "events":
        described = {"description": "messages of a WebSocket", "content": {"application/json": {"schema": MESSAGES}}}
        operation["responses"]["101"] = described
    if name in BODIES:
        schema = _schemas()[0][list(BODIES).index(name)]
        operation["requestBody"] = {"required": True, "content": _media(name, schema)}
    return operation


def _media(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    media: dict[str, Any] = {"application/json": {"schema": schema}}
    if name == uploads.ROUTE:
        files = {"type": "array", "items": {"type": "string", "format": "binary"}}
        media[uploads.MULTIPART] = {"schema": {"type": "object", "properties": {"request": schema, "file": files}}}
    return media


@functools.cache
def _schemas() -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    schemas, components = msgspec.json.schema_components(BODIES.values(), ref_template="#/components/schemas/{name}")
    return tuple(schemas), components
