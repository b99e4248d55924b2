"""Pro Santé Connect through the whole agent: a real OpenID provider, TLS, a key store, and Chromium."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from support.agent import Person
from support.chromium import Browser, find_missing_programs, need, run_chromium
from support.oidc_provider import CLIENT_ID, DOCTOR, Provider, claims_of
from support.psc_desk import PscDesk, psc_desk
from support.secret_service import why_no_secret_service

from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))


@pytest.fixture
async def desk(folder: Path, provider: Provider, readers: VirtualReaders, person: Person) -> AsyncIterator[PscDesk]:
    async with psc_desk(folder, provider, readers, person) as running:
        yield running


@pytest.fixture(scope="module")
def chromium(issuer: Provider) -> Iterator[Browser]:
    """One in whose eyes the issuer's pages are on the internet, as they are."""
    need(", ".join(find_missing_programs()))
    with run_chromium([f"--ip-address-space-overrides={issuer.hosts[1]}=public"]) as browser:
        yield browser


def click_through(browser: Browser, url: str, link: str) -> str:
    """Log in with Chromium, as a person does; gives the text of the last page."""
    with browser.context() as profile:
        page = profile.open(url)
        page.call("click", selector=link)
        return str(page.wait_for("() => location.protocol === 'http:' && document.body.innerText"))


async def test_a_whole_login_in_chromium(desk: PscDesk, chromium: Browser) -> None:
    login = await desk.begin(acr="eidas1")
    text = await asyncio.to_thread(click_through, chromium, desk.take_page(), f"#CARD-{DOCTOR}")
    assert "Vous pouvez fermer cette fenêtre" in text
    session = (await login).body["session"]
    assert session["person"]["nationalId"] == DOCTOR
    assert (session["acr"], session["authMode"], session["cardNumber"]) == ("eidas1", "CARD", DEFAULT.serial)
    token = await desk.token(session)
    assert claims_of(token.body["accessToken"])["azp"] == claims_of(token.body["idToken"])["aud"] == CLIENT_ID


async def test_an_issuer_that_answers_without_a_page(desk: PscDesk, provider: Provider, chromium: Browser) -> None:
    """Chromium opened the page for nobody (`Sec-Fetch-Site: none`), and says so of the redirect as well."""
    login = await desk.begin()
    url = desk.take_page()
    asked = parse_qs(urlsplit(url).query)
    told = urlencode({"error": "access_denied", "state": asked["state"][0], "iss": provider.issuer})
    back = {"status": 303, "body": "", "redirect": f"{asked['redirect_uri'][0]}?{told}"}
    provider.change("/auth", instead=back)
    text = await asyncio.to_thread(open_and_read, chromium, url)
    assert "Vous pouvez fermer cette fenêtre" in text
    assert (await login).code == "psc-login-refused"


def open_and_read(browser: Browser, url: str) -> str:
    with browser.context() as profile:
        return str(profile.open(url).run("() => document.body.innerText"))


async def test_a_logout_ends_it_at_both_ends(desk: PscDesk, provider: Provider) -> None:
    session = (await desk.log_in()).body["session"]
    token = (await desk.token(session)).body["accessToken"]
    assert provider.introspect(token)["active"] is True
    answer = await desk.agent.program("DELETE", f"/v1/psc/sessions/{session['id']}")
    assert answer.body == {"id": session["id"], "issuerTold": True}
    assert (await desk.token(session)).code == "psc-session-ended"
    assert provider.introspect(token)["active"] is False
    assert (await desk.agent.program("GET", "/v1/psc/sessions")).body == {"sessions": []}


async def test_the_journal_names_client_and_person_and_no_token(desk: PscDesk) -> None:
    session = (await desk.log_in()).body["session"]
    token = (await desk.token(session)).body
    entries = (await desk.agent.program("GET", "/v1/journal")).body["entries"]
    told = json.dumps(entries)
    ours = [entry for entry in entries if entry["action"] in ("psc-token", "authenticate")]
    assert [(entry["action"], entry["subject"]) for entry in ours] == [
        ("psc-token", "logiciel: CAMILLE VIRTUEL"),
        ("authenticate", "logiciel: CAMILLE VIRTUEL"),
    ]
    assert token["accessToken"] not in told
    assert token["idToken"] not in told
