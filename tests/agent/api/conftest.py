from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.agent import Person, RunningAgent, running_agent
from support.oidc_provider import Provider, oidc_provider
from support.psc_desk import PscStation, psc_station

from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card


@pytest.fixture
def readers(folder: Path) -> Iterator[VirtualReaders]:
    card = open_card(folder)
    yield VirtualReaders([card])
    card.close()


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
async def agent(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[RunningAgent]:
    async with running_agent(folder, person, readers) as running:
        yield running


@pytest.fixture
async def granted(agent: RunningAgent, person: Person) -> RunningAgent:
    """The agent, with everything a page can have granted to PAGE."""
    answer = await agent.page("POST", "/v1/grants", {"abilities": ["identity", "authenticate", "sign", "events"]})
    assert answer.status == 201
    person.asked.clear()
    return agent


@pytest.fixture(scope="session")
def shared_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PscStation]:
    """Key store and browser's stand-in of every module that logs in with Pro Santé Connect."""
    with psc_station(tmp_path_factory.mktemp("station")) as station:
        yield station


@pytest.fixture(scope="session")
def shared_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """Its issuer's stand-in, with one client; whoever has it do something else restores it."""
    with oidc_provider(tmp_path_factory.mktemp("provider")) as provider:
        yield provider


@pytest.fixture(scope="module")
def issuer(shared_station: PscStation, shared_provider: Provider) -> Iterator[Provider]:
    """The provider, in whose workstation the agents of a module are."""
    with shared_station.here():
        yield shared_provider


@pytest.fixture
def provider(issuer: Provider) -> Iterator[Provider]:
    """The same for one test, which may have it do something else."""
    yield issuer
    issuer.restore()
