"""A health service behind nginx that wants client certificates, and an agent with a virtual CPS3 that reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch

from aiohttp import ClientResponse, ClientSession, web
from support.agent import Answer, DeskPresence, Person, RunningAgent, running_agent
from support.tls_servers import SESSIONS, Authority, ServerTerms, TlsServer, nginx

from agent.certificates.test_root import TestRoot
from agent.services.tls.availability import Availability, TlsState
from drivers.virtual.link import VirtualReaders

PROXY = """
    location /untyped/page {{ default_type ""; return 200 "\\n <html><script>"; }}
    location /untyped/bytes {{ default_type ""; return 200 "plain"; }}
    location /app/ {{
      proxy_pass http://127.0.0.1:{port}; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 5s; proxy_ignore_client_abort off;
      proxy_set_header Card $ssl_client_s_dn; proxy_set_header X-Host $http_host; proxy_set_header Resumed $ssl_session_reused;
      proxy_pass_request_headers on;
    }}
"""
SERVICE = """
[services.{name}]
title = "Essai"
url = "https://localhost:{port}{path}"
{more}
"""


@dataclass
class Gateway:
    """An agent, the service's server, and a program's way to it."""

    agent: RunningAgent
    server: TlsServer
    person: Person
    presence: DeskPresence
    client: ClientSession

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.agent.port}/v1/gateway"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.agent.token}"}

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> Any:
        """A program's request to the service; use it with `async with`."""
        return self.client.request(method, f"{self.base}/{path}", headers={**self.headers, **(headers or {})}, **more)

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> Asked:
        """The whole answer."""
        async with self.request(method, path, headers, **more) as response:
            return await Asked.of(response)

    async def journal(self, action: str | None = None) -> list[dict[str, Any]]:
        """The journal's entries, newest first."""
        answer: Answer = await self.agent.program("GET", "/v1/journal")
        return [entry for entry in answer.body["entries"] if action in (None, entry["action"])]


@dataclass
class Asked:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    problem: dict[str, Any]

    @classmethod
    async def of(cls, response: ClientResponse) -> Asked:
        body = await response.read()
        problem = await response.json(content_type=None) if "problem" in response.content_type else {}
        return cls(response.status, response.headers, body, problem)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        return self.problem.get("code")


@contextlib.asynccontextmanager
async def application(handlers: Mapping[str, Callable[[web.Request], Any]]) -> AsyncIterator[int]:
    """What stands behind the server: paths and their handlers. Gives its port."""
    app = web.Application(client_max_size=1 << 30)
    for path, handler in handlers.items():
        app.router.add_route("*", f"/app/{path}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def services_file(folder: Path, port: int, more: str = "", path: str = "", name: str = "essai") -> Any:
    """A file of services that names the server, and the file of its authority."""
    file = folder / "services.toml"
    file.write_text(SERVICE.format(name=name, port=port, path=path, more=more))
    yield file


def write_authority(folder: Path, authority: Authority) -> Path:
    """The file of an authority, for the setting `test_authorities`."""
    path = folder / "server-authority.der"
    path.write_bytes(authority.der)
    return path


@contextlib.asynccontextmanager
async def tried_once() -> AsyncIterator[None]:
    """Let the self-test of TLS run for the first agent of this process; what it found holds for the next ones."""
    if not _found:
        availability = Availability()
        _found.append(await availability.find())
        await availability.close()
    with patch.object(Availability, "_try", AsyncMock(return_value=_found[0])):
        yield


_found: list[TlsState] = []


@contextlib.asynccontextmanager
async def open_gateway(
    folder: Path,
    readers: VirtualReaders,
    handlers: Mapping[str, Callable[[web.Request], Any]] | None = None,
    more: str = "",
    versions: tuple[str, ...] = ("TLSv1.2",),
    locations: str = "",
    tls: str | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """The service `essai`, whose paths under /app/ are those handlers'."""
    person, presence = Person(), DeskPresence()
    clients = TestRoot(folder).authorities_der()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(tried_once())
        port = await stack.enter_async_context(application(handlers or {}))
        terms = ServerTerms(folder / "nginx", clients, versions=versions, sessions=tls or SESSIONS)
        server = stack.enter_context(nginx(terms, PROXY.format(port=port) + locations))
        file = stack.enter_context(services_file(folder, server.port, more))
        trusted = (write_authority(folder, server.authority),)
        agent = await stack.enter_async_context(
            running_agent(folder, person, readers, presence, services=file, **{"test_authorities": trusted, **settings})
        )
        client = await stack.enter_async_context(ClientSession(auto_decompress=False))
        yield Gateway(agent, server, person, presence, client)


async def cancel(task: asyncio.Task[Any]) -> None:
    """End a task that still runs."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def reset_peak_kb() -> int:
    """Begin to watch how much memory this process takes; gives what it takes now (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_kb()


def peak_kb() -> int:
    """The most that it has taken since."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
