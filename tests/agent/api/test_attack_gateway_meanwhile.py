"""What changes while a person is asked, or a key signs, counts: nothing is opened on the strength of what is gone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from support.gateway import Gateway, open_gateway

from agent.people.presence import AwayReason
from agent.people.prompt import CardChoice, ConfirmRequest, PinRequest
from agent.services.channels.lines import _Loan
from agent.services.tls import lines
from agent.services.tls.context import make_context
from drivers.base import Digest
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders

ONCE = "location /once { keepalive_timeout 0; return 200; }"
NOT_RESUMED = "ssl_session_cache off; ssl_session_tickets off;"


@pytest.fixture
async def gateway(folder: Path, readers: VirtualReaders) -> AsyncIterator[Gateway]:
    async with open_gateway(folder, readers) as opened:
        yield opened


async def revoke_all(gateway: Gateway) -> None:
    for grant in (await gateway.agent.program("GET", "/v1/grants")).body["grants"]:
        assert (await gateway.agent.program("DELETE", f"/v1/grants/{grant['id']}")).status == 204


def once(deed: Callable[[], Any]) -> Callable[[], Any]:
    """Something that happens at the first question alone."""
    left = [deed]
    return lambda: left.pop()() if left else None


async def opened_lines(gateway: Gateway) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = (await gateway.agent.program("GET", "/v1/gateway")).body["channels"]
    return shown


async def test_attack_a_grant_that_is_taken_back_while_the_code_is_typed(gateway: Gateway) -> None:
    """The key signs nothing for it, and the next grant begins with a question for the code."""
    gateway.person.on_ask = once(lambda: revoke_all(gateway))
    answer = await gateway.ask("GET", "essai/")
    assert (answer.status, answer.code) == (403, "grant-required")
    assert await opened_lines(gateway) == []
    assert await gateway.journal("open-channel") == []
    assert (await gateway.ask("GET", "essai/")).status == 200
    kinds = [type(question) for question in gateway.person.asked]
    assert kinds == [ConfirmRequest, PinRequest, ConfirmRequest, PinRequest]


async def test_attack_a_card_that_is_changed_while_the_code_is_typed(folder: Path) -> None:
    """The code goes to no card at all: neither to the one that is gone, nor to the one that came."""
    with open_card_of_kind(folder, "cps3") as card, open_card_of_kind(folder, "cps4") as other:
        readers = VirtualReaders([card])
        async with open_gateway(folder, readers) as gateway:

            def change() -> None:
                readers.remove()
                readers.insert(other)

            gateway.person.on_ask = once(change)
            assert (await gateway.ask("GET", "essai/")).code == "card-removed"
            assert await opened_lines(gateway) == []
            assert (await gateway.ask("GET", "essai/")).status == 200
            (line,) = await opened_lines(gateway)
            asked = [question for question in gateway.person.asked if isinstance(question, PinRequest)]
            assert line["cardNumber"] == asked[1].card.number != asked[0].card.number


@pytest.mark.parametrize("end", ["revoke", "away"])
async def test_attack_a_line_that_ends_while_the_person_is_asked_to_renew_it(
    folder: Path, readers: VirtualReaders, end: str
) -> None:
    """Where nothing is resumed a closed line costs a code: one that is typed too late signs nothing."""
    async with open_gateway(folder, readers, locations=ONCE, tls=NOT_RESUMED) as gateway:
        assert (await gateway.ask("GET", "essai/once")).status == 200
        signed = await gateway.journal("open-channel")

        async def away() -> None:
            gateway.presence.leave(AwayReason.LOCKED)

        gateway.person.on_ask = once(away if end == "away" else lambda: revoke_all(gateway))
        assert (await gateway.ask("GET", "essai/once")).code == "channel-ended"
        assert await gateway.journal("open-channel") == signed
        assert await opened_lines(gateway) == []


async def test_attack_a_person_who_leaves_before_the_handshake_begins(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code was typed, and nothing is signed with it: two exchanges look at the card's tries."""
    loop = asyncio.get_running_loop()

    def make_late(*given: Any) -> Any:
        context = make_context(*given)
        loop.call_soon_threadsafe(gateway.presence.leave, AwayReason.LOCKED)
        return context

    monkeypatch.setattr(lines, "make_context", make_late)
    answer = await gateway.ask("GET", "essai/")
    assert (answer.status, answer.code) == (409, "channel-ended")
    (entry,) = await gateway.journal("use-gateway")
    assert (entry["outcome"], entry["exchanges"]) == ("channel-ended", 2)
    assert await gateway.journal("open-channel") == []


