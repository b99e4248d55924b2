"""One Chromium and the sites of the tests for the whole run; an agent of its own for each test that changes it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from browser_desk import run_agent, run_agent_on_pcscd
from browser_sites import run_site
from support.chromium import find_missing_programs, need, run_chromium
from support.pcscd import why_unavailable


@dataclass(frozen=True)
class Web:
    """`public`: https on an address that Chromium takes for the internet; `local`: https, and `plain`: http, both
    on this computer in its eyes, so that nothing but the agent stands in a page's way."""

    public_port: int
    local_port: int
    plain_port: int

    def public(self, host: str = "dmp.test") -> str:
        return f"https://{host}:{self.public_port}"

    def local(self, host: str = "dmp.test") -> str:
        return f"https://{host}:{self.local_port}"

    def plain(self, host: str = "dmp.test") -> str:
        return f"http://{host}:{self.plain_port}"


@pytest.fixture(scope="session")
def web(tmp_path_factory):
    need(", ".join(find_missing_programs()))
    folder = tmp_path_factory.mktemp("sites")
    with (
        run_site(folder, secure=True) as public,
        run_site(folder, secure=True) as local,
        run_site(folder, secure=False) as plain,
    ):
        yield Web(public.port, local.port, plain.port)


def chromium_flags(web: Web) -> list[str]:
    return [
        "--host-resolver-rules=MAP *.test 127.0.0.1",
        f"--ip-address-space-overrides=127.0.0.1:{web.public_port}=public",
    ]


@pytest.fixture(scope="session")
def chromium(web):
    with run_chromium(chromium_flags(web)) as browser:
        yield browser


@pytest.fixture
def profile(chromium):
    with chromium.context() as context:
        yield context


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """An agent with the embedded card; tests of one module share it, each with its own site."""
    with run_agent(tmp_path_factory.mktemp("agent"), "--virtual", "--unattended") as running:
        running.wait_for_card()
        yield running


@pytest.fixture(params=["embedded", "pcscd"])
def desk(request, tmp_path):
    """An agent with the embedded card, and one with the same card behind the real smart card service."""
    if request.param == "embedded":
        with run_agent(tmp_path, "--virtual", "--unattended") as running:
            yield running
    else:
        need(why_unavailable())
        with run_agent_on_pcscd(tmp_path) as (running, _):
            yield running


@pytest.fixture
def desk_with_slot(tmp_path):
    """An agent on the real smart card service, and the card to pull and insert."""
    need(why_unavailable())
    with run_agent_on_pcscd(tmp_path) as pair:
        yield pair
