"""Every route there is, also those of tomorrow: nothing for who has no grant, nothing asked, nothing changed by GET."""

from __future__ import annotations

import re

import pytest
from aiohttp import web
from support.agent import RunningAgent

from agent.api.app import ROUTES

OPEN = frozenset({"read-status", "openapi", "grant", "list-grants", "read-grant", "revoke", "lock-pin"})
"""What a stranger may call: what this is, how to ask for a grant, and what is its own, which is nothing."""
FILLED = {
    "number": "99213845",
    "rpps": "99700002712",
    "id": "0" * 32,
    "n": "0",
    "service": "dmp",
    "path": "x",
    "mailbox": "x",
}


def path_of(route: web.RouteDef) -> str:
    return re.sub(r":[^}]*", "", route.path).format(**FILLED)


CLOSED = [route for route in ROUTES if route.kwargs["name"] not in OPEN]


@pytest.mark.parametrize("route", CLOSED, ids=[route.kwargs["name"] for route in CLOSED])
async def test_a_stranger_gets_nothing_and_asks_nobody(agent: RunningAgent, person, route):
    body = {} if route.method == "POST" else None
    page = await agent.page(route.method, path_of(route), body)
    assert page.status in (401, 403), page.body
    assert page.code in ("grant-required", "token-refused")
    for headers in ({}, {"Authorization": "Bearer x"}, {"Origin": "null"}):
        answer = await agent.call(route.method, path_of(route), body, headers)
        assert answer.status in (401, 403), answer.body
    assert not person.asked


@pytest.mark.parametrize("route", CLOSED, ids=[route.kwargs["name"] for route in CLOSED])
async def test_another_site_cannot_call_in_a_pages_name(granted: RunningAgent, person, route):
    body = {} if route.method == "POST" else None
    for origin in ("https://dmp.example.evil", "http://dmp.example", "https://DMP.example:444", "https://dmp.example/"):
        answer = await granted.page(route.method, path_of(route), body, origin=origin)
        assert answer.status in (400, 401, 403), answer.body
    assert not person.asked


def test_no_get_is_named_for_a_deed():
    """What a GET does is told by its name: it reads, lists or streams. Through the gateway it is the service's."""
    names = {route.kwargs["name"] for route in ROUTES if route.method == "GET"} - {"events", "openapi", "use-gateway"}
    assert all(name.startswith(("read-", "list-")) for name in names)
