"""The order of the gate's decisions, and each way around it that is closed."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from agent.access.callers import Caller, CallerKind
from agent.access.cors import cors_headers, preflight_headers
from agent.access.errors import HostRefusedError, OriginRefusedError, PeerRefusedError, TokenRefusedError
from agent.access.gate import Admission, RequestFacts, admit
from agent.access.local_token import LocalToken
from agent.access.origin import Origin
from agent.access.peer import Peer

TOKEN = LocalToken("right")
BEARER = "Bearer right"
ORIGIN = "https://dmp.example"
FIREFOX = "/usr/bin/firefox"

BARE = RequestFacts(
    method="POST", path="/v1/signatures", host="127.0.0.1:27710", port=27710, peer=Peer(os.geteuid(), 4242)
)
PAGE = replace(BARE, origin=ORIGIN, sec_fetch_site="cross-site", sec_fetch_mode="cors")
PROGRAM = replace(BARE, authorization=BEARER)
STATUS = replace(BARE, method="GET", path="/v1/status")
TYPED = {"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}


def test_a_page_is_known_by_its_origin():
    admission = admit(PAGE, TOKEN)
    assert admission == Admission(origin=Origin(ORIGIN, loopback=False))
    assert admission.caller(FIREFOX) == Caller(CallerKind.PAGE, ORIGIN, FIREFOX)
    assert admission.caller(None) == Caller(CallerKind.PAGE, ORIGIN, None)


def test_a_program_is_known_by_the_token_and_named_by_its_executable():
    admission = admit(PROGRAM, TOKEN)
    assert admission.caller("/usr/bin/cabinet") == Caller(CallerKind.PROGRAM, "/usr/bin/cabinet")
    assert admission.caller(None) == Caller(CallerKind.PROGRAM, "")


def test_anybody_of_this_user_may_read_the_status():
    assert admit(STATUS, TOKEN).caller(FIREFOX) is None


def test_the_first_check_that_fails_is_the_one_reported():
    wrong = replace(BARE, peer=Peer(os.geteuid() + 1, 1), host="evil.example", origin="null")
    with pytest.raises(PeerRefusedError):
        admit(wrong, TOKEN)
    with pytest.raises(HostRefusedError):
        admit(replace(wrong, peer=BARE.peer), TOKEN)
    with pytest.raises(OriginRefusedError):
        admit(replace(wrong, peer=BARE.peer, host=BARE.host), TOKEN)


@pytest.mark.parametrize("facts", [PAGE, PROGRAM, STATUS], ids=["page", "program", "anybody"])
def test_attack_another_user_of_the_workstation(facts):
    with pytest.raises(PeerRefusedError):
        admit(replace(facts, peer=Peer(os.geteuid() + 1, 4242)), TOKEN)


@pytest.mark.parametrize("facts", [PAGE, PROGRAM, STATUS], ids=["page", "program", "anybody"])
@pytest.mark.parametrize("host", ["evil.example:27710", "0.0.0.0:27710", "127.0.0.1:27720", None])
def test_attack_dns_rebinding(facts, host):
    with pytest.raises(HostRefusedError):
        admit(replace(facts, host=host), TOKEN)


def test_attack_rebound_page_is_same_origin_and_sends_no_origin():
    facts = replace(STATUS, host="evil.example:27710", sec_fetch_site="same-origin", sec_fetch_mode="cors")
    with pytest.raises(HostRefusedError):
        admit(facts, TOKEN)


def test_attack_sandboxed_page_sends_null():
    with pytest.raises(OriginRefusedError):
        admit(replace(PAGE, origin="null"), TOKEN)


def test_attack_malformed_origin_is_not_excused_by_the_token_or_a_public_route():
    for origin in ("", "null", "http://evil.example", "https://a, https://b"):
        for facts in (PROGRAM, STATUS):
            with pytest.raises(OriginRefusedError):
                admit(replace(facts, origin=origin), TOKEN)


def test_attack_page_with_a_stolen_token_stays_a_page():
    assert admit(replace(PAGE, authorization=BEARER), TOKEN) == admit(PAGE, TOKEN)
    assert not admit(replace(PAGE, authorization=BEARER), TOKEN).by_token


@pytest.mark.parametrize("mode", ["navigate", "no-cors"])
def test_attack_form_or_image_with_an_origin(mode):
    with pytest.raises(OriginRefusedError):
        admit(replace(PAGE, sec_fetch_mode=mode), TOKEN)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "unheard-of", "", None])
@pytest.mark.parametrize("mode", ["navigate", "no-cors", "cors", "websocket", None])
@pytest.mark.parametrize("path", ["/v1/status", "/", "/v1/cards"])
def test_attack_link_or_image_of_another_site(site, mode, path):
    if site is None and mode is None:
        return  # not a browser's request
    with pytest.raises(OriginRefusedError):
        admit(replace(STATUS, path=path, sec_fetch_site=site, sec_fetch_mode=mode, authorization=BEARER), TOKEN)


@pytest.mark.parametrize("path", ["/v1/cards", "/v1/grants", "/v1/events"])
def test_attack_browser_without_origin_never_counts_as_a_program(path):
    with pytest.raises(OriginRefusedError):
        admit(replace(STATUS, path=path, authorization=BEARER, **TYPED), TOKEN)


@pytest.mark.parametrize("header", [None, "", "Bearer wrong", "Basic cmlnaHQ=", "right"])
def test_attack_program_without_the_right_token(header):
    with pytest.raises(TokenRefusedError):
        admit(replace(BARE, authorization=header), TOKEN)


def test_a_wrong_token_is_reported_on_a_public_route_too():
    with pytest.raises(TokenRefusedError):
        admit(replace(STATUS, authorization="Bearer wrong"), TOKEN)
    assert admit(replace(STATUS, authorization=BEARER), TOKEN).by_token


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/style.min.css", "/openapi.json", "/playground/", "/playground/a.js"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_person_opens_the_playground(path, method):
    page = replace(STATUS, method=method, path=path)
    assert admit(replace(page, **TYPED), TOKEN) == Admission()
    assert admit(replace(page, sec_fetch_site="same-origin", sec_fetch_mode="no-cors"), TOKEN) == Admission()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/cards",
        "/v1/status/",
        "/v1/status/../cards",
        "/v1/%73tatus",
        "/%761/cards",
        "//v1/cards",
        "/V1/cards",
        "/./v1/cards",
        "/a.js/../v1/cards",
        "/playground/../v1/cards",
        "/playground/%2e%2e/v1/cards",
        "/playground//v1/cards",
        "/v1/status\n",
        "/v1/status?x",
        "/v1",
        "/..",
        "*",
        "",
        "http://127.0.0.1:27710/v1/status",
    ],
)
def test_attack_path_that_only_looks_public(path):
    with pytest.raises(TokenRefusedError):
        admit(replace(STATUS, path=path), TOKEN)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "OPTIONS", "get", "TRACE"])
def test_attack_other_method_on_a_public_path(method):
    with pytest.raises(TokenRefusedError):
        admit(replace(STATUS, method=method), TOKEN)


def test_the_playground_is_a_page_like_any_other():
    facts = replace(PAGE, origin="http://localhost:27710")
    assert admit(facts, TOKEN).origin == Origin("http://localhost:27710", loopback=True)


def test_an_answer_names_the_one_origin_and_never_a_star():
    headers = cors_headers(Origin(ORIGIN, loopback=False))
    assert headers == {"Vary": "Origin", "Access-Control-Allow-Origin": ORIGIN}


def test_an_answer_to_a_caller_without_origin_allows_no_page():
    assert cors_headers(None) == {"Vary": "Origin"}


def test_a_preflight_allows_little_and_no_credentials():
    assert preflight_headers(Origin(ORIGIN, loopback=False)) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
        "Access-Control-Allow-Headers": "content-type, soapaction, cps-agent-card, cps-agent-authorization, "
        "cps-agent-assertion",
        "Access-Control-Max-Age": "60",
    }
