"""What a caller, a page or the service itself could use the gateway for, and cannot."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from support.agent import PAGE
from support.gateway import Gateway, open_gateway

from agent.api.gateway_headers import give_back, pass_on
from drivers.virtual.link import VirtualReaders

HTML = b"<!DOCTYPE html><script>fetch('http://127.0.0.1:27710/v1/cards')</script>"
DANGEROUS = {
    "Set-Cookie": "session=1",
    "Set-Cookie2": "session=1",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Strict-Transport-Security": "max-age=31536000",
    "Clear-Site-Data": '"*"',
    "Refresh": "0; url=https://evil.example/",
    "Content-Security-Policy": "default-src *",
    "Content-Disposition": "inline",
    "X-Content-Type-Options": "sniff",
    "Alt-Svc": 'h3=":443"',
    "Link": "<https://evil.example/>; rel=preload",
    "Service-Worker-Allowed": "/",
    "SourceMap": "/x",
    "Report-To": "{}",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "CPS-Agent-Fault": "made up by the service",
    "Proxy-Authenticate": "Basic",
}


async def tell(request: web.Request) -> web.Response:
    names = {name.lower() for name in request.headers}
    return web.json_response({"names": sorted(names), "line": request.raw_path, "host": request.headers["X-Host"]})


async def give_dangerous(request: web.Request) -> web.Response:
    return web.Response(body=b"%PDF", headers={**DANGEROUS, "Content-Type": "application/pdf", "X-Trace": "7"})


async def give_page(request: web.Request) -> web.Response:
    body = b"Plain words first. " + HTML if "words" in request.query else HTML
    return web.Response(body=body, headers={"Content-Type": request.query["type"]})


HANDLERS = {"tell": tell, "dangerous": give_dangerous, "page": give_page}


@pytest.fixture
async def gateway(folder: Path, readers: VirtualReaders) -> AsyncIterator[Gateway]:
    async with open_gateway(folder, readers, HANDLERS) as opened:
        yield opened


async def test_nothing_of_the_agent_or_of_the_connection_goes_to_the_service(gateway: Gateway) -> None:
    headers = {
        "Cookie": "a=b",
        "Referer": "https://x.example/",
        "Proxy-Authorization": "Basic eDp5",
        "Connection": "keep-alive, X-Secret",
        "X-Secret": "for the agent alone",
        "TE": "trailers",
        "Upgrade": "websocket",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "CPS-Agent-Card": "",
        "CPS-Agent-Anything": "x",
        "SOAPAction": "kept",
    }
    del headers["CPS-Agent-Card"]
    told = (await gateway.ask("GET", "essai/app/tell", headers)).json()
    assert "soapaction" in told["names"]
    assert told["host"] == f"localhost:{gateway.server.port}"
    gone = {name.lower() for name in headers} - {"soapaction", "connection"} | {"authorization", "origin"}
    assert gone & set(told["names"]) == set()


async def test_nothing_that_a_browser_would_obey_comes_back(gateway: Gateway) -> None:
    answer = await gateway.ask("GET", "essai/app/dangerous")
    assert (answer.status, answer.body, answer.headers["X-Trace"]) == (200, b"%PDF", "7")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    kept = {"Content-Security-Policy", "Content-Disposition", "X-Content-Type-Options", "Cross-Origin-Resource-Policy"}
    assert [name for name in DANGEROUS if name in answer.headers and name not in kept] == []


def test_what_connection_names_belongs_to_the_connection() -> None:
    headers = (("connection", "close, X-Secret"), ("X-Secret", "x"), ("x-secret", "y"), ("Keep-Alive", "1"), ("A", "b"))
    assert give_back(200, headers) == (("A", "b"),)
    assert pass_on(CIMultiDictProxy(CIMultiDict(headers))) == (("A", "b"),)


PAGES = (
    "app/page?type=text/html",
    "app/page?type=text/html&words",
    "app/page?type=TEXT/HTML%3B+charset=utf-8",
    "app/page?type=application/xhtml%2Bxml",
    "app/page?type=image/svg%2Bxml",
    "app/page?type=multipart/x-mixed-replace",
    "app/page?type=unknown/unknown",
    "app/page?type=x",
    "untyped/page",
)


async def test_no_page_comes_from_the_agents_address(gateway: Gateway) -> None:
    for path in PAGES:
        answer = await gateway.ask("GET", f"essai/{path}")
        assert (answer.status, answer.code, answer.problem["serviceStatus"]) == (502, "html-refused", 200), path
        assert b"script" not in answer.body.lower()


async def test_what_has_no_type_and_is_no_page_comes_as_bytes(gateway: Gateway) -> None:
    answer = await gateway.ask("GET", "essai/untyped/bytes")
    assert (answer.status, answer.body) == (200, b"plain")
    assert answer.headers["Content-Type"] == "application/octet-stream"


BROWSERS = (
    {"Origin": "null"},
    {"Origin": PAGE},
    {"Origin": PAGE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {"Origin": PAGE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://evil.example"},
)
FORMS = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "text/xml")


async def test_no_browser_reaches_a_service_even_with_the_token(gateway: Gateway) -> None:
    for headers, kind in itertools.product(BROWSERS, FORMS):
        for method in ("GET", "POST"):
            answer = await gateway.ask(method, "essai/app/tell", {**headers, "Content-Type": kind})
            assert answer.status in (401, 403), answer.body
            assert answer.code in ("origin-refused", "grant-required", "token-refused")
    assert not gateway.person.asked


async def test_a_page_cannot_be_granted_the_gateway_unless_the_policy_names_it(gateway: Gateway) -> None:
    answer = await gateway.agent.page("POST", "/v1/grants", {"abilities": ["gateway"]})
    assert (answer.status, answer.code) == (403, "not-supported")


async def test_a_page_of_the_policy_has_it_once_it_is_granted(folder: Path, readers: VirtualReaders) -> None:
    async with open_gateway(folder, readers, HANDLERS, gateway_origins=(PAGE,)) as gateway:
        page = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Authorization": ""}
        refused = await gateway.ask("GET", "essai/app/dangerous", page)
        assert (refused.status, refused.code) == (403, "grant-required")
        other = await gateway.agent.page("POST", "/v1/grants", {"abilities": ["gateway"]}, "https://other.example")
        assert other.code == "not-supported"
        granted = await gateway.agent.page("POST", "/v1/grants", {"abilities": ["gateway"]})
        assert granted.status == 201
        answer = await gateway.ask("GET", "essai/app/dangerous", page)
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "CPS-Agent-Fault" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
        software = await gateway.ask("GET", "essai/app/tell", {**page, "CPS-Agent-Card": "S0A1B2C3D4E5F607"})
        assert software.code == "card-absent"
        await gateway.agent.program("DELETE", f"/v1/grants/{granted.body['id']}")
        assert (await gateway.ask("GET", "essai/app/tell", page)).code == "grant-required"


async def test_a_grant_of_a_page_that_the_policy_no_longer_names_is_none(folder: Path, readers: VirtualReaders) -> None:
    async with open_gateway(folder, readers, gateway_origins=(PAGE,)) as gateway:
        assert (await gateway.agent.page("POST", "/v1/grants", {"abilities": ["gateway"]})).status == 201
    async with open_gateway(folder, readers) as gateway:
        assert (await gateway.agent.page("GET", "/v1/gateway")).code == "grant-required"


async def test_smuggled_requests_reach_nobody(gateway: Gateway) -> None:
    """Two lengths, a length and chunks, an obsolete line fold: whatever two servers could read in two ways."""
    await gateway.ask("GET", "essai/")
    head = f"Host: 127.0.0.1:{gateway.agent.port}\r\nAuthorization: Bearer {gateway.agent.token}\r\n"
    for lines in (
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: +3\r\n",
        "X-A: b\r\n GET /app/tell HTTP/1.1\r\n",
        "X-A : b\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agent.port)
        request = f"POST /v1/gateway/essai/app/tell HTTP/1.1\r\n{head}{lines}\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        writer.write(request.encode())
        status = (await asyncio.wait_for(reader.readline(), 10)).decode()
        assert " 400 " in status, (lines, status)
        writer.close()
