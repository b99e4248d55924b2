"""The whole agent inside a test, and raw HTTP against it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agent.client import Client
from agent.daemon import Daemon
from agent.people.presence import AwayReason, Presence
from agent.people.prompt import CardChoice, ConfirmRequest, DeedRequest, Notice, PinAnswer, PinRequest, Prompt
from agent.settings import Settings
from drivers.base import Readers
from drivers.pin import ON_PAD, Passphrase, Pin
from drivers.virtual.link import VirtualReaders

T = TypeVar("T")

PAGE = "https://dmp.example"
NONCE = "A" * 43 + "="


@dataclass
class Person(Prompt):
    """Somebody at the desk who answers what the test tells, and remembers what was asked."""

    pin: str = "1234"
    new_pin: str = "1234"
    agrees: bool = True
    passphrases: list[str] = field(default_factory=lambda: ["1234"])
    asked: list[PinRequest | ConfirmRequest | CardChoice | DeedRequest] = field(default_factory=list)
    on_ask: Callable[[], Any] | None = None
    refuses: Exception | None = None
    confirms_after: asyncio.Event | None = None
    chooses: str | None = None
    told: list[Notice] = field(default_factory=list)
    session: bool = False

    async def ask_pin(self, request: PinRequest) -> PinAnswer:
        self.asked.append(request)
        await self._react()
        if request.on_pad:
            return PinAnswer(ON_PAD)
        if request.no_code:
            return PinAnswer(None)
        if request.passphrase:
            keeps = self.session and request.session_minutes is not None
            return PinAnswer(self._passphrase(), self._passphrase() if request.wants_new_code else None, keeps)
        new = Pin(bytearray(self.new_pin.encode())) if request.wants_new_code else None
        return PinAnswer(Pin(bytearray(self.pin.encode())), new, self.session and request.session_minutes is not None)

    async def _react(self) -> None:
        if self.on_ask is not None:
            result = self.on_ask()
            if asyncio.iscoroutine(result):
                await result
        if self.refuses:
            raise self.refuses

    def _passphrase(self) -> Passphrase:
        """The next one; the last one again and again."""
        chosen = self.passphrases[0] if len(self.passphrases) == 1 else self.passphrases.pop(0)
        return Passphrase(bytearray(chosen.encode()))

    async def agree(self, request: DeedRequest) -> Passphrase | None:
        self.asked.append(request)
        await self._react()
        return self._passphrase() if request.wants_passphrase else None

    async def confirm(self, request: ConfirmRequest) -> bool:
        self.asked.append(request)
        if self.confirms_after is not None:
            await self.confirms_after.wait()
        return self.agrees

    async def choose_card(self, choice: CardChoice) -> str:
        self.asked.append(choice)
        return choice.cards[0].number if self.chooses is None else self.chooses

    async def inform(self, message: Notice) -> None:
        self.told.append(message)


@dataclass
class Answer:
    """Status, headers and JSON of one answer."""

    status: int
    headers: http.client.HTTPMessage
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass
class RunningAgent:
    """A running agent and the ways to call it; `call` is a page when `origin` is given, a program otherwise."""

    daemon: Daemon
    client: Client
    folder: Path

    @property
    def port(self) -> int:
        return self.daemon.port

    @property
    def token(self) -> str:
        return (self.folder / "token").read_text()

    async def ask(self, function: Callable[[Client], T]) -> T:
        """Call the typed client away from the event loop."""
        return await asyncio.to_thread(function, self.client)

    async def page(self, method: str, path: str, body: Any = None, origin: str = PAGE) -> Answer:
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        return await self.call(method, path, body, headers)

    async def program(self, method: str, path: str, body: Any = None) -> Answer:
        return await self.call(method, path, body, {"Authorization": f"Bearer {self.token}"})

    async def call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        return await asyncio.to_thread(call, self.port, method, path, body, headers)


def call(port: int, method: str, path: str, body: Any, headers: dict[str, str], host: str = "127.0.0.1") -> Answer:
    """One raw request; a body that is not bytes is sent as JSON."""
    headers = {"Connection": "close", **headers}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body is not None:
        headers.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(host, port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
    parsed = json.loads(content) if "json" in (response.headers.get("Content-Type") or "") else content
    return Answer(response.status, response.headers, parsed)


class DeskPresence(Presence):
    """The signals of a desktop, at the seam: the test says when the person is away."""

    def __init__(self, *, available: bool = True) -> None:
        self.available = available
        self.on_away: Callable[[AwayReason], object] | None = None

    async def start(self, on_away: Callable[[AwayReason], object]) -> None:
        self.on_away = on_away

    async def stop(self) -> None:
        self.on_away = None

    def leave(self, reason: AwayReason = AwayReason.LOCKED) -> None:
        """The person locks the screen, or the like."""
        assert self.on_away is not None
        self.on_away(reason)


@contextlib.asynccontextmanager
async def running_agent(
    folder: Path,
    prompt: Prompt | None = None,
    readers: Readers | None = None,
    presence: Presence | None = None,
    **settings: Any,
) -> AsyncIterator[RunningAgent]:
    """An agent in this process, on a port of its own, that trusts the folder's test root, and nobody watches the desk.

    Unless `presence` does, or the settings say otherwise. Without `readers` it has none: the workstation's own are
    nobody's business here, and libpcsclite remembers for the whole process whom it has called first.
    """
    if readers is None and not settings.get("virtual"):
        readers = VirtualReaders([])
    chosen = Settings(**{"data_dir": folder, "port": 0, "trust_test_cards": True, **settings})
    daemon = Daemon(chosen, prompt, readers, presence or DeskPresence(available=False))
    ready = asyncio.Event()
    run = asyncio.create_task(daemon.run(lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({run, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if run.done():
        run.result()
    try:
        with Client.of(folder) as client:
            yield RunningAgent(daemon, client, folder)
    finally:
        daemon.stop()
        await run
