"""Attacks on the wire: requests that two readers could understand in two ways, and what an answer gives away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib

import pytest
from support.agent import PAGE, Person, RunningAgent
from support.lines import open_line

JSON = "Content-Type: application/json|"
VERIFY = f"POST /v1/pin/verify HTTP/1.1|HOST|ORIGIN|{JSON}"
UPGRADE = (
    "Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Version: 13|Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==||"
)
CARD = b"99900001"


async def send(agent: RunningAgent, text: str, body: bytes = b"") -> bytes:
    """Send a request written with `|` for the ends of lines and give everything that comes back."""
    text = text.replace("ORIGIN", f"Origin: {PAGE}").replace("TOKEN", f"Authorization: Bearer {agent.token}")
    text = text.replace("HOST", f"Host: 127.0.0.1:{agent.port}")

    def exchange() -> bytes:
        answer = b""
        with open_line(agent.port, text.replace("|", "\r\n").encode("latin-1") + body) as line:
            line.settimeout(2)
            with contextlib.suppress(ConnectionError, TimeoutError):
                while piece := line.recv(65_536):
                    answer += piece
        return answer

    return await asyncio.to_thread(exchange)


REFUSED = {
    "two hosts": ("GET /v1/cards HTTP/1.1|HOST|Host: evil.example|TOKEN||", b" 400 "),
    "the same host twice": ("GET /v1/cards HTTP/1.1|HOST|HOST|TOKEN||", b" 400 "),
    "no host": ("GET /v1/cards HTTP/1.0|TOKEN||", b" 403 "),
    "no version": ("GET /v1/cards|TOKEN||", b" 403 "),
    "another host in the target": ("GET http://evil.example/v1/cards HTTP/1.1|HOST|TOKEN||", b" 403 "),
    "own host in the target": ("GET http://127.0.0.1/v1/cards HTTP/1.1|HOST|TOKEN||", b" 403 "),
    "playground by another host": ("GET http://evil.example:99/ HTTP/1.1|HOST||", b" 403 "),
    "tunnel": ("CONNECT evil.example:443 HTTP/1.1|HOST|TOKEN||", b" 403 "),
    "asterisk": ("OPTIONS * HTTP/1.1|HOST|ORIGIN|Access-Control-Request-Method: POST||", b" 403 "),
    "two slashes": ("GET //v1/cards HTTP/1.1|HOST|TOKEN|Connection: close||", b" 404 "),
    "path through the open one": ("GET /v1/status/../cards HTTP/1.1|HOST|Connection: close||", b" 404 "),
    "spelling of the open path": ("GET /v1/%73tatus HTTP/1.1|HOST|Connection: close||", b" 401 "),
    "two origins": ("GET /v1/cards HTTP/1.1|HOST|ORIGIN|Origin: https://evil.example|Connection: close||", b" 403 "),
    "two tokens": ("GET /v1/cards HTTP/1.1|HOST|TOKEN|TOKEN|Connection: close||", b" 401 "),
    "two modes": (
        "GET /v1/cards HTTP/1.1|HOST|ORIGIN|Sec-Fetch-Mode: cors|Sec-Fetch-Mode: no-cors|Connection: close||",
        b" 403 ",
    ),
    "bare line feeds": ("GET /v1/cards HTTP/1.1\nHOST\nTOKEN\n\n", b" 400 "),
    "folded header": ("GET /v1/cards HTTP/1.1|HOST|X: a| TOKEN||", b" 400 "),
    "space before the colon": ("GET /v1/cards HTTP/1.1|HOST|Authorization : Bearer x||", b" 400 "),
    "NUL": ("GET /v1/cards HTTP/1.1|HOST|X: \0|TOKEN||", b" 400 "),
    "long target": (f"GET /{'A' * 9000} HTTP/1.1|HOST|TOKEN||", b" 400 "),
    "long header": (f"GET /v1/cards HTTP/1.1|HOST|X: {'A' * 9000}|TOKEN||", b" 400 "),
    "many headers": (f"GET /v1/cards HTTP/1.1|HOST|{'X: a|' * 500}TOKEN||", b" 400 "),
    "length and chunks": (f"{VERIFY}Content-Length: 2|Transfer-Encoding: chunked||0||GET /v1/cards", b" 400 "),
    "two lengths": (f"{VERIFY}Content-Length: 2|Content-Length: 3||{{}}x", b" 400 "),
    "negative length": (f"{VERIFY}Content-Length: -1||{{}}", b" 400 "),
    "chunks of another kind": (f"{VERIFY}Transfer-Encoding: xchunked||2|{{}}|0||", b" 400 "),
    "two media types": (f"{VERIFY}Content-Type: text/plain|Content-Length: 2||{{}}", b" 400 "),
    "a list of media types": (
        (
            "POST /v1/pin/verify HTTP/1.1|HOST|ORIGIN|Content-Type: text/plain, application/json|Content-Length: 2|"
            "Connection: close||{}"
        ),
        b" 415 ",
    ),
    "method by header": (
        f"POST /v1/cards HTTP/1.1|HOST|TOKEN|{JSON}X-HTTP-Method-Override: GET|Content-Length: 2|Connection: close||{{}}",
        b" 405 ",
    ),
    "HTTP/2": ("PRI * HTTP/2.0||SM||", b" 400 "),
    "HEAD without a grant": ("HEAD /v1/cards HTTP/1.1|HOST|Origin: https://evil.example|Connection: close||", b" 403 "),
    "socket without origin or token": (f"GET /v1/events HTTP/1.1|HOST|{UPGRADE}", b" 401 "),
    "socket of a page without a grant": (
        f"GET /v1/events HTTP/1.1|HOST|Origin: https://evil.example|{UPGRADE}",
        b" 403 ",
    ),
    "socket of a null origin": (f"GET /v1/events HTTP/1.1|HOST|Origin: null|{UPGRADE}", b" 403 "),
    "socket of a blind page": (f"GET /v1/events HTTP/1.1|HOST|ORIGIN|Sec-Fetch-Mode: no-cors|{UPGRADE}", b" 403 "),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_attack_request_with_two_meanings(granted: RunningAgent, person: Person, case: str) -> None:
    request, status = REFUSED[case]
    answer = await send(granted, request)
    head, _, _body = answer.partition(b"\r\n\r\n")
    assert status in head.partition(b"\r\n")[0] + b" ", answer
    assert answer.count(b"HTTP/1.1 ") + answer.count(b"HTTP/1.0 ") + answer.count(b"HTTP/0.9 ") == 1
    assert CARD not in answer
    assert b"text/html" not in head
    assert person.asked == []


async def test_attack_body_in_another_charset_is_read_as_utf_8(granted: RunningAgent, person: Person) -> None:
    head = VERIFY.replace("application/json", "application/json; charset=utf-7")
    answer = await send(granted, f"{head}Content-Length: 16|Connection: close||", b'{"+AHA-in": "1"}')
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert person.asked == []


async def test_attack_compressed_body_is_not_unpacked(granted: RunningAgent, person: Person) -> None:
    bomb = zlib.compress(b" " * 50_000_000)
    answer = await send(
        granted, f"{VERIFY}Content-Encoding: deflate|Content-Length: {len(bomb)}|Connection: close||", bomb
    )
    assert b" 415 " in answer.partition(b"\r\n")[0]
    assert person.asked == []


async def test_attack_member_given_twice_is_shown_as_it_is_signed(granted: RunningAgent, person: Person) -> None:
    body = (
        b'{"format": "cms", "documents": [{"name": "harmless", "content": "AAAA"}],'
        b' "documents": [{"name": "other", "content": "BBBB"}]}'
    )
    answer = await granted.page("POST", "/v1/signatures", body)
    shown = [question.subjects for question in person.asked]
    assert answer.status == 400 or shown == [tuple(one["name"] for one in answer.body["signatures"])]


async def test_attack_answers_name_no_library_and_the_log_quotes_no_token(
    agent: RunningAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await send(agent, "GET /v1/status HTTP/1.1|HOST|Connection: close||")
    assert b"Server: cps-agent" in answer
    assert b"aiohttp" not in answer
    await send(agent, "GET /v1/cards HTTP/1.1|HOST|Authorization : Bearer SECRET||")
    await send(agent, "GET /v1/cards HTTP/1.1|HOST|X: a| TOKEN||")
    assert "SECRET" not in caplog.text
    assert agent.token not in caplog.text
