"""A channel lasts as long as what it was opened for: the card, the person, the grant, its time, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from support.gateway import Asked, Gateway, open_gateway
from support.schemas import list_misfits

from agent.people.presence import AwayReason
from agent.people.prompt import PinRequest
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders

NOT_RESUMED = "ssl_session_cache off; ssl_session_tickets off;"


class Held:
    """Requests that the service has and does not answer yet."""

    def __init__(self) -> None:
        self.came = asyncio.Event()
        self.go = asyncio.Event()

    async def wait(self, request: web.Request) -> web.Response:
        await request.read()
        self.came.set()
        await self.go.wait()
        return web.Response(text="late", content_type="text/plain")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"begun")
        self.came.set()
        await self.go.wait()
        return response


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def gateway(folder: Path, readers: VirtualReaders, held: Held) -> AsyncIterator[Gateway]:
    async with open_gateway(folder, readers, {"wait": held.wait, "stream": held.stream}) as opened:
        yield opened
        held.go.set()


def codes_asked(gateway: Gateway) -> int:
    return sum(isinstance(question, PinRequest) for question in gateway.person.asked)


async def pull(gateway: Gateway, readers: VirtualReaders) -> None:
    readers.remove()


async def lock_screen(gateway: Gateway, readers: VirtualReaders) -> None:
    gateway.presence.leave(AwayReason.LOCKED)


async def lose_signals(gateway: Gateway, readers: VirtualReaders) -> None:
    gateway.presence.leave(AwayReason.LOST)


async def lock(gateway: Gateway, readers: VirtualReaders) -> None:
    assert (await gateway.agent.program("POST", "/v1/pin/lock", {})).body == {"ended": 1}


async def revoke(gateway: Gateway, readers: VirtualReaders) -> None:
    for grant in (await gateway.agent.program("GET", "/v1/grants")).body["grants"]:
        await gateway.agent.program("DELETE", f"/v1/grants/{grant['id']}")


async def close(gateway: Gateway, readers: VirtualReaders) -> None:
    assert (await gateway.agent.program("DELETE", "/v1/gateway/essai")).body == {"closed": 1}


ENDS: dict[str, Callable[[Gateway, VirtualReaders], Awaitable[None]]] = {
    "card-removed": pull, "person-away": lock_screen, "locked": lock, "grant-revoked": revoke, "closed": close,
}  # fmt: skip


@pytest.mark.parametrize("reason", ENDS)
async def test_what_is_under_way_is_cut_and_told_why(
    gateway: Gateway, held: Held, readers: VirtualReaders, reason: str
) -> None:
    request = asyncio.ensure_future(gateway.ask("POST", "essai/app/wait", data=b"<soap/>"))
    await asyncio.wait_for(held.came.wait(), 10)
    await ENDS[reason](gateway, readers)
    answer: Asked = await asyncio.wait_for(request, 10)
    assert (answer.status, answer.code, answer.problem["reason"]) == (409, "channel-ended", reason)
    (ended,) = await gateway.journal("end-channel")
    assert (ended["outcome"], ended["subject"]) == (reason, "Essai (localhost) (x1)")
    assert (await gateway.agent.program("GET", "/v1/gateway")).body["channels"] == []


@pytest.mark.parametrize("end", [pull, lock_screen])
async def test_an_answer_that_flows_is_cut_without_looking_complete(
    gateway: Gateway, held: Held, readers: VirtualReaders, end: Callable[[Gateway, VirtualReaders], Awaitable[None]]
) -> None:
    async with gateway.request("GET", "essai/app/stream") as response:
        assert await response.content.readany() == b"begun"
        await end(gateway, readers)
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientOSError)):
            await asyncio.wait_for(response.read(), 10)


@pytest.mark.parametrize("end", [lock_screen, lose_signals, lock, close])
async def test_the_person_is_asked_again_afterwards(
    gateway: Gateway, readers: VirtualReaders, end: Callable[[Gateway, VirtualReaders], Awaitable[None]]
) -> None:
    assert (await gateway.ask("GET", "essai/")).status == 200
    await end(gateway, readers)
    for _ in range(2):
        assert (await gateway.ask("GET", "essai/")).status == 200
    assert codes_asked(gateway) == 2


async def test_programs_hear_of_channels(gateway: Gateway) -> None:
    url = f"http://127.0.0.1:{gateway.agent.port}/v1/events"
    document = (await gateway.agent.call("GET", "/openapi.json", None, {})).body
    described = document["components"]["schemas"]["Event"]
    async with gateway.client.ws_connect(url, headers=gateway.headers) as socket:
        await gateway.ask("GET", "essai/")
        await close(gateway, VirtualReaders())
        heard = []
        while not heard or heard[-1]["type"] != "channel-ended":
            message = await socket.receive_json(timeout=10)
            heard += [message] if str(message["type"]).startswith("channel-") else []
    assert [message["type"] for message in heard] == ["channel-opened", "channel-ended"]
    assert [message["id"] for message in heard] == ["essai", "essai"]
    assert heard[-1]["code"] == "closed"
    assert [list_misfits(message, described, document["components"]["schemas"]) for message in heard] == [[], []]


async def test_a_card_that_was_pulled_and_put_back_is_another_one(folder: Path) -> None:
    with open_card_of_kind(folder, "cps3") as card:
        readers = VirtualReaders([card])
        async with open_gateway(folder, readers) as gateway:
            assert (await gateway.ask("GET", "essai/")).status == 200
            readers.remove()
            readers.insert(card)
            async with asyncio.timeout(10):
                while not await gateway.journal("end-channel"):
                    await asyncio.sleep(0.01)
            assert (await gateway.ask("GET", "essai/")).status == 200
            assert codes_asked(gateway) == 2


async def test_a_grant_that_is_taken_back_while_the_person_is_asked_opens_nothing(
    gateway: Gateway, readers: VirtualReaders
) -> None:
    async def take_back() -> None:
        await revoke(gateway, readers)

    gateway.person.on_ask = take_back
    answer = await gateway.ask("GET", "essai/")
    assert (answer.status, answer.code) == (403, "grant-required")
    assert (await gateway.agent.program("GET", "/v1/gateway")).body["channels"] == []


async def test_the_agents_own_end_is_the_end_of_channels(folder: Path, readers: VirtualReaders, held: Held) -> None:
    async with open_gateway(folder, readers, {"wait": held.wait}) as gateway:
        request = asyncio.ensure_future(gateway.ask("POST", "essai/app/wait", data=b"<soap/>"))
        await asyncio.wait_for(held.came.wait(), 10)
        gateway.agent.daemon.stop()
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            (await asyncio.wait_for(request, 10)).json()["late"]
        held.go.set()


async def test_connections_that_the_service_closes_are_taken_up_without_a_question(
    folder: Path, readers: VirtualReaders
) -> None:
    async with open_gateway(
        folder, readers, locations="location /once { keepalive_timeout 0; return 200; }"
    ) as gateway:
        for _ in range(5):
            assert (await gateway.ask("GET", "essai/once")).status == 200
        (shown,) = (await gateway.agent.program("GET", "/v1/gateway")).body["channels"]
        assert shown["requests"] == 5
        assert codes_asked(gateway) == 1
        assert len(await gateway.journal("open-channel")) == 1


async def test_where_nothing_is_resumed_one_connection_serves_all(folder: Path, readers: VirtualReaders) -> None:
    async with open_gateway(folder, readers, tls=NOT_RESUMED) as gateway:
        answers = await asyncio.gather(*(gateway.ask("GET", "essai/") for _ in range(20)))
        assert [answer.status for answer in answers] == [200] * 20
        assert codes_asked(gateway) == 1


@pytest.mark.parametrize("ticked", [True, False])
async def test_where_nothing_is_resumed_a_closed_connection_costs_a_signature(
    folder: Path, readers: VirtualReaders, ticked: bool
) -> None:
    once = "location /once { keepalive_timeout 0; return 200; }"
    async with open_gateway(folder, readers, locations=once, tls=NOT_RESUMED) as gateway:
        gateway.person.session = ticked
        for _ in range(3):
            assert (await gateway.ask("GET", "essai/once")).status == 200
        assert codes_asked(gateway) == (1 if ticked else 3)
        assert len(await gateway.journal("open-channel")) == 3
        assert len((await gateway.agent.program("GET", "/v1/gateway")).body["channels"]) == 1


async def test_where_no_code_may_be_kept_a_channel_ends_with_its_last_request(
    folder: Path, readers: VirtualReaders
) -> None:
    async with open_gateway(folder, readers, pin_session_minutes=0) as gateway:
        for _ in range(2):
            assert (await gateway.ask("GET", "essai/")).status == 200
        assert codes_asked(gateway) == 2


async def test_whatever_ends_a_channel_at_whatever_moment_is_told_as_such(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Twelve callers in a row, and channels that end under them: every outcome is an answer, or said to be none."""
    over = asyncio.Event()
    outcomes: set[tuple[int, str | None]] = set()

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), content_type="text/xml")

    async def ask_on(gateway: Gateway, body: bytes) -> None:
        while not over.is_set():
            try:
                answer = await gateway.ask("POST", "essai/app/echo", data=body)
            except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
                continue  # cut off, and seen to be
            assert answer.body == body or answer.code, answer
            outcomes.add((answer.status, answer.code))

    with open_card_of_kind(folder, "cps3") as card:
        readers = VirtualReaders([card])
        async with open_gateway(folder, readers, {"echo": echo}) as gateway:
            callers = [asyncio.ensure_future(ask_on(gateway, b"x" * size)) for size in (1, 1000, 300_000) * 4]
            for end in (lock_screen, pull, lose_signals, close_all) * 3:
                while (200, None) not in outcomes:
                    await asyncio.sleep(0.001)
                outcomes.discard((200, None))
                await end(gateway, readers)
                if end is pull:
                    readers.insert(card)
            over.set()
            await asyncio.gather(*callers)
    known = {(200, None), (409, "channel-ended"), (409, "card-removed"), (409, "card-absent")}
    assert outcomes <= known | {(502, "service-cut")}
    assert "internal error" not in caplog.text


async def close_all(gateway: Gateway, readers: VirtualReaders) -> None:
    await gateway.agent.program("DELETE", "/v1/gateway/essai")
