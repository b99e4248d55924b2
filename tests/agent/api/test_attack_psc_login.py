"""Attacks on a login at Pro Santé Connect, through the whole agent: each is refused, named, and leaves no session."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.agent import Answer, Person
from support.oidc_provider import NURSE, SECRET, SUBJECT_PREFIX, Provider
from support.psc_desk import PscDesk, log_in_by_hand, psc_desk
from support.secret_service import why_no_secret_service

from agent.services.psc import opening
from drivers.virtual.link import VirtualReaders

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))

LONG_AGO = 1_700_000_000


@pytest.fixture
async def desk(folder: Path, provider: Provider, person: Person) -> AsyncIterator[PscDesk]:
    async with psc_desk(folder, provider, VirtualReaders([None]), person) as running:
        yield running


async def assert_refused(desk: PscDesk, answer: Answer, code: str, hint: str | None = None) -> None:
    assert (answer.status >= 400, answer.body["code"]) == (True, code), answer.body
    assert hint is None or answer.body["hint"] == hint
    assert (await desk.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


@pytest.mark.parametrize(
    ("spoiled", "hint"),
    [
        ({"claims": {"nonce": "another-login"}}, "nonce"),
        ({"claims": {"aud": "another-client"}}, "aud"),
        ({"claims": {"iss": "https://evil.example"}}, "iss"),
        ({"claims": {"exp": LONG_AGO}}, "exp"),
        ({"claims": {"sub": SUBJECT_PREFIX + NURSE}}, "sub"),
        ({"alg": "none"}, "alg"),
        ({"alg": "HS256"}, "alg"),
        ({"by": "second", "header": {"kid": "first"}}, "signature: BadSignatureError"),
    ],
)
async def test_an_id_token_that_is_not_the_one(
    desk: PscDesk, provider: Provider, spoiled: dict[str, Any], hint: str
) -> None:
    """More of these stand in tests/agent/services/psc, without an agent around them."""
    provider.change("/token", idToken=spoiled)
    await assert_refused(desk, await desk.log_in(), "psc-token-refused", hint)


async def test_a_key_that_the_issuer_has_changed_is_looked_up_once(desk: PscDesk, provider: Provider) -> None:
    assert (await desk.log_in()).status == 200
    provider.restore()
    provider.change("/token", idToken={"by": "second"})
    for _ in range(2):
        assert (await desk.log_in()).body["hint"] == "kid"
    assert [call["path"] for call in provider.tell("asked")].count("/jwks") == 0  # less than a minute ago


async def test_an_access_token_of_somebody_else(desk: PscDesk, provider: Provider) -> None:
    provider.change("access-token", claims={"azp": "another-client"})
    await assert_refused(desk, await desk.log_in(), "psc-token-refused", "access token: azp")


async def test_an_access_token_that_is_bound_to_another_certificate(desk: PscDesk, provider: Provider) -> None:
    provider.change("access-token", claims={"cnf": {"x5t#S256": "A" * 43}})
    await assert_refused(desk, await desk.log_in(), "psc-answer-refused")


async def test_a_login_that_is_weaker_than_was_asked_for(desk: PscDesk, provider: Provider) -> None:
    await assert_refused(desk, await desk.log_in(acr="eidas2"), "psc-acr-too-low")


@pytest.mark.parametrize(("fresh", "status"), [(True, 409), (False, 200)])
async def test_a_login_that_somebody_made_before(folder: Path, provider: Provider, fresh: bool, status: int) -> None:
    """On a shared workstation the browser may still be a colleague's: only an administrator says that this will do."""
    provider.change("/token", idToken={"claims": {"auth_time": LONG_AGO}})
    provider.change("access-token", claims={"auth_time": LONG_AGO})
    async with psc_desk(folder, provider, VirtualReaders([None]), client={"fresh_login": fresh}) as desk:
        login = await desk.begin()
        assert ("prompt=login" in desk.page_file.read_text()) is fresh
        await desk.visit()
        answer = await login
    assert (answer.status, answer.body.get("code")) == (status, "psc-login-stale" if fresh else None)


async def test_a_login_that_is_stronger_than_was_asked_for_is_taken(desk: PscDesk, provider: Provider) -> None:
    provider.tell("acr", acr="eidas2")
    assert (await desk.log_in(acr="eidas1")).body["session"]["acr"] == "eidas2"


@pytest.mark.parametrize("named", ["https://evil.example", None])
async def test_the_answer_of_another_issuer(desk: PscDesk, provider: Provider, named: str | None) -> None:
    """Mix-up (RFC 9207 §2.4): the code never goes to the token endpoint of the one that was asked."""
    change_answers(provider, iss=named)
    await assert_refused(desk, await desk.log_in(), "psc-issuer-mixed-up")
    assert "/token" not in [call["path"] for call in provider.tell("asked")]


