"""Logins on another device through the whole agent: node's oidc-provider asks, the test answers as the person does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.agent import Person
from support.ciba import CIBA, DEADLINE_S, answered, heard, ring
from support.oidc_provider import DOCTOR, NURSE, Provider, claims_of
from support.psc_desk import PROGRAM, PscDesk, psc_desk
from support.secret_service import why_no_secret_service

from agent.people.prompt import Notice, NumberSummary
from agent.services.psc.checks import AUTH_REQ_ID
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT

API = "https://api.example/ins"

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))


@pytest.fixture
def provider(issuer: Provider) -> Iterator[Provider]:
    issuer.change("/backchannel", body={"interval": 1})
    yield issuer
    issuer.restore()
    for call in issuer.tell("calls"):
        issuer.tell("answerCall", id=call["id"], agrees=False)


class Watching(Person):
    """Somebody who sees the number for as long as it is shown."""

    shown: Notice | None = None

    async def inform(self, message: Notice) -> None:
        self.told.append(message)
        self.shown = message
        try:
            await asyncio.Future()
        finally:
            self.shown = None


@pytest.fixture
def watching() -> Watching:
    return Watching()


@pytest.fixture
async def desk(folder: Path, provider: Provider, readers: VirtualReaders, watching: Watching) -> AsyncIterator[PscDesk]:
    async with psc_desk(folder, provider, readers, watching, client={"audiences": [API]}) as running:
        yield running


async def seen(watching: Watching) -> NumberSummary:
    """What the person sees, once they see it."""
    async with asyncio.timeout(DEADLINE_S):
        while watching.shown is None:
            await asyncio.sleep(0.01)
    assert watching.shown.login is not None
    return watching.shown.login


def listen(client: Any, listening: threading.Event) -> str:
    """The number of the next login, as a program hears of it."""
    with client.events() as events:
        for event in events:
            listening.set()
            if event["type"] == "psc-number":
                return str(event["code"])
    raise AssertionError("the stream has ended")


async def e_cps(desk: PscDesk) -> list[tuple[bool, str, str | None]]:
    """What is known of e-CPS: of a test domain or not, its state, and why."""
    bearers = (await desk.agent.program("GET", "/v1/means")).body["bearers"]
    found = [(one["test"], means) for one in bearers for means in one["means"] if means["kind"] == "e-cps"]
    return [(test, means["state"], means["stateReason"]) for test, means in found]


async def test_a_whole_login_with_the_e_cps(desk: PscDesk, watching: Watching) -> None:
    listening = threading.Event()
    number = asyncio.create_task(desk.agent.ask(partial(listen, listening=listening)))
    await asyncio.to_thread(listening.wait, DEADLINE_S)
    login = ring(desk)
    call = await heard(desk, login)
    assert (call["hint"], call["channel"], call["acr"]) == (DOCTOR, "MOBILE", "eidas1")
    shown = await seen(watching)
    assert (shown.number, shown.person, shown.on_phone) == (call["number"], DOCTOR, True)
    assert (shown.asker.caller, shown.service) == (PROGRAM, "Pro Santé Connect (essai)")
    desk.provider.tell("answerCall", id=call["id"], by="MOBILE")
    session = (await login).body["session"]
    assert await asyncio.wait_for(number, DEADLINE_S) == call["number"]
    assert watching.shown is None, "the number is gone once it is of no more use"
    assert (session["person"]["nationalId"], session["authMode"], session["acr"]) == (DOCTOR, "MOBILE", "eidas1")
    token = (await desk.token(session)).body
    assert claims_of(token["accessToken"])["authMode"] == "MOBILE"
    assert (True, "valid", None) in await e_cps(desk)
    forgotten = await desk.agent.program("DELETE", "/v1/certificates/cache")
    assert forgotten.body["forgotten"]["eCps"] == 1
    assert {state for _, state, _ in await e_cps(desk)} == {"unknown"}


async def test_a_whole_login_with_the_card(desk: PscDesk, watching: Watching) -> None:
    desk.provider.change("/token", instead={"status": 503, "body": "later"}, times=1)
    answer = await answered(desk, ring(desk, channel="CARD"), by="CARD")
    session = answer.body["session"]
    assert (session["authMode"], session["cardNumber"]) == ("CARD", DEFAULT.serial)
    assert [notice.login.on_phone for notice in watching.told if notice.login] == [False]
    assert {state for _, state, _ in await e_cps(desk)} == {"unknown"}, "no e-CPS was used"


async def test_a_no_on_the_phone_stands_for_a_while(desk: PscDesk) -> None:
    assert (await answered(desk, ring(desk), agrees=False)).code == "psc-login-refused"
    again = await ring(desk)
    assert (again.status, again.code) == (403, "pin-refused")
    assert desk.provider.tell("calls") == []


async def test_a_caller_that_hangs_up_ends_it_at_once(
    desk: PscDesk, watching: Watching, readers: VirtualReaders
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", desk.agent.port)
    body = json.dumps(CIBA)
    head = {"Host": f"127.0.0.1:{desk.agent.port}", "Authorization": f"Bearer {desk.agent.token}"}
    head |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = ["POST /v1/authentications HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", body]
    writer.write("\r\n".join(lines).encode())
    await seen(watching)
    writer.close()
    async with asyncio.timeout(DEADLINE_S):
        while watching.shown is not None:
            await asyncio.sleep(0.01)
    login = ring(desk, channel="CARD")
    await seen(watching)
    readers.remove()
    assert (await login).code == "card-removed"


async def test_a_token_is_exchanged_for_an_api_as_long_as_the_card_is_there(
    desk: PscDesk, readers: VirtualReaders
) -> None:
    session = (await answered(desk, ring(desk))).body["session"]
    path = f"/v1/psc/sessions/{session['id']}/exchange"
    answer = await desk.agent.program("POST", path, {"audience": API})
    claims = claims_of(answer.body["accessToken"])
    assert (claims["aud"], claims["exp"] - claims["iat"]) == (API, 3600)
    assert (await desk.agent.program("POST", path, {"audience": API})).body == answer.body
    assert [one["path"] for one in desk.provider.tell("asked")].count("/token") == 2  # the login, and one exchange
    refused = await desk.agent.program("POST", path, {"audience": "https://other.example"})
    assert (refused.status, refused.code) == (403, "psc-audience-refused")
    readers.remove()
    assert (await desk.agent.program("POST", path, {"audience": API})).code == "psc-session-ended"


async def test_attack_another_person_answers(desk: PscDesk) -> None:
    login = ring(desk, loginHint=DOCTOR)
    answer = await answered(desk, login, **{"as": NURSE})
    assert (answer.code, answer.body["hint"]) == ("psc-token-refused", "SubjectNameID")
    assert (await desk.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


async def test_attack_a_phone_that_rings_on_and_on(desk: PscDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.services.psc.ringing.MAX_RINGS", 1)
    desk.provider.change("/token", instead={"status": 400, "body": {"error": "expired_token"}})
    assert (await ring(desk)).code == "psc-login-timeout"
    again = await ring(desk)
    assert (again.status, again.code) == (429, "too-many-requests")


async def test_attack_the_answer_to_another_request(desk: PscDesk) -> None:
    login = ring(desk)
    call = await heard(desk, login)
    desk.provider.change("/token", idToken={"claims": {AUTH_REQ_ID: "another"}, "rehash": True})
    desk.provider.tell("answerCall", id=call["id"])
    answer = await login
    assert (answer.code, answer.body["hint"]) == ("psc-token-refused", "auth_req_id")


async def test_attack_a_phone_is_not_rung_beside_somebody_elses_card(desk: PscDesk) -> None:
    answer = await ring(desk, loginHint=NURSE)
    assert answer.code == "psc-other-person"
    assert desk.provider.tell("calls") == []


async def test_attack_answers_of_the_backchannel_that_are_none(
    desk: PscDesk, watching: Watching, readers: VirtualReaders
) -> None:
    """Each is told apart, asked for once, and shows no number."""
    readers.remove()
    start = {"auth_req_id": "x", "expires_in": 120, "interval": 1}
    answers: list[tuple[dict[str, Any], str]] = [
        ({"status": 302, "body": start}, "psc-answer-refused"),
        ({"status": 200, "body": "<html>", "type": "html"}, "psc-answer-refused"),
        ({"status": 200, "body": {**start, "padding": "x" * 70_000}}, "psc-answer-refused"),
        ({"status": 200, "body": {**start, "interval": 10**9}}, "psc-answer-refused"),
        ({"status": 200, "body": {"expires_in": 120}}, "psc-answer-refused"),
        ({"status": 503, "body": "later"}, "psc-unreachable"),
        ({"status": 400, "body": {"error": "unauthorized_client"}}, "psc-refused"),
        ({"status": 403, "body": {"error": "access_denied"}}, "psc-login-refused"),
    ]
    desk.provider.tell("asked")
    for answer, code in answers:
        desk.provider.change("/backchannel", instead=answer)
        assert (await ring(desk, loginHint=DOCTOR)).code == code, answer
    assert [one["path"] for one in desk.provider.tell("asked")].count("/backchannel") == len(answers)
    assert watching.told == []


async def test_attack_the_card_leaves_while_the_phone_rings(desk: PscDesk, readers: VirtualReaders) -> None:
    login = ring(desk)
    call = await heard(desk, login)
    readers.remove()
    assert (await asyncio.wait_for(login, DEADLINE_S)).code == "card-removed"
    desk.provider.tell("answerCall", id=call["id"])
    assert (await desk.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


async def test_attack_two_numbers_at_once(desk: PscDesk, readers: VirtualReaders) -> None:
    login = ring(desk)
    await heard(desk, login)
    assert (await ring(desk)).code == "psc-login-open"
    readers.remove()
    await login


@pytest.mark.parametrize(
    "body",
    [
        {"loginHint": ""}, {"loginHint": "8" * 65}, {"loginHint": "8997 00"}, {"loginHint": "8\r\nx"}, {"channel": "SMS"},
        {"bindingMessage": "42"}, {"way": "browser", "channel": "MOBILE"}, {"way": "browser", "loginHint": DOCTOR},
    ],
)  # fmt: skip
async def test_attack_what_no_request_may_say(desk: PscDesk, body: dict[str, Any]) -> None:
    answer = await ring(desk, **body)
    assert (answer.status, answer.code) == (400, "bad-request")


async def test_attack_a_page_rings_nobodys_phone(desk: PscDesk) -> None:
    answer = await desk.agent.page("POST", "/v1/authentications", CIBA)
    assert answer.status == 403
    assert desk.provider.tell("calls") == []


async def test_attack_a_program_that_is_not_named(
    folder: Path, provider: Provider, readers: VirtualReaders, person: Person
) -> None:
    async with psc_desk(folder, provider, readers, person, client={"program": "/opt/other"}) as desk:
        assert (await ring(desk)).code == "client-refused"
        assert person.asked == []
        assert provider.tell("calls") == []
