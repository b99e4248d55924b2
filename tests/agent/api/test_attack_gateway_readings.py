"""Whatever target the gateway takes, every reader of it finds the service's host, and a path below the service's own."""

from __future__ import annotations

import http.client
import json
import posixpath
import random
import re
import ssl
import subprocess
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.tls_servers import ServerTerms, nginx
from yarl import URL

from agent.api.gateway_targets import read_target, split_route
from agent.services.catalog import Service
from agent.services.errors import TargetRefusedError

HOST = "lps2.dmp.gouv.fr"
SERVICES = (
    Service(title="DMP", url=f"https://{HOST}/si-dmp-server/v2/services"),
    Service(title="API", url=f"https://{HOST}:8443"),
    Service(title="IPv6", url="https://[::1]:8443/a"),
)
NASTY = [
    ".", "..", "/", "//", "\\", ";", "?", "#", "@", ":", "%", "%2e", "%2E", "%2f", "%5c", "%25", "%252e", "%00", "%0d%0a",
    "%23", "%3f", "%3b", "%40", "%3a", "%c0%ae", "%u002e", "%20", "\t", "\r\n", " ", "\0", "a", "services", "http:",
    "https://evil.example", "evil.example", "[::1]", "user:word@", "\uff0e", "\u2215", "é", "*", "~", "$", "&", "=", "+",
    "..;", ".%2e", "%2e.", "...", "x.", ":80", "%", "%2", "%7c", "|", "'", "(", ",", "!", "%2525", "%3D",
]  # fmt: skip
RESTS = st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=8).map("".join)


def _origin(service: Service) -> str:
    return service.url.removesuffix(service.path)


def _target(service: Service, rest: str) -> str | None:
    try:
        return read_target(service, rest)
    except TargetRefusedError:
        return None


def _is_below(service: Service, path: str) -> bool:
    return path == service.path or path.startswith(f"{service.path}/")


def _readings(path: str) -> list[str]:
    """What servers make of a path: decoded again and again, with parameters of segments or without, dots resolved."""
    found = [path]
    for _ in range(4):
        path = unquote_to_bytes(path).decode("latin-1")
        found += [path, path.replace("\\", "/"), re.sub(r";[^/]*", "", path.replace("\\", "/"))]
    return [re.sub("//+", "/", posixpath.normpath(each)) for each in found]


@settings(max_examples=60)
@given(st.sampled_from(SERVICES), RESTS)
@example(SERVICES[0], "a/..b/.c?d=../../e&f=%2e%2e%2f")
@example(SERVICES[1], "?//evil.example/@")
def test_attack_a_target_has_one_reading(service: Service, rest: str) -> None:
    target = _target(service, rest)
    if target is None:
        return
    whole = _origin(service) + target
    assert re.fullmatch(r"/[!-~]*", target)
    assert len(f"GET {target} HTTP/1.1".split()) == 3
    for sent in (URL(whole, encoded=True), URL(whole)):
        assert (sent.host, sent.port, sent.scheme, sent.user) == (service.host, service.port, "https", None)
        assert _is_below(service, sent.path)
    assert str(URL(whole, encoded=True)).removesuffix("?") == whole.removesuffix("?")
    for parts in (urlsplit(whole), urlsplit(urljoin(_origin(service), target))):
        assert (parts.hostname, parts.port or 443, parts.username) == (service.host, service.port, None)
        assert not parts.fragment
        assert [reading for reading in _readings(parts.path) if not _is_below(service, reading)] == []
        assert not re.search(r"[\x00-\x1f\x7f]", unquote_to_bytes(target).decode("latin-1"))


@given(RESTS)
def test_attack_the_route_names_the_service_that_is_looked_up(rest: str) -> None:
    """However a name is written, it is compared as it stands: there is no other spelling of one."""
    try:
        name, below = split_route(f"/v1/gateway/{rest}/x")
    except TargetRefusedError:
        return
    assert "/" not in name
    assert f"{name}/{below}" == f"{rest}/x"


@pytest.fixture(scope="module")
def taken() -> list[str]:
    """Targets of the first service that are taken, as nasty as they come; the same ones each time."""
    chance = random.Random(8)
    tries = ("".join(chance.choices(NASTY, k=chance.randint(1, 9))) for _ in range(60_000))
    targets = {target for rest in tries if (target := _target(SERVICES[0], rest)) is not None}
    assert len(targets) > 300
    return sorted(targets)[:1000]


def test_attack_as_nginx_reads_it(taken: list[str], tmp_path: Path) -> None:
    with nginx(ServerTerms(tmp_path / "nginx"), "location /si-dmp-server { return 200 $uri; }") as server:
        context = ssl.create_default_context(cadata=server.authority.der)
        line = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=20)
        for target in taken:
            line.putrequest("GET", target, skip_accept_encoding=True)
            line.endheaders()
            with line.getresponse() as answer:
                assert answer.status == 200, target
                assert _is_below(SERVICES[0], answer.read().decode("latin-1")), target
        line.close()


def test_attack_as_browsers_read_it(taken: list[str]) -> None:
    """By the URL Standard, as node has it."""
    script = (
        "const given = JSON.parse(require('fs').readFileSync(0)); const seen = given.map((each) => {"
        f" const url = new URL('https://{HOST}' + each); return [url.host, url.pathname, url.hash, url.username]; }});"
        " console.log(JSON.stringify(seen));"
    )
    told = subprocess.run(["node", "-e", script], input=json.dumps(taken), capture_output=True, text=True, check=True)
    for target, (host, path, fragment, user) in zip(taken, json.loads(told.stdout), strict=True):
        assert (host, fragment, user) == (HOST, "", "")
        assert path == target.partition("?")[0]
