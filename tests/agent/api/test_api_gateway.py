"""The gateway as a program uses it: one code, one signature, and then only requests."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support.gateway import Gateway, cancel, open_gateway, peak_kb, reset_peak_kb
from support.schemas import list_misfits

from agent.people.prompt import Action, PinAnswer, PinRequest
from drivers.base import CardSlot
from drivers.pin import Pin
from drivers.virtual.chip import Chip
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card

SIZE = 64 * 1024 * 1024
PIECE = b"x" * (256 * 1024)
GONE: list[str] = []
ZIPPED = gzip.compress(b"<soap/>" * 1000)


async def echo(request: web.Request) -> web.Response:
    """What came, and how."""
    body = await request.read()
    seen = {name: request.headers.getall(name) for name in request.headers}
    return web.json_response({"method": request.method, "target": request.raw_path, "headers": seen, "size": len(body)})


async def give_zipped(request: web.Request) -> web.Response:
    assert await request.read() == ZIPPED
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/soap+xml", "X-Trace": "7"}
    return web.Response(body=ZIPPED, headers=headers)


async def refuse_early(request: web.Request) -> web.Response:
    return web.json_response({"too": "large"}, status=413, headers={"Connection": "close"})


async def move(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": "https://evil.example/"})


async def stop_midway(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    if request.query.get("how") == "length":
        response.content_length = 1000
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def say_nothing(request: web.Request) -> web.Response:
    await request.read()
    await asyncio.Future()
    raise AssertionError


async def say_it_is_gone(request: web.Request) -> web.Response:
    await request.read()
    GONE.append(request.method)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def count(request: web.Request) -> web.Response:
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
    return web.json_response({"size": size})


async def give(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/pdf"})
    response.content_length = SIZE
    await response.prepare(request)
    for _ in range(SIZE // len(PIECE)):
        await response.write(PIECE)
    return response


async def give_nothing(request: web.Request) -> web.Response:
    return web.Response(status=204)


HANDLERS = {
    "echo": echo, "zipped": give_zipped, "early": refuse_early, "moved": move, "stops": stop_midway,
    "count": count, "give": give, "silent": say_nothing, "gone": say_it_is_gone, "nothing": give_nothing,
}  # fmt: skip


class CountedReaders(VirtualReaders):
    """Readers that count what is said to their cards, by whoever says it."""

    def __init__(self, cards: Sequence[Chip]) -> None:
        super().__init__(cards)
        self._slots: list[CardSlot] = []

    @property
    def exchanges(self) -> int:
        return sum(slot.exchanges for slot in self._slots)

    def open_slot(self, name: str) -> CardSlot:
        self._slots.append(slot := super().open_slot(name))
        return slot


@pytest.fixture
def readers(folder: Path) -> Iterator[CountedReaders]:
    with open_card(folder) as card:
        yield CountedReaders([card])


@pytest.fixture
async def gateway(folder: Path, readers: CountedReaders) -> AsyncIterator[Gateway]:
    async with open_gateway(folder, readers, HANDLERS) as opened:
        yield opened


async def test_1000_requests_over_kept_connections_cost_one_card_signature(
    gateway: Gateway, readers: CountedReaders
) -> None:
    async def ask_many(count: int) -> None:
        for _ in range(count):
            async with gateway.request("GET", "essai/") as response:
                assert response.status == 200
                assert (await response.read()).startswith(b"SUCCESS TLSv1.2 ")

    await ask_many(1)
    said = readers.exchanges
    await asyncio.gather(*(ask_many(125) for _ in range(7)), ask_many(124))

    assert readers.exchanges == said > 0  # not a word to the card after the first request
    (opened,) = await gateway.journal("open-channel")
    (shown,) = (await gateway.agent.program("GET", "/v1/gateway")).body["channels"]
    assert (shown["service"], shown["requests"]) == ("essai", 1000)
    answer = await gateway.agent.program("DELETE", "/v1/gateway/essai")
    assert answer.body == {"closed": 1}
    (ended,) = await gateway.journal("end-channel")
    assert (ended["subject"], ended["outcome"]) == ("Essai (localhost) (x1000)", "closed")
    assert opened["exchanges"] < 20
    assert len(await gateway.journal()) < 8
    assert [type(question).__name__ for question in gateway.person.asked] == ["ConfirmRequest", "PinRequest"]


async def test_what_passes_is_passed_as_it_is(gateway: Gateway) -> None:
    path = "essai/app/echo?id=urn:oid:1.2%7C3"
    headers = {"SOAPAction": '"x"', "User-Agent": "LGC/1", "CPS-Agent-Authorization": "Bearer of-the-service"}
    told = await gateway.ask("POST", path, headers | {"Content-Type": "application/soap+xml"}, data=b"<soap/>")
    seen = told.json()
    assert (seen["method"], seen["target"], seen["size"]) == ("POST", "/app/echo?id=urn:oid:1.2%7C3", 7)
    assert seen["headers"]["Authorization"] == ["Bearer of-the-service"]
    assert seen["headers"]["User-Agent"] == ["LGC/1"]
    assert seen["headers"]["SOAPAction"] == ['"x"']
    assert "SN=VIRTUEL" in seen["headers"]["Card"][0]

    zipped = {"Content-Encoding": "gzip", "Content-Type": "application/soap+xml"}
    given = await gateway.ask("POST", "essai/app/zipped", zipped, data=ZIPPED)
    assert (given.status, given.body, given.headers["Content-Encoding"]) == (200, ZIPPED, "gzip")
    assert given.headers["X-Trace"] == "7"

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1000

    chunked = await gateway.ask("PUT", "essai/app/echo", data=pieces())
    assert (chunked.json()["size"], chunked.json()["method"]) == (5000, "PUT")
    assert (await gateway.ask("HEAD", "essai/app/echo")).status == 200
    assert (await gateway.ask("DELETE", "essai/app/nothing")).status == 204
    moved = await gateway.ask("GET", "essai/app/moved", allow_redirects=False)
    assert (moved.status, moved.headers["CPS-Agent-Location"]) == (307, "https://evil.example/")
    assert "Location" not in moved.headers


async def test_a_caller_that_waits_is_told_to_go_on_once_the_way_is_open(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agent.port)
    head = f"Host: 127.0.0.1:{gateway.agent.port}\r\nAuthorization: Bearer {gateway.agent.token}\r\n"
    more = "Content-Type: text/xml\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n"
    writer.write(f"POST /v1/gateway/nobody/x HTTP/1.1\r\n{head}Connection: close\r\n{more}".encode())
    assert b" 404 " in await asyncio.wait_for(reader.readline(), 10)
    writer.close()

    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agent.port)
    writer.write(f"POST /v1/gateway/essai/app/echo HTTP/1.1\r\n{head}Connection: close\r\n{more}".encode())
    assert await asyncio.wait_for(reader.readline(), 10) == b"HTTP/1.1 100 Continue\r\n"
    assert len(gateway.person.asked) == 2
    writer.write(b"<soap>")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b" 200 " in answer
    assert b'"size": 6' in answer
    writer.close()


async def test_an_answer_before_the_requests_end_reaches_the_caller(gateway: Gateway) -> None:
    more = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await more.wait()
        yield b"x"

    async with asyncio.timeout(10), gateway.request("POST", "essai/app/early", data=pieces()) as response:
        assert response.status == 413
        assert await response.json() == {"too": "large"}
        more.set()


@pytest.mark.parametrize("how", ["length", "chunks"])
async def test_an_answer_that_is_cut_off_never_looks_complete(gateway: Gateway, how: str) -> None:
    async with gateway.request("GET", f"essai/app/stops?how={how}") as response:
        assert response.status == 200
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await response.read()
    (noted,) = [entry for entry in await gateway.journal("use-gateway") if entry["outcome"] == "service-cut"]
    assert noted["subject"] == "Essai (localhost)"


async def test_large_bodies_flow_through_and_nothing_is_kept_of_them(gateway: Gateway) -> None:
    """64 MB each way, through the client, the agent and the service of this one process."""
    await gateway.ask("GET", "essai/")
    before = reset_peak_kb()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(SIZE // len(PIECE)):
            yield PIECE

    sent = await gateway.ask("POST", "essai/app/count", data=pieces())
    assert sent.json()["size"] == SIZE
    size = 0
    async with gateway.request("GET", "essai/app/give") as response:
        assert response.content_length == SIZE
        async for piece in response.content.iter_any():
            size += len(piece)
    assert size == SIZE
    assert peak_kb() - before < 20 * 1024


async def test_a_body_beyond_the_limit_is_refused_said_or_not(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.api.gateway.GATEWAY_BODY", 100_000)
    said = await gateway.ask("POST", "essai/app/echo", data=b"x" * 100_001)
    assert (said.status, said.code) == (413, "body-too-large")
    assert not gateway.person.asked

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    unsaid = await gateway.ask("POST", "essai/app/echo", data=pieces())
    assert (unsaid.status, unsaid.code) == (413, "body-too-large")
    assert (await gateway.ask("POST", "essai/app/echo", data=b"x" * 100_000)).json()["size"] == 100_000


async def test_what_is_wrong_with_a_request_is_said_before_anybody_is_asked(gateway: Gateway) -> None:
    answers = [
        await gateway.ask("GET", "nobody/x"),
        await gateway.ask("GET", "essai/a;b"),
        await gateway.ask("POST", "insi/x", data=b"<soap/>"),
        await gateway.ask("GET", "dmp/x"),
    ]
    assert [(each.status, each.code) for each in answers] == [
        (404, "service-unknown"), (400, "target-refused"), (400, "certificate-unnamed"), (405, "bad-request")
    ]  # fmt: skip
    assert [type(question).__name__ for question in gateway.person.asked] == ["ConfirmRequest"]


async def test_a_request_that_was_sent_is_not_sent_again(gateway: Gateway) -> None:
    first = await gateway.ask("PUT", "essai/app/echo", data=b"<soap/>")  # leaves a kept connection
    assert first.status == 200
    cut = await gateway.ask("PUT", "essai/app/gone?once", data=b"<soap/>")
    assert (cut.status, cut.code) == (502, "html-refused")  # nginx's own page, since what stands behind it is gone
    assert cut.problem["serviceStatus"] == 502
    assert GONE == ["PUT"]


async def test_a_service_that_says_nothing_is_given_up(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.services.channels.channel.SILENCE_S", 0.3)
    late = await gateway.ask("POST", "essai/app/silent", data=b"<soap/>")
    assert (late.status, late.code) == (504, "service-timeout")


async def test_the_first_calls_share_one_question_and_who_leaves_takes_only_itself_away(gateway: Gateway) -> None:
    going = asyncio.Event()
    asked = asyncio.Event()

    async def wait() -> None:
        asked.set()
        await going.wait()

    gateway.person.on_ask = wait
    calls = [asyncio.ensure_future(gateway.ask("GET", "essai/")) for _ in range(4)]
    await asyncio.wait_for(asked.wait(), 10)
    await cancel(calls.pop(0))
    going.set()
    assert [answer.status for answer in await asyncio.gather(*calls)] == [200] * 3
    assert [type(question).__name__ for question in gateway.person.asked] == ["ConfirmRequest", "PinRequest"]
    question = gateway.person.asked[-1]
    assert isinstance(question, PinRequest)
    assert (question.action, question.subjects) == (Action.CONNECT, ("Essai", "localhost"))
    assert len(await gateway.journal("open-channel")) == 1


async def test_the_code_is_wiped_before_a_body_flows(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytearray] = []
    ask = gateway.person.ask_pin

    async def ask_pin(request: PinRequest) -> PinAnswer:
        answer = await ask(request)
        assert isinstance(answer.code, Pin)
        given.append(answer.code._digits)
        return answer

    monkeypatch.setattr(gateway.person, "ask_pin", ask_pin)
    seen: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        seen.extend(map(bytes, given))
        yield b"<soap/>"

    assert (await gateway.ask("POST", "essai/app/echo", {"Expect": "100-continue"}, data=pieces())).status == 200
    assert seen == [bytes(4)]


async def test_a_wrong_code_and_no_card_open_nothing(gateway: Gateway, readers: VirtualReaders) -> None:
    gateway.person.pin = "9999"
    wrong = await gateway.ask("GET", "essai/")
    assert (wrong.status, wrong.code, wrong.problem["triesLeft"]) == (403, "pin-wrong", 2)
    readers.remove()
    absent = await gateway.ask("GET", "essai/")
    assert (absent.status, absent.code) == (409, "card-absent")
    entries = await gateway.journal("use-gateway")
    assert [(entry["outcome"], entry["subject"]) for entry in entries] == [
        ("card-absent", "Essai (localhost)"), ("pin-wrong", "Essai (localhost)")
    ]  # fmt: skip


async def test_named_cards_and_answers_are_as_described(gateway: Gateway) -> None:
    number = {"CPS-Agent-Card": DEFAULT.serial}
    assert (await gateway.ask("GET", "essai/", number)).status == 200
    assert (await gateway.ask("GET", "essai/")).status == 200
    assert len(gateway.person.asked) == 2
    other = await gateway.ask("GET", "essai/", {"CPS-Agent-Card": "12345678"})
    assert (other.status, other.code) == (409, "card-absent")
    document = (await gateway.agent.call("GET", "/openapi.json", None, {})).body
    described = document["paths"]["/v1/gateway"]["get"]["responses"]["2XX"]["content"]["application/json"]["schema"]
    shown = (await gateway.agent.program("GET", "/v1/gateway")).body
    assert list_misfits(shown, described, document["components"]["schemas"]) == []
    confirmed = {service["name"]: service["confirmed"] for service in shown["services"]}
    assert (confirmed["essai"], confirmed["dmp"], confirmed["insi"]) == (True, True, False)
