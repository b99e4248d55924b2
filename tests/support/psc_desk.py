"""A workstation where somebody logs in with Pro Santé Connect: the provider, a client's secret, a browser's stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.agent import Answer, Person, RunningAgent, running_agent
from support.oidc_provider import DOCTOR, SECRET, Provider
from support.secret_service import secret_service
from support.waiting import wait_until

from agent.keystore import open_key_store
from drivers.base import Readers

SECRET_NAME = "psc-secret-logiciel"
PROGRAM = str(Path(sys.executable).resolve())


@dataclass
class PscDesk:
    """A running agent with a client of the provider, which this process may use. `page`: what the browser was sent to."""

    agent: RunningAgent
    provider: Provider
    folder: Path

    async def begin(self, **body: Any) -> asyncio.Task[Answer]:
        """Have a program ask for a login, up to the moment when its page is open."""
        asked = {"format": "psc", "client": "logiciel", "way": "browser", **body}
        task = asyncio.create_task(self.agent.program("POST", "/v1/authentications", asked))
        while not (task.done() or self.page_file.exists()):
            await asyncio.wait({task}, timeout=0.02)
        return task

    def wait_for_page(self) -> None:
        """Block until a page is open."""
        wait_until(self.page_file.exists, "the browser")

    @property
    def page_file(self) -> Path:
        return self.folder / "page"

    def take_page(self) -> str:
        """The address that the browser was opened at, once."""
        url = self.page_file.read_text()
        self.page_file.unlink()
        return url

    async def visit(self, national_id: str = DOCTOR, by: str = "MOBILE") -> str:
        """Go through the login as a person does who clicks; gives the page that is there in the end."""
        url = self.take_page()
        return await asyncio.to_thread(log_in_by_hand, self.provider, url, national_id, by)

    async def log_in(self, national_id: str = DOCTOR, by: str = "MOBILE", **body: Any) -> Answer:
        """A whole login."""
        task = await self.begin(**body)
        if not task.done():
            with contextlib.suppress(OSError):  # a page that the test has spoiled
                await self.visit(national_id, by)
        return await task

    async def hear(self, kind: str, deed: Callable[[], object]) -> dict[str, Any]:
        """The next event of that kind, after something was done by whoever already listens."""

        def listen() -> dict[str, Any]:
            with self.agent.client.events() as events:
                deed()
                return dict(next(event for event in events if event["type"] == kind))

        return await asyncio.to_thread(listen)

    async def token(self, session: dict[str, Any]) -> Answer:
        return await self.agent.program("POST", f"/v1/psc/sessions/{session['id']}/token", {})


def log_in_by_hand(provider: Provider, url: str, national_id: str = DOCTOR, by: str = "MOBILE") -> str:
    """What a browser does, without one: cookies, redirects, one link."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        provider.https(),
    )
    with opener.open(url, timeout=20) as page:
        place = page.geturl()
    with opener.open(f"{place}?as={national_id}&by={by}", timeout=20) as page:
        return str(page.read().decode())


@dataclass(frozen=True)
class PscStation:
    """A key store with the client's secret, and an `xdg-open` that leaves the address in a file: no agent yet."""

    bus: str
    programs: Path

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Agents of this process find both while the block lasts."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{self.programs}:/usr/bin:/bin")
            patch.setenv("DBUS_SESSION_BUS_ADDRESS", self.bus)
            patch.setenv("no_proxy", "127.0.0.1")
            for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
                patch.setenv(
                    name, "/nonexistent"
                )  # the system's authorities are read for each connection, and vouch for none
            yield


@contextlib.contextmanager
def psc_station(folder: Path) -> Iterator[PscStation]:
    """Set one up, for as many modules as want it."""
    script = folder / "bin" / "xdg-open"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\nprintf %s "$1" > "$XDG_PSC_PAGE.new" && mv "$XDG_PSC_PAGE.new" "$XDG_PSC_PAGE"\n')
    script.chmod(0o755)
    with secret_service(folder / "secrets") as address:
        station = PscStation(address, script.parent)
        with station.here():
            open_key_store().set(SECRET_NAME, SECRET.encode())
        yield station


@contextlib.contextmanager
def psc_workstation(folder: Path) -> Iterator[None]:
    """One for a module of its own."""
    with psc_station(folder) as station, station.here():
        yield


@contextlib.asynccontextmanager
async def psc_desk(
    folder: Path, provider: Provider, readers: Readers, person: Person | None = None, **settings: Any
) -> AsyncIterator[PscDesk]:
    """An agent of its own. `client`: members of the client in the catalog, `programs` among them; `more`: to go with it."""
    client = {"program": PROGRAM, **settings.pop("client", {})}
    folder.mkdir(exist_ok=True)
    services = folder / "services.toml"
    services.write_text(provider.catalog(client.pop("program"), **client) + settings.pop("more", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_PSC_PAGE", str(folder / "page"))
        authorities = (provider.authority,)
        async with running_agent(
            folder, person or Person(), readers, services=services, test_authorities=authorities, **settings
        ) as agent:
            yield PscDesk(agent, provider, folder)
