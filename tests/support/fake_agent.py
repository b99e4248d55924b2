"""An agent that tells whatever a test wants it to tell: the routes that the tray and the panel use, and nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

TOKEN = "t" * 43
READER = "ACS ACR38U"
TROUBLE = {
    "code": "card-unknown",
    "detail": "This is a Vitale card. Insert a CPS card.",
    "detailFr": "C'est une carte Vitale. Insérez une carte CPS.",
}


def reader(condition: str = "card-ready", **members: Any) -> dict[str, Any]:
    """A reader as the API shows it, with Marie Dupont's card unless told otherwise."""
    empty = condition in ("no-card", "reading", "not-cps", "trouble")
    card = {"cardNumber": None, "kind": None, "holderName": None, "expiresAt": None, "pin": None}
    if not empty:
        card = {
            "cardNumber": "99213845", "kind": "CPS", "holderName": "Docteur Marie DUPONT",
            "expiresAt": "2029-11-23T18:35:42Z",
            "pin": {"state": "blocked" if condition == "pin-blocked" else "ready", "triesLeft": 3},
        }  # fmt: skip
    shown = {"name": READER, "state": "ready", "condition": condition, "trouble": None, **card}
    if condition == "not-cps":
        shown["trouble"] = TROUBLE
    return shown | members


def status(condition: str = "card-ready", *readers: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A whole status; without readers, one in the desk's condition."""
    shown = list(readers) or ([] if condition == "no-reader" else [reader(condition)])
    return {"condition": condition, "service": "running", "readers": shown, "sessions": [], **members}


class FakeAgent:
    """Answers from `answers` (method and path → JSON, or status and code of a problem), `status` and `denials`.

    `calls` are those that change something; `looks` counts the readings of the status.
    """

    def __init__(self) -> None:
        self.status: dict[str, Any] = status()
        self.denials = 0
        self.answers: dict[tuple[str, str], Any] = {}
        self.calls: list[tuple[str, str, Any]] = []
        self.called = threading.Condition()
        self.looks = 0
        self.lines: set[web.WebSocketResponse] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def tell(self, new: dict[str, Any]) -> None:
        """Stand differently from now on, and say so."""
        self.status = new
        assert self._loop
        asyncio.run_coroutine_threadsafe(self._send({"type": "state-changed"}), self._loop).result(5)

    def wait_for_call(self, method: str, path: str, deadline_s: float = 15) -> Any:
        """The body of the first such call."""

        def found() -> list[Any]:
            return [body for m, p, body in self.calls if (m, p) == (method, path)]

        with self.called:
            assert self.called.wait_for(found, deadline_s), f"no {method} {path}: {self.calls}"
            return found()[0]

    def tell_often(self, times: int) -> None:
        """Many events at once."""
        assert self._loop

        async def send() -> None:
            for _ in range(times):
                await self._send({"type": "state-changed"})

        asyncio.run_coroutine_threadsafe(send(), self._loop).result(5)

    async def _send(self, message: dict[str, Any]) -> None:
        for line in set(self.lines):
            await line.send_json(message)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _problem(401, "token-refused")
        key = request.method, request.path
        if key == ("GET", "/v1/events"):
            return await self._stream(request)
        if request.method != "GET":
            body = await request.json() if request.can_read_body else None
            with self.called:
                self.calls.append((*key, body))
                self.called.notify_all()
        if key in self.answers:
            answer = self.answers[key]
            if isinstance(answer, tuple):
                return _problem(*answer)
            return web.json_response(answer)
        if key == ("GET", "/v1/status"):
            self.looks += 1
            return web.json_response({"name": "cps-agent", "version": "0.1.0", **self.status})
        if key == ("POST", "/v1/pin/lock"):
            return web.json_response({"ended": len(self.status["sessions"])})
        if key == ("GET", "/v1/denials"):
            return web.json_response({"count": self.denials})
        if request.method != "GET":
            return web.Response(status=204) if request.method == "DELETE" else web.json_response({})
        return _problem(404, "not-found")

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        self.lines.add(line)
        await line.send_json({"type": "state", **self.status})
        async for _ in line:
            pass
        self.lines.discard(line)
        return line


def _problem(code: int, word: str) -> web.Response:
    body = {"type": "", "title": word, "status": code, "code": word, "layer": "call",
            "detail": f"The sentence of {word}.", "detailFr": f"La phrase de {word}."}  # fmt: skip
    return web.json_response(body, status=code, content_type="application/problem+json")


@contextlib.contextmanager
def fake_agent(folder: Path) -> Iterator[FakeAgent]:
    """One that runs with this data folder until the block ends."""
    agent, loop = FakeAgent(), asyncio.new_event_loop()
    agent._loop = loop
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    runner = run(_start(agent))
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(TOKEN)
    (folder / "port").write_text(str(runner.addresses[0][1]))
    try:
        yield agent
    finally:
        (folder / "port").unlink(missing_ok=True)
        run(_stop(runner))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _start(agent: FakeAgent) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", agent._answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def _stop(runner: web.AppRunner) -> None:
    """Cut every line, also those that were just being opened: a program that is killed does so too."""
    for site in list(runner.sites):
        await site.stop()
    await _cut_lines()
    await runner.cleanup()
    await _cut_lines()


async def _cut_lines() -> None:
    """Those that the server does not list yet are known to asyncio's loop alone, under a private name."""
    transports = getattr(asyncio.get_running_loop(), "_transports")  # noqa: B009
    for _ in range(20):
        for transport in list(transports.values()):
            if isinstance(transport, asyncio.Transport) and transport.get_extra_info("peername"):
                transport.abort()
        await asyncio.sleep(0.001)
