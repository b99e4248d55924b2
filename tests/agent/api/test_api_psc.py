"""Pro Santé Connect through the whole agent: a real OpenID provider, TLS, a key store, and Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.agent import Person
from support.chromium import Browser, find_missing_programs, need, run_chromium
from support.oidc_provider import DOCTOR, Provider, oidc_provider
from support.psc_desk import PROGRAM, PscDesk, psc_desk, psc_workstation
from support.secret_service import why_no_secret_service

from drivers.virtual.link import VirtualReaders

pytestmark = pytest.mark.skipif(bool(why_no_secret_service()), reason=str(why_no_secret_service()))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    folder = tmp_path_factory.mktemp("provider")
    with psc_workstation(folder), oidc_provider(folder) as running:
        yield running


@pytest.fixture
def provider(served: Provider) -> Iterator[Provider]:
    yield served
    served.restore()


@pytest.fixture
async def desk(
    folder: Path, provider: Provider, readers: VirtualReaders, person: Person
) -> AsyncIterator[PscDesk]:
    async with psc_desk(folder, provider, readers, person) as running:
        yield running


@pytest.fixture(scope="module")
def chromium(served: Provider) -> Iterator[Browser]:
    """One in whose eyes the issuer's pages are on the internet, as they are."""
    need(", ".join(find_missing_programs()))
    with run_chromium([f"--ip-address-space-overrides={served.hosts[1]}=public"]) as browser:
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
    answer = await login
    assert answer.status == 200, answer.body
    print(answer.body)
    token = await desk.token(answer.body["session"])
    assert token.status == 200, token.body
    gone = await desk.agent.program("DELETE", f"/v1/psc/sessions/{answer.body['session']['id']}")
    print(gone.body)
    assert gone.status == 200, gone.body
    token = await desk.token(answer.body["session"])
    print(token.body)
    print((await desk.agent.program("GET", "/v1/journal")).body)


async def test_by_hand(desk: PscDesk) -> None:
    answer = await desk.log_in()
    print(answer.body)
    assert answer.status == 200
    token = await desk.token(answer.body["session"])
    assert token.status == 200, token.body
    gone = await desk.agent.program("DELETE", f"/v1/psc/sessions/{answer.body['session']['id']}")
    print(gone.body)
    assert gone.status == 200, gone.body
    token = await desk.token(answer.body["session"])
    print(token.body)
    print((await desk.agent.program("GET", "/v1/journal")).body)