def change_answers(provider: Provider, **parameters: str | None) -> None:
    """Spoil what the browser is sent back with, wherever the provider sends it from."""
    provider.tell("spoilAnswers", location=parameters)


async def test_somebody_elses_code(desk: PscDesk, provider: Provider) -> None:
    """Injection: a code of another login is bound to that login's verifier (PKCE)."""
    first = await desk.begin()
    url = desk.take_page()
    stolen = await take_code(url, provider)
    async with psc_desk(desk.folder / "second", provider, VirtualReaders([None])) as other:
        change_answers(provider, code=stolen)
        answer = await other.log_in()
        await assert_refused(other, answer, "psc-refused", "invalid_grant: grant request is invalid")
    provider.restore()
    await asyncio.to_thread(log_in_by_hand, provider, url, "")
    assert (await first).code == "psc-login-refused"


async def take_code(url: str, provider: Provider) -> str:
    """Log in, and keep the code from the agent: its listener is named by another port."""
    caught: list[str] = []

    async def catch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caught.append((await reader.readuntil(b"\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(catch, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redirect = parse_qs(urlsplit(url).query)["redirect_uri"][0]
    mine = url.replace(str(urlsplit(redirect).port), str(port))
    await asyncio.to_thread(log_in_by_hand, provider, mine)
    server.close()
    return parse_qs(urlsplit(caught[0].split(" ")[1]).query)["code"][0]


async def test_a_replayed_code(desk: PscDesk, provider: Provider) -> None:
    """A code that was used, brought back to a later login: another verifier, another redirect URI, and used."""
    session = (await desk.log_in()).body["session"]
    change_answers(provider, code=provider.tell("lastCode"))
    answer = await desk.log_in()
    assert (answer.code, answer.body["hint"]) == ("psc-refused", "invalid_grant: grant request is invalid")
    sessions = (await desk.agent.program("GET", "/v1/psc/sessions")).body["sessions"]
    assert [each["id"] for each in sessions] == [session["id"]]


async def test_a_page_of_a_login_that_is_over(desk: PscDesk) -> None:
    """The browser's history: the first listener is gone, the second knows another state."""
    task = await desk.begin()
    url = desk.take_page()
    await asyncio.to_thread(log_in_by_hand, desk.provider, url)
    assert (await task).status == 200
    second = await desk.begin()
    with contextlib.suppress(OSError):
        await asyncio.to_thread(log_in_by_hand, desk.provider, url)
    assert not second.done()
    await desk.visit()
    assert (await second).status == 200


async def test_a_person_who_says_no(desk: PscDesk) -> None:
    task = await desk.begin()
    await desk.visit(national_id="")
    await assert_refused(desk, await task, "psc-login-refused", "access_denied")


async def test_a_program_that_opens_page_after_page(
    folder: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "MAX_PAGES", 1)
    async with psc_desk(folder, provider, VirtualReaders([None])) as desk:
        assert (await desk.log_in()).status == 200  # which does not count
        assert (await desk.log_in(national_id="")).code == "psc-login-refused"
        assert (await desk.log_in()).code == "too-many-requests"
        assert not desk.page_file.exists()


async def test_userinfo_of_somebody_else(desk: PscDesk, provider: Provider) -> None:
    provider.change("/me", body={"sub": SUBJECT_PREFIX + NURSE})
    await assert_refused(desk, await desk.log_in(), "psc-token-refused", "userinfo: sub")


@pytest.mark.parametrize(
    ("instead", "code"),
    [
        ({"status": 500, "body": "down"}, "psc-unreachable"),
        ({"status": 400, "body": {"error": "invalid_client"}}, "psc-refused"),
        ({"status": 200, "body": "<html>Hotel network</html>"}, "psc-answer-refused"),
        ({"status": 302, "body": "", "redirect": "https://evil.example"}, "psc-answer-refused"),
        ({"status": 200, "body": {"access_token": "x" * 70_000, "token_type": "Bearer"}}, "psc-answer-refused"),
        ({"status": 200, "body": {"access_token": "x", "token_type": "Bearer", "expires_in": 9}}, "psc-answer-refused"),
    ],
)
async def test_a_token_endpoint_that_answers_something_else(
    desk: PscDesk, provider: Provider, instead: dict[str, Any], code: str
) -> None:
    provider.change("/token", instead=instead)
    await assert_refused(desk, await desk.log_in(), code)


@pytest.mark.parametrize(
    "body",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "https://evil.example/token"},
    ],
)
async def test_a_discovery_document_that_leads_elsewhere(
    desk: PscDesk, provider: Provider, body: dict[str, Any]
) -> None:
    """No browser is opened, nothing is sent there."""
    provider.change("/.well-known/openid-configuration", body=body)
    answer = await desk.agent.program("POST", "/v1/authentications", {"format": "psc", "client": "logiciel"})
    await assert_refused(desk, answer, "psc-answer-refused")
    assert not desk.page_file.exists()


async def test_a_program_that_hangs_up_takes_its_login_along(desk: PscDesk) -> None:
    """And its listener: nobody can finish it any more; another one can begin."""
    headers = {"Authorization": f"Bearer {desk.agent.token}", "Content-Type": "application/json"}
    body = json.dumps({"format": "psc", "client": "logiciel"})
    lines = [f"{name}: {value}" for name, value in (headers | {"Content-Length": str(len(body))}).items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.agent.port)
    head = ["POST /v1/authentications HTTP/1.1", f"Host: 127.0.0.1:{desk.agent.port}", *lines, "", body]
    writer.write("\r\n".join(head).encode())
    await asyncio.to_thread(desk.wait_for_page)
    redirect = urlsplit(parse_qs(urlsplit(desk.take_page()).query)["redirect_uri"][0])
    refused = await desk.agent.program("POST", "/v1/authentications", {"format": "psc", "client": "logiciel"})
    assert refused.code == "psc-login-open"
    writer.close()
    del reader
    deadline = time.monotonic() + 10
    while await is_open(redirect.port) or await is_logging_in(desk):
        assert time.monotonic() < deadline
    assert not await is_open(redirect.port)


async def is_logging_in(desk: PscDesk) -> bool:
    """A login that can begin is finished at once."""
    answer = await desk.log_in()
    return answer.code == "psc-login-open" if answer.status != 200 else False


async def is_open(port: int | None) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_program_that_the_client_does_not_name(folder: Path, provider: Provider) -> None:
    """Nobody is asked anything on its behalf; a client that does not exist is refused alike."""
    person = Person()
    async with psc_desk(folder, provider, VirtualReaders([None]), person, client={"program": "/bin/other"}) as desk:
        for name in ("logiciel", "nothing-of-the-kind"):
            answer = await desk.agent.program("POST", "/v1/authentications", {"format": "psc", "client": name})
            assert (answer.status, answer.code) == (403, "client-refused")
    assert person.asked == []


async def test_another_program_gets_no_token(desk: PscDesk) -> None:
    """It sees who is logged in, as every program of this user may; it may end that, and has nothing of it."""
    session = (await desk.log_in()).body["session"]
    seen = (await as_curl(desk, "GET", "/v1/psc/sessions"))["sessions"]
    assert [(each["id"], each["own"]) for each in seen] == [(session["id"], False)]
    answer = await as_curl(desk, "POST", f"/v1/psc/sessions/{session['id']}/token", "{}")
    assert (answer["code"], "reason" in answer) == ("psc-session-ended", False)
    answer = await as_curl(
        desk, "POST", f"/v1/psc/sessions/{session['id']}/exchange", '{"audience": "https://a.example"}'
    )
    assert answer["code"] == "psc-session-ended"
    assert (await desk.token(session)).status == 200


async def as_curl(desk: PscDesk, method: str, path: str, body: str | None = None) -> dict[str, Any]:
    """Another executable of the same user."""
    data = () if body is None else ("--data", body, "-H", "Content-Type: application/json")
    command = ["curl", "-sS", "-X", method, "-H", f"Authorization: Bearer {desk.agent.token}", *data]
    url = f"http://127.0.0.1:{desk.agent.port}{path}"
    run = await asyncio.to_thread(subprocess.run, [*command, url], capture_output=True, text=True, check=True)
    return dict(json.loads(run.stdout))


async def test_a_page_has_none_of_it(desk: PscDesk) -> None:
    abilities = {"abilities": ["identity", "authenticate", "sign", "events"]}
    assert (await desk.agent.page("POST", "/v1/grants", abilities)).status == 201
    calls = [
        ("POST", "/v1/authentications", {"format": "psc", "client": "logiciel"}),
        ("GET", "/v1/psc/sessions", None),
        ("POST", "/v1/authentications", {"format": "psc", "client": "logiciel", "way": "ciba"}),
        ("POST", "/v1/psc/sessions/0/token", {}),
        ("POST", "/v1/psc/sessions/0/exchange", {"audience": "https://a.example"}),
        ("DELETE", "/v1/psc/sessions/0", None),
    ]
    for method, path, body in calls:
        assert (await desk.agent.page(method, path, body)).code == "token-refused", path


async def test_no_token_and_no_secret_lie_about(
    desk: PscDesk, provider: Provider, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in the log nor on the disk, whatever goes well or wrong."""
    caplog.set_level("DEBUG")
    session = (await desk.log_in()).body["session"]
    token = (await desk.token(session)).body
    provider.change("/token", idToken={"claims": {"nonce": "x"}})
    await desk.log_in()
    secrets = (token["accessToken"], token["idToken"], SECRET)
    told = caplog.text + "".join(capfd.readouterr()) + json.dumps((await desk.agent.program("GET", "/v1/journal")).body)
    files = b"".join(path.read_bytes() for path in desk.folder.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret in told or secret.encode() in files] == []