async def test_attack_a_person_who_leaves_while_the_server_takes_its_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has asked for the key by then."""
    loop = asyncio.get_running_loop()
    use = _Loan.use

    def use_late(loan: _Loan, digest: Digest) -> bytes:
        loop.call_soon_threadsafe(gateway.presence.leave, AwayReason.LOCKED)
        return use(loan, digest)

    monkeypatch.setattr(_Loan, "use", use_late)
    assert (await gateway.ask("GET", "essai/")).code == "channel-ended"
    (entry,) = await gateway.journal("use-gateway")
    assert entry["exchanges"] == 2


SOAP = "http://www.w3.org/2003/05/soap-envelope"
MESSAGE = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/></s:Body></s:Envelope>'.encode()
XML = {"Content-Type": "application/soap+xml; charset=utf-8"}
SEEN: list[tuple[str, bytes]] = []


def asking() -> dict[str, str]:
    """For a VIHF of whoever's card it is."""
    wanted = {
        "mode": "direct",
        "structure": {"id": "499700002712005"},
        "patient": {"ins": "207058575627097", "kind": "test"},
    }
    return {"CPS-Agent-Assertion": base64.b64encode(json.dumps(wanted).encode()).decode()}


async def take(request: web.Request) -> web.Response:
    SEEN.append((request.headers["Card"], await request.read()))
    return web.Response(body=b"<done/>", content_type="application/soap+xml")


async def test_attack_two_professionals_in_one_message(folder: Path) -> None:
    """With two cards there, whoever was chosen for the line signs what is said in it: nobody is asked twice."""
    SEEN.clear()
    with open_card_of_kind(folder, "cps3") as card, open_card_of_kind(folder, "cps4") as other:
        readers = VirtualReaders([card, other])
        async with open_gateway(folder, readers, {"soap": take}, 'assertion = "vihf"') as gateway:
            cards = (await gateway.agent.program("GET", "/v1/cards")).body["cards"]
            gateway.person.chooses = cards[1]["number"]

            def choose_the_other() -> None:
                gateway.person.chooses = cards[0]["number"]

            gateway.person.on_ask = once(choose_the_other)
            answer = await gateway.ask("POST", "essai/app/soap", XML | asking(), data=MESSAGE)
            assert answer.status == 200, answer.body
            choices = [question for question in gateway.person.asked if isinstance(question, CardChoice)]
            numbers = [question.card.number for question in gateway.person.asked if isinstance(question, PinRequest)]
            assert (len(choices), numbers) == (1, [cards[1]["number"]] * 2)
            ((subject, message),) = SEEN
            assert cards[1]["holder"]["nationalId"] in subject
            assert cards[1]["holder"]["nationalId"].encode() in message


async def test_attack_a_card_that_is_changed_before_it_signs_the_message(folder: Path) -> None:
    """The line is gone with the card that opened it: nothing is sent, and the other person's card signs nothing."""
    SEEN.clear()
    with open_card_of_kind(folder, "cps3") as card, open_card_of_kind(folder, "cps4") as other:
        readers = VirtualReaders([card])
        async with open_gateway(folder, readers, {"soap": take}, 'assertion = "vihf"') as gateway:
            assert (await gateway.ask("GET", "essai/")).status == 200

            def change() -> None:
                readers.remove()
                readers.insert(other)

            gateway.person.on_ask = once(change)
            answer = await gateway.ask("POST", "essai/app/soap", XML | asking(), data=MESSAGE)
            assert answer.code == "card-removed"
            assert not SEEN
            assert [entry["outcome"] for entry in await gateway.journal("use-gateway")] == ["card-removed"]
