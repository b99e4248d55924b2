"""Targets that could lead elsewhere than to the service: each is refused with one code, before anybody is asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent, running_agent

from agent.api.gateway_targets import MAX_TARGET, read_target, split_route
from agent.services.catalog import Service
from agent.services.errors import TargetRefusedError

SERVICE = Service(title="DMP", url="https://lps2.dmp.gouv.fr/si-dmp-server/v2/services")
BARE = Service(title="API", url="https://gateway.api.esante.gouv.fr")
REFUSED = {
    "absolute URL": "http://evil.example/",
    "absolute URL, https": "https://evil.example/x",
    "absolute URL, escaped": "http:%2f%2fevil.example/",
    "network path": "/evil.example/",
    "network path, twice": "//evil.example/",
    "empty segment": "a//b",
    "userinfo": "user:word@evil.example/",
    "userinfo at the begin": "@evil.example/",
    "userinfo, escaped": "a%40evil.example",
    "port": ":8443/x",
    "port, escaped": "%3A8443/x",
    "IPv6": "[::1]/x",
    "IPv6, escaped": "%5B::1%5D/x",
    "IPv6 with a zone": "[fe80::1%25eth0]/x",
    "dot segment": "./x",
    "dots that climb": "../x",
    "dots that climb, later": "a/../../x",
    "dots that climb, at the end": "a/..",
    "escaped dot": "%2e/x",
    "escaped dots": "%2e%2e/x",
    "escaped dots, upper case": "%2E%2E/x",
    "half escaped dots": ".%2e/x",
    "three dots": ".../x",
    "doubly escaped dots": "%252e%252e/x",
    "overlong dots": "%c0%ae%c0%ae/x",
    "slash, escaped": "a%2fb",
    "slash, escaped, upper case": "..%2F..%2Fx",
    "slash, doubly escaped": "a%252fb",
    "backslash": "a\\b",
    "backslashes for a host": "\\\\evil.example\\x",
    "backslash, escaped": "a%5cb",
    "backslash, escaped, upper case": "..%5C..%5Cx",
    "parameters": "a;jsessionid=1/x",
    "parameters behind dots": "..;/x",
    "parameters, escaped": "a%3bb",
    "line end": "a\r\nHost: evil.example",
    "line end, escaped": "a%0d%0aHost:%20evil.example",
    "line feed, escaped": "a%0ab",
    "line end, doubly escaped": "a%250d%250ab",
    "NUL": "a\x00b",
    "NUL, escaped": "a%00b",
    "tab": "a\tb",
    "space": "a b",
    "delete": "a%7f",
    "not ASCII": "caf\u00e9",
    "not ASCII, full width": "\uff0e\uff0e/x",
    "not ASCII, escaped": "caf%C3%A9",
    "not Unicode": "a%ff",
    "fragment": "a#b",
    "fragment, escaped": "a%23b",
    "query, escaped": "a%3fb",
    "escape, escaped": "a%25b",
    "broken escape": "a%2",
    "broken escape, no digits": "a%zz",
    "old style of escapes": "a%u002fb",
    "escaped letter": "%61dmin",
    "quotes": 'a"b',
    "angles": "<script>",
    "braces": "{a}",
    "line end in the query": "a?b\r\nHost: evil.example",
    "line end in the query, escaped": "a?b%0d%0aHost:%20evil.example",
    "NUL in the query": "a?b%00",
    "fragment in the query": "a?b#c",
    "backslash in the query": "a?b\\c",
    "space in the query": "a?b c",
    "broken escape in the query": "a?b%",
    "not ASCII in the query": "a?\u00e9",
}


@pytest.mark.parametrize("rest", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("service", [SERVICE, BARE], ids=["with a path", "without"])
def test_it_is_refused(service: Service, rest: str) -> None:
    with pytest.raises(TargetRefusedError):
        read_target(service, rest)


@pytest.mark.parametrize(
    ("rest", "target"),
    [
        ("", "/si-dmp-server/v2/services"),
        ("?wsdl", "/si-dmp-server/v2/services?wsdl"),
        ("PatientSpecific", "/si-dmp-server/v2/services/PatientSpecific"),
        ("a/b/", "/si-dmp-server/v2/services/a/b/"),
        (
            ".well-known/wallet-openid-configuration",
            "/si-dmp-server/v2/services/.well-known/wallet-openid-configuration",
        ),
        ("a..b", "/si-dmp-server/v2/services/a..b"),
        ("Patient/$everything", "/si-dmp-server/v2/services/Patient/$everything"),
        ("urn:oid:1.2.3", "/si-dmp-server/v2/services/urn:oid:1.2.3"),
        ("urn%3Aoid%3A1.2.3", "/si-dmp-server/v2/services/urn%3Aoid%3A1.2.3"),
        ("a%20b", "/si-dmp-server/v2/services/a%20b"),
    ],
)
def test_plain_targets_go_on_as_they_came(rest: str, target: str) -> None:
    assert read_target(SERVICE, rest) == target


@pytest.mark.parametrize(
    "query",
    [
        "identifier=urn:oid:1.2.250.1.71.4.2.1|8100",
        "u=https%3A%2F%2Fx.example%2F%3Fa",
        "q=caf%C3%A9&r=50%25",
        "a@b;c?d/e",
    ],
)
def test_queries_are_data(query: str) -> None:
    assert read_target(BARE, f"fhir/v2/Practitioner?{query}") == f"/fhir/v2/Practitioner?{query}"


def test_a_service_without_a_path_is_reached_at_its_root() -> None:
    assert read_target(BARE, "") == "/"
    assert read_target(BARE, "?a") == "/?a"


@pytest.mark.parametrize(
    "raw",
    [
        "/v1/gateway/dmp",
        "/v1//gateway/dmp/x",
        "/V1/gateway/dmp/x",
        "/v1/gatewa%79/dmp/x",
        "//v1/gateway/dmp/x",
        "http://127.0.0.1/v1/gateway/dmp/x",
        f"/v1/gateway/dmp/{'x' * MAX_TARGET}",
    ],
)
def test_the_route_itself_has_one_spelling(raw: str) -> None:
    with pytest.raises(TargetRefusedError):
        split_route(raw)


WIRE = {
    b"/v1/gateway/dmp/../../status": {"target-refused", "not-found"},
    b"/v1/gateway/dmp/%2e%2e/%2e%2e/status": {"target-refused"},
    b"/v1/gateway/dmp//evil.example/": {"target-refused"},
    b"/v1/gateway/dmp/http://evil.example/": {"target-refused"},
    b"/v1/gateway/dmp/a%0d%0ax": {"target-refused"},
    b"/v1/gateway/dmp/a%2fb": {"target-refused"},
    b"/v1/gateway/dmp/a;b": {"target-refused"},
    b"/v1/gateway/dmp/a\\b": {"target-refused", "bad-request"},
    b"/v1/gateway/dmp/caf\xc3\xa9": {"target-refused", "bad-request"},
    b"/v1/gateway/%64mp/x": {"service-unknown", "target-refused"},
    b"/v1/gateway/dmp:8443/x": {"service-unknown"},
    b"/v1/gateway/[::1]/x": {"service-unknown"},
    b"/v1/gateway/user@dmp/x": {"service-unknown"},
    b"/v1/gateway/evil.example/x": {"service-unknown"},
    b"/v1/gateway/..%2fdmp/x": {"service-unknown", "target-refused"},
    b"/v1/gateway/dmp%00/x": {"service-unknown", "target-refused"},
    b"http://evil.example/v1/gateway/dmp/x": {"host-refused"},
    b"//evil.example/v1/gateway/dmp/x": {"not-found", "host-refused"},
    b"evil.example:443": {"host-refused", "bad-request"},
    b"*": {"host-refused", "bad-request"},
}


async def test_it_is_refused_as_it_comes_on_the_wire_and_nobody_is_asked(folder: Path, person: Person) -> None:
    async with running_agent(folder, person) as agent:
        codes = {target: await send(agent, target) for target in WIRE}
    assert {target: code for target, code in codes.items() if code not in WIRE[target]} == {}
    assert not person.asked


async def send(agent: RunningAgent, target: bytes) -> str:
    """The code of the answer to a POST with that target, as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    head = f" HTTP/1.1\r\nHost: 127.0.0.1:{agent.port}\r\nAuthorization: Bearer {agent.token}\r\n"
    writer.write(b"POST " + target + head.encode() + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    _, _, body = answer.partition(b"\r\n\r\n")
    try:
        return str(json.loads(body)["code"])
    except ValueError:
        return "bad-request" if b" 400 " in answer[:20] else answer[:60].decode("latin-1")
