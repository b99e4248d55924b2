"""An agent whose desk is watched, so that PIN sessions are offered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.agent import DeskPresence, Person, RunningAgent, running_agent

from agent.cards.sessions import PinSessions
from agent.daemon import Daemon
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card


@pytest.fixture
def readers(folder: Path) -> Iterator[VirtualReaders]:
    card = open_card(folder)
    yield VirtualReaders([card])
    card.close()


@pytest.fixture
def person() -> Person:
    return Person(session=True)


@pytest.fixture(autouse=True)
def _sessions_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the sessions that a daemon makes where a test can look at them."""
    make = Daemon._make_sessions

    async def make_and_show(self: Daemon, *arguments: Any) -> PinSessions:
        self.sessions = await make(self, *arguments)  # type: ignore[attr-defined]
        return self.sessions  # type: ignore[attr-defined,no-any-return]

    monkeypatch.setattr(Daemon, "_make_sessions", make_and_show)


@pytest.fixture
def presence() -> DeskPresence:
    return DeskPresence()


@pytest.fixture
async def agent(
    folder: Path, person: Person, readers: VirtualReaders, presence: DeskPresence
) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers, presence) as running:
        yield running


@pytest.fixture
async def granted(agent: RunningAgent, person: Person) -> RunningAgent:
    """The agent, with everything a page can have granted to PAGE."""
    answer = await agent.page("POST", "/v1/grants", {"abilities": ["identity", "authenticate", "sign", "events"]})
    assert answer.status == 201
    person.asked.clear()
    return agent
