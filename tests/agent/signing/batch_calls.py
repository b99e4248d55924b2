"""A page's, or a program's, calls about batches."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from typing import Any

from support.agent import PAGE, Answer, RunningAgent

from drivers.virtual.trace import TracedCard

FOUR = {f"{name}.txt": name.encode() * 9 for name in "abcd"}
SIGNATURE = "> 00 2A 9E"
OVER = frozenset({"done", "paused"})


def manifest(contents: dict[str, bytes], **terms: Any) -> dict[str, Any]:
    """A batch of detached CMS, unless the terms say otherwise."""
    documents = [
        {"name": name, "digest": encode(hashlib.sha256(content).digest())} for name, content in contents.items()
    ]
    return {"format": "cms", "documents": documents, **terms}


def encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


async def make(agent: RunningAgent, contents: dict[str, bytes], **terms: Any) -> str:
    """A new batch of PAGE; gives its path."""
    answer = await agent.page("POST", "/v1/batches", manifest(contents, **terms))
    assert answer.status == 201, answer.body
    return f"/v1/batches/{answer.body['id']}"


async def put(agent: RunningAgent, path: str, content: bytes, origin: str = PAGE) -> Answer:
    headers = {"Origin": origin, "Content-Type": "application/octet-stream"}
    return await agent.call("PUT", path, content, headers)


async def start(agent: RunningAgent, path: str) -> Answer:
    return await agent.page("POST", f"{path}/start", {})


async def wait_over(agent: RunningAgent, path: str, timeout_s: float = 30) -> dict[str, Any]:
    """The batch once it has stopped."""
    async with asyncio.timeout(timeout_s):
        while await _state(agent, path) not in OVER:
            await asyncio.sleep(0.02)
    return dict((await agent.page("GET", path)).body)


async def _state(agent: RunningAgent, path: str) -> str:
    batches = (await agent.page("GET", "/v1/batches")).body["batches"]
    return next(str(batch["state"]) for batch in batches if path.endswith(batch["id"]))


async def run(agent: RunningAgent, path: str) -> dict[str, Any]:
    """Start it and wait for its end."""
    answer = await start(agent, path)
    assert answer.status == 202, answer.body
    return await wait_over(agent, path)


async def wait_for_reader(agent: RunningAgent, state: str) -> None:
    """Until the agent has noticed what was done to the only reader."""
    async with asyncio.timeout(20):
        while [each["state"] for each in (await agent.page("GET", "/v1/readers")).body["readers"]] != [state]:
            await asyncio.sleep(0.02)


async def signature(agent: RunningAgent, path: str, place: int) -> bytes:
    answer = await agent.page("GET", f"{path}/documents/{place}")
    assert answer.status == 200, answer.body
    return base64.b64decode(answer.body["content"])


class Interruption:
    """Does something once, at the so-manyth signature of the card, seen from the card's thread."""

    def __init__(self, card: TracedCard) -> None:
        self.signatures = 0
        self._at, self._deed = 0, lambda: None
        self._loop = asyncio.get_running_loop()
        card._write = self._note

    def plan(self, after: int, deed: Callable[[], Any]) -> None:
        self._at, self._deed = self.signatures + after, deed

    def _note(self, line: str) -> None:
        if not line.startswith(SIGNATURE):
            return
        self.signatures += 1
        if self.signatures == self._at:
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        deed = self._deed()
        if asyncio.iscoroutine(deed):
            self._task = asyncio.ensure_future(deed)
