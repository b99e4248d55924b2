"""Bad input and hostile callers: each gets its problem document, and changes nothing."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from support.agent import NONCE, PAGE, Person, RunningAgent, call

from agent.api.schemas import LARGE_BODY

PROBLEM_MEMBERS = {"type", "title", "status", "code", "layer", "detail", "detailFr"}
LOGIN = {"format": "web-eid:1.0", "challengeNonce": NONCE}
SIGN = {"format": "cms", "documents": [{"name": "d", "content": "AAAA"}]}

BAD_BODIES = {
    "no JSON": ("/v1/authentications", b"{nope"),
    "empty body": ("/v1/authentications", b""),
    "not UTF-8": ("/v1/authentications", b'{"format": "\xff"}'),
    "an array": ("/v1/authentications", []),
    "null": ("/v1/authentications", None),
    "deeply nested": ("/v1/authentications", b"[" * 60_000),
    "nested in a member": ("/v1/signatures", b'{"format":"cms","documents":' + b"[" * 50_000 + b"}"),
    "wrong type": ("/v1/authentications", {"format": 1, "challengeNonce": NONCE}),
    "missing member": ("/v1/authentications", {"format": "web-eid:1.0"}),
    "unknown member": ("/v1/authentications", LOGIN | {"surprise": 1}),
    "unknown format": ("/v1/authentications", LOGIN | {"format": "web-eid:9"}),
    "short nonce": ("/v1/authentications", LOGIN | {"challengeNonce": "AAAA"}),
    "long nonce": ("/v1/authentications", LOGIN | {"challengeNonce": "A" * 129}),
    "strange nonce": ("/v1/authentications", LOGIN | {"challengeNonce": "A" * 43 + "\n"}),
    "a page's origin": ("/v1/authentications", LOGIN | {"origin": "https://bank.example"}),
    "empty card number": ("/v1/authentications", LOGIN | {"cardNumber": ""}),
    "hostile card number": ("/v1/authentications", LOGIN | {"cardNumber": "../../etc"}),
    "pin": ("/v1/authentications", LOGIN | {"pin": "1234"}),
    "puk": ("/v1/pin/unblock", {"puk": "12345678"}),
    "newPin": ("/v1/pin/change", {"newPin": "4321"}),
    "no documents": ("/v1/signatures", SIGN | {"documents": []}),
    "too many documents": ("/v1/signatures", SIGN | {"documents": SIGN["documents"] * 51}),
    "no base64": ("/v1/signatures", SIGN | {"documents": [{"name": "d", "content": "*"}]}),
    "no content": ("/v1/signatures", SIGN | {"documents": [{"name": "d"}]}),
    "content and digest": (
        "/v1/signatures",
        SIGN | {"documents": [{"name": "d", "content": "AAAA", "digest": "AAAA", "digestAlgorithm": "sha256"}]},
    ),
    "empty name": ("/v1/signatures", SIGN | {"documents": [{"name": "", "content": "AAAA"}]}),
    "huge name": ("/v1/signatures", SIGN | {"documents": [{"name": "x" * 256, "content": "AAAA"}]}),
    "unknown level": ("/v1/signatures", SIGN | {"level": "LTV"}),
    "level of another format": ("/v1/signatures", SIGN | {"format": "jws", "level": "LT"}),
    "packaging of another format": ("/v1/signatures", SIGN | {"packaging": "enveloped"}),
    "option of another format": ("/v1/signatures", SIGN | {"reason": "because"}),
    "no abilities": ("/v1/grants", {"abilities": []}),
    "unknown ability": ("/v1/grants", {"abilities": ["everything"]}),
}


@pytest.mark.parametrize("case", BAD_BODIES)
async def test_a_bad_body_is_refused_and_asks_nobody(granted: RunningAgent, person: Person, case: str) -> None:
    path, body = BAD_BODIES[case]
    answer = await granted.page("POST", path, json.dumps(body).encode() if body is None else body)
    assert (answer.status, answer.code) == (400, "bad-request")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.body.keys() >= PROBLEM_MEMBERS
    assert person.asked == []


async def test_a_member_named_pin_is_told_why(granted: RunningAgent) -> None:
    answer = await granted.page("POST", "/v1/authentications", LOGIN | {"pin": "7391"})
    assert "no code is ever sent" in answer.body["hint"]
    journal = await granted.ask(lambda client: client.journal())
    assert "7391" not in json.dumps([answer.body, journal])


RAW = {"name": "d", "digest": "A" * 43 + "=", "digestAlgorithm": "sha256"}


@pytest.mark.parametrize(
    "document",
    [RAW | {"digest": "AAAA"}, RAW | {"digestAlgorithm": "md5"}, RAW | {"content": "AAAA"}, {"name": "d"}],
)
async def test_a_bad_digest_is_refused(agent: RunningAgent, person: Person, document: dict[str, str]) -> None:
    answer = await agent.program("POST", "/v1/signatures", {"format": "raw", "documents": [document]})
    assert (answer.status, answer.code) == (400, "bad-request")
    assert person.asked == []


async def test_a_body_over_its_cap_is_refused(granted: RunningAgent) -> None:
    big = json.dumps({"format": "web-eid:1.0", "challengeNonce": "A" * 70_000}).encode()
    assert (await granted.page("POST", "/v1/authentications", big)).code == "body-too-large"
    headers = {"Origin": PAGE, "Content-Length": str(LARGE_BODY + 1)}
    answer = await granted.call("POST", "/v1/signatures", b"", headers)
    assert (answer.status, answer.code) == (413, "body-too-large")


async def test_a_chunked_body_over_its_cap_is_refused(granted: RunningAgent) -> None:
    def send() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", granted.port, timeout=30)
        headers = {"Origin": PAGE, "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/pin/verify", iter([b" " * 65_536] * 4), headers, encode_chunked=True)
            return connection.getresponse().status
        except (BrokenPipeError, ConnectionResetError):  # refused before all was sent
            return 413
        finally:
            connection.close()

    assert await granted.ask(lambda _: send()) == 413


async def test_a_large_document_passes_and_a_larger_one_does_not(granted: RunningAgent) -> None:
    document = {"name": "scan.pdf", "content": "A" * (8 * 1024 * 1024)}
    assert (await granted.page("POST", "/v1/signatures", SIGN | {"documents": [document]})).status == 200
    document["content"] *= 2
    assert (await granted.page("POST", "/v1/signatures", SIGN | {"documents": [document]})).code == "body-too-large"


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_only_json_is_taken(granted: RunningAgent, person: Person, media: str) -> None:
    answer = await granted.call("POST", "/v1/pin/verify", b"{}", {"Origin": PAGE, "Content-Type": media})
    assert (answer.status, answer.code) == (415, "unsupported-media")
    assert person.asked == []


async def test_routes_and_methods_that_do_not_exist(granted: RunningAgent) -> None:
    assert (await granted.page("GET", "/v1/nothing")).code == "not-found"
    assert (await granted.page("GET", "/../../etc/passwd")).code == "not-found"
    assert (await granted.page("GET", "/v1/grants/none")).code == "not-found"
    assert (await granted.page("GET", "/v1/signatures")).status == 405
    assert (await granted.page("PUT", "/v1/cards", {})).status == 405
    assert (await granted.program("GET", "/v1/nothing")).code == "not-found"


HOSTS = [
    "evil.example",
    "127.0.0.1",
    "localhost.:{port}",
    "0.0.0.0:{port}",
    "127.0.0.1:{port}.evil.example",
    "[::]:{port}",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_foreign_host_is_refused_even_with_the_token(agent: RunningAgent, host: str) -> None:
    headers = {"Host": host.format(port=agent.port), "Authorization": f"Bearer {agent.token}"}
    answer = await agent.call("GET", "/v1/cards", None, headers)
    assert (answer.status, answer.code) == (403, "host-refused")
    answer = await agent.call("GET", "/v1/status", None, headers)
    assert (answer.status, answer.code) == (403, "host-refused")


@pytest.mark.parametrize(
    "origin", ["null", "http://dmp.example", "https://dmp.example/", "file://", "chrome-extension://x", ""]
)
async def test_a_page_without_a_proper_origin_is_refused(granted: RunningAgent, person: Person, origin: str) -> None:
    for method, path, body in (("GET", "/v1/cards", None), ("POST", "/v1/grants", {"abilities": ["identity"]})):
        answer = await granted.page(method, path, body, origin=origin)
        assert (answer.status, answer.code) == (403, "origin-refused")
        assert answer.headers["Access-Control-Allow-Origin"] is None
    assert person.asked == []


async def test_a_program_needs_the_token(agent: RunningAgent, person: Person) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": agent.token}):
        for path, body in (("/v1/signatures", SIGN), ("/v1/pin/verify", {})):
            answer = await agent.call("POST", path, body, headers)
            assert (answer.status, answer.code) == (401, "token-refused")
        assert (await agent.call("GET", "/v1/journal", None, headers)).code == "token-refused"
    assert person.asked == []


async def test_the_token_does_not_help_a_page(agent: RunningAgent, person: Person) -> None:
    headers = {"Origin": PAGE, "Authorization": f"Bearer {agent.token}"}
    assert (await agent.call("GET", "/v1/cards", None, headers)).code == "grant-required"
    assert (await agent.call("GET", "/v1/journal", None, headers)).code == "token-refused"
    assert person.asked == []


ROUTES = [
    ("GET", "/v1/readers", None),
    ("GET", "/v1/cards", None),
    ("GET", "/v1/cards/99900001", None),
    ("GET", "/v1/certificates", None),
    ("GET", "/v1/events", None),
    ("POST", "/v1/authentications", LOGIN),
    ("POST", "/v1/signatures", SIGN),
    ("POST", "/v1/pin/verify", {}),
    ("POST", "/v1/pin/change", {}),
    ("POST", "/v1/pin/unblock", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_an_ungranted_page_is_told_to_ask(
    agent: RunningAgent, person: Person, method: str, path: str, body: Any
) -> None:
    answer = await agent.page(method, path, body)
    assert (answer.status, answer.code) == (403, "grant-required")
    assert person.asked == []


async def test_an_ungranted_caller_learns_name_and_version_alone(agent: RunningAgent) -> None:
    expected = {"name", "version"}
    assert (await agent.page("GET", "/v1/status")).body.keys() == expected
    assert (await agent.call("GET", "/v1/status", None, {})).body.keys() == expected
    assert (await agent.program("GET", "/v1/status")).body.keys() > expected


async def test_a_page_can_never_sign_raw(granted: RunningAgent, person: Person) -> None:
    assert (await granted.page("POST", "/v1/grants", {"abilities": ["sign-raw"]})).code == "not-supported"
    answer = await granted.page("POST", "/v1/signatures", {"format": "raw", "documents": [RAW]})
    assert answer.status == 403
    assert person.asked == []


async def test_a_page_sees_and_deletes_only_its_own_grants(granted: RunningAgent) -> None:
    other = "https://other.example"
    assert (await granted.page("POST", "/v1/grants", {"abilities": ["identity"]}, origin=other)).status == 201
    (mine,) = (await granted.page("GET", "/v1/grants")).body["grants"]
    (theirs,) = (await granted.page("GET", "/v1/grants", origin=other)).body["grants"]
    assert (mine["caller"], theirs["caller"]) == (PAGE, other)
    path = f"/v1/grants/{theirs['id']}"
    assert (await granted.page("GET", path)).code == "not-found"
    assert (await granted.page("DELETE", path)).code == "not-found"
    assert (await granted.page("DELETE", f"/v1/grants/{mine['id']}")).status == 204
    assert (await granted.page("GET", "/v1/cards")).code == "grant-required"
    assert (await granted.page("GET", "/v1/cards", origin=other)).status == 200


async def test_a_refused_grant_is_not_asked_again_at_once(agent: RunningAgent, person: Person) -> None:
    person.agrees = False
    for _ in range(3):
        answer = await agent.page("POST", "/v1/grants", {"abilities": ["identity"]})
        assert (answer.status, answer.code) == (403, "grant-refused")
    assert len(person.asked) == 1


async def test_a_granted_page_is_not_asked_again(granted: RunningAgent, person: Person) -> None:
    answer = await granted.page("POST", "/v1/grants", {"abilities": ["identity"]})
    assert (answer.status, answer.body["caller"]) == (200, PAGE)
    assert person.asked == []


async def test_a_preflight_echoes_one_origin_and_asks_nobody(agent: RunningAgent, person: Person) -> None:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = await agent.call("OPTIONS", "/v1/signatures", None, headers)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert answer.headers["Access-Control-Allow-Credentials"] is None
    assert (await agent.call("OPTIONS", "/v1/signatures", None, headers | {"Origin": "null"})).code == "origin-refused"
    assert person.asked == []


async def test_every_refusal_is_in_the_journal_once(agent: RunningAgent) -> None:
    for _ in range(5):
        await agent.page("GET", "/v1/cards")
    await agent.page("POST", "/v1/grants", {"abilities": ["identity"]}, origin="null")
    entries = await agent.ask(lambda client: client.journal())
    counts = {(entry["action"], entry["caller"], entry["outcome"]): entry["count"] for entry in entries}
    assert counts["read-cards", PAGE, "grant-required"] == 5
    assert counts["grant", "null", "origin-refused"] == 1


async def test_answers_are_not_kept_framed_or_sniffed(granted: RunningAgent) -> None:
    for answer in (await granted.page("GET", "/v1/cards"), await granted.page("GET", "/v1/nothing")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Vary"] == "Origin"


async def test_it_listens_on_both_loopback_families_and_on_nothing_else(agent: RunningAgent) -> None:
    for host in ("127.0.0.1", "::1"):
        status = await agent.ask(lambda _, host=host: call(agent.port, "GET", "/v1/status", None, {}, host))
        assert status.body["name"] == "cps-agent"
    for line in (await agent.ask(lambda _: Path("/proc/net/tcp").read_text())).splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if state == "0A" and int(local[-4:], 16) == agent.port:
            assert local.startswith("0100007F")


async def test_half_a_request_keeps_nobody_waiting(granted: RunningAgent) -> None:
    with socket.create_connection(("127.0.0.1", granted.port)) as half:
        half.sendall(b"POST /v1/signatures HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 100\r\n" % granted.port)
        assert (await granted.page("GET", "/v1/cards")).status == 200


async def test_two_questions_of_one_page_do_not_pile_up(granted: RunningAgent, person: Person) -> None:
    shown, release = asyncio.Event(), asyncio.Event()

    async def hesitate() -> None:
        shown.set()
        await release.wait()

    person.on_ask = hesitate
    first = asyncio.create_task(granted.page("POST", "/v1/pin/verify", {}))
    await asyncio.wait_for(shown.wait(), 10)
    second = await granted.page("POST", "/v1/authentications", LOGIN)
    assert (second.status, second.code) == (429, "too-many-requests")
    assert (await granted.page("GET", "/v1/cards")).status == 200  # no card is held while a person is asked
    release.set()
    assert (await first).status == 200
