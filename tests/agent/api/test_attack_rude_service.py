"""A service that means harm answers the agent: what is no answer is refused, and a caller is never misled by the rest."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.gateway import Gateway
from support.rude_service import RudeService, Visit, rude_gateway

from drivers.virtual.link import VirtualReaders

TEXT = b"Content-Type: text/plain\r\n"
OK = b"HTTP/1.1 200 OK\r\n" + TEXT + b"Content-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\n" + TEXT + b"Transfer-Encoding: chunked\r\n\r\n"
FAULT = b"<s:Envelope><s:Body><s:Fault>%s</s:Fault></s:Body></s:Envelope>"
UNREADABLE: dict[str, bytes] = {
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "a length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "an endless length": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\nok",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + OK,
    "status 0": b"HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\nok",
    "a line end in the reason": b"HTTP/1.1 200 a\rX: y\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX-Name: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "a control in a header": b"HTTP/1.1 200 OK\r\nX-Name: a\x01b\r\nContent-Length: 2\r\n\r\nok",
    "a control in the type": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\x0b\r\nContent-Length: 2\r\n\r\nok",
    "half a line end": b"HTTP/1.1 200 OK\r\nX-Name: a\rSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok",
    "a name that is none": b"HTTP/1.1 200 OK\r\nX-Na\xe9me: a\r\nContent-Length: 2\r\n\r\nok",
    "a space in a name": b"HTTP/1.1 200 OK\r\nSet-Cookie : a\r\nContent-Length: 2\r\n\r\nok",
    "5,000 headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 5000 + b"Content-Length: 2\r\n\r\nok",
    "a header of 100 kB": b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "another coding": b"HTTP/1.1 200 OK\r\n" + TEXT + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a page without a head": b"<html>hello</html>\r\n\r\n",
}
CUT: dict[str, bytes] = {
    "a chunk of less than nothing": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "a chunk without end": CHUNKED + b"fffffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "5,000 trailers": CHUNKED + b"2\r\nok\r\n0\r\n" + b"X-T: 1\r\n" * 5000 + b"\r\n",
}
PASSED: dict[str, bytes] = {
    "fifty times 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + OK,
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\nSet-Cookie: a=b\r\n\r\n" + OK,
    "another reason": b"HTTP/1.1 200 \xe9t\xe9\x01\r\n" + TEXT + b"Content-Length: 2\r\n\r\nok",
    "trailers": CHUNKED + b"2\r\nok\r\n0\r\nSet-Cookie: a=b\r\nX-T: 1\r\n\r\n",
    "folded lines": b"HTTP/1.1 200 OK\r\nX-Name: a\r\n Set-Cookie: a=b\r\n" + TEXT + b"Content-Length: 2\r\n\r\nok",
    "two answers": OK + b"HTTP/1.1 200 OK\r\n" + TEXT + b"Content-Length: 6\r\n\r\nforged",
}


async def hang_up(visit: Visit) -> bool:
    """Have heard all of it, and end without an answer."""
    await visit.reader.read(64)
    visit.writer.transport.abort()
    return True


async def answer_early(visit: Visit) -> None:
    """Before the body has come, of which nothing is read."""
    await visit.say(OK)


async def say_nothing_for_ever(visit: Visit) -> None:
    """Interim answers without end, as fast as they are taken: each of them counts as a sign of life."""
    while not visit.writer.transport.is_closing():
        await visit.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@pytest.fixture
def service() -> RudeService:
    answers = {name.replace(" ", "-"): data for name, data in (UNREADABLE | CUT | PASSED).items()}
    return RudeService({"ok": OK, "hang": hang_up, "ever": say_nothing_for_ever, "early": answer_early, **answers})


@pytest.fixture
async def gateway(folder: Path, readers: VirtualReaders, service: RudeService) -> AsyncIterator[Gateway]:
    async with rude_gateway(folder, readers, service) as opened:
        assert (await opened.ask("GET", "essai/ok")).status == 200
        yield opened


async def test_attack_answers_that_are_none(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """Each is told apart from a line that broke, and nothing of it reaches the caller."""
    codes = {}
    for name in UNREADABLE:
        answer = await gateway.ask("GET", f"essai/{name.replace(' ', '-')}")
        codes[name] = (answer.status, answer.code)
    assert codes == dict.fromkeys(UNREADABLE, (502, "service-unreadable"))
    assert "internal error" not in caplog.text
    assert (await gateway.ask("GET", "essai/ok")).body == b"ok"


async def test_attack_bodies_that_break_never_look_complete(gateway: Gateway) -> None:
    for name in CUT:
        outcome = await gateway.ask("GET", f"essai/{name.replace(' ', '-')}")
        assert outcome.status == 502, name


async def test_attack_what_comes_beside_an_answer_is_left_behind(gateway: Gateway) -> None:
    for name in PASSED:
        answer = await gateway.ask("GET", f"essai/{name.replace(' ', '-')}")
        assert (answer.status, answer.body) == (200, b"ok"), name
        assert not {"Set-Cookie", "Link", "X-T"} & set(answer.headers), name
        assert (await gateway.ask("GET", "essai/ok")).body == b"ok"


async def test_attack_an_answer_that_is_never_one(gateway: Gateway) -> None:
    answer = await asyncio.wait_for(gateway.ask("GET", "essai/ever"), 10)
    assert (answer.status, answer.code) == (502, "service-unreadable")
    assert (await gateway.ask("GET", "essai/ok")).body == b"ok"


async def test_headers_in_either_alphabet_stay_readable(gateway: Gateway, service: RudeService) -> None:
    for word in (b"caf\xe9", "café".encode()):
        service.answers["word"] = b"HTTP/1.1 200 OK\r\nX-Word: " + word + b"\r\nContent-Length: 0\r\n\r\n"
        assert (await gateway.ask("GET", "essai/word")).headers["X-Word"] == "café"


async def test_attack_a_fault_of_a_thousand_codes(gateway: Gateway, service: RudeService) -> None:
    """An answer's head stays one that any library takes."""
    body = FAULT % b" ".join(b"DMPA" + bytes([97 + n // 26 % 26, 97 + n % 26]) for n in range(676))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body)
    service.answers["fault"] = head + body
    answer = await gateway.ask("GET", "essai/fault")
    assert answer.body == body
    assert len(answer.headers["CPS-Agent-Fault"].split(", ")) <= 8


async def raw(gateway: Gateway, path: str, lines: bytes, method: str = "GET", body: bytes = b"") -> bytes:
    """The whole answer to a request as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agent.port)
    head = f"{method} /v1/gateway/essai/{path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.agent.port}\r\n"
    head += f"Authorization: Bearer {gateway.agent.token}\r\nConnection: close\r\n"
    writer.write(head.encode() + lines + b"\r\n" + body)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


async def test_attack_no_header_speaks_for_the_request_line_or_for_tls(gateway: Gateway, service: RudeService) -> None:
    """Names that a server may read as another header, as the path, the method, or the client's certificate."""
    for line in (
        b"Content_Length: 5", b"Transfer_Encoding: chunked", b"X_Forwarded_For: 1.2.3.4", b"X-Original-URL: /admin",
        b"X-Rewrite-URL: /admin", b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: PUT", b"X-HTTP-Method: PUT",
        b"Client-Cert: :MII=:", b"Client-Cert-Chain: :MII=:", b"X-SSL-Client-Cert: x", b"SSL-Client-Verify: SUCCESS",
        b"X-Client-Cert: x", b"X-Forwarded: x", b"X-Forwarded-Client-Cert: x", b"Upgrade: h2c", b"HTTP2-Settings: AAMA",
        b"Expect: 100-continue", b"TE: trailers", b"Trailer: X", b"Proxy-Connection: keep-alive", b"Forwarded: for=x",
    ):  # fmt: skip
        before = len(service.heads)
        answer = await raw(gateway, "ok", line + b"\r\nSOAPAction: kept\r\n")
        assert b" 200 " in answer[:16], (line, answer)
        ((_, head),) = service.heads[before:]
        assert [each.partition(b":")[0] for each in head.split(b"\r\n")[1:-2]] == [b"Host", b"SOAPAction"], line


async def test_attack_bytes_that_are_no_text_are_not_dropped_on_the_way(gateway: Gateway, service: RudeService) -> None:
    before = len(service.heads)
    answer = await raw(gateway, "ok", b"X-Name: caf\xe9\r\n")
    assert b" 400 " in answer[:16]
    assert len(service.heads) == before


@pytest.mark.parametrize("lines", [b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_attack_the_rest_of_a_body_never_becomes_a_request(
    gateway: Gateway, service: RudeService, lines: bytes
) -> None:
    """The service answers before the body has come, and keeps its line open: that line serves nobody any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agent.port)
    head = f"POST /v1/gateway/essai/early HTTP/1.1\r\nHost: 127.0.0.1:{gateway.agent.port}\r\n"
    body = b"GET /smuggled HTTP/1.1\r\n" if b"Length" in lines else b"18\r\nGET /smuggled HTTP/1.1\r\n\r\n"
    writer.write(f"{head}Authorization: Bearer {gateway.agent.token}\r\n".encode() + lines + b"\r\n" + body)
    assert b" 200 " in (await asyncio.wait_for(reader.readuntil(b"ok"), 10))[:16]
    early = next(number for number, head in service.heads if b"/early" in head)
    for _ in range(3):
        before = len(service.heads)
        assert (await gateway.ask("GET", "essai/ok")).body == b"ok"
        ((number, head),) = service.heads[before:]
        assert number != early
        assert head.startswith(b"GET /ok ")
    writer.close()


async def test_attack_a_body_is_never_sent_twice_or_by_half(gateway: Gateway, service: RudeService) -> None:
    """The service hears it all on a kept line and hangs up: whether it was carried out nobody knows."""
    ways = (
        (b"Content-Length: 5\r\n", b"hello"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
    )
    for method, (lines, body) in itertools.product(("PUT", "DELETE", "POST", "PATCH"), ways):
        assert (await gateway.ask("GET", "essai/ok")).status == 200
        before = len(service.heads)
        assert b'"service-cut"' in await raw(gateway, "hang", lines, method, body)
        assert len(service.heads) == before + 1


@pytest.mark.parametrize("ticked", [True, False])
async def test_attack_a_service_that_leaves_everybody_standing_asks_for_no_signature_after_signature(
    folder: Path, readers: VirtualReaders, ticked: bool
) -> None:
    """It resumes nothing, and ends each line once the card has signed for it."""
    service = RudeService({"ok": OK}, hangs_up=True, resumes=False)
    async with rude_gateway(folder, readers, service) as gateway:
        gateway.person.session = ticked
        answer = await asyncio.wait_for(gateway.ask("GET", "essai/ok"), 20)
        assert (answer.status, answer.code) == (502, "service-cut")
        assert len(await gateway.journal("open-channel")) <= 3
        service.hangs_up = False
        assert (await gateway.ask("GET", "essai/ok")).body == b"ok"
