"""Signature keys for formats, and workshops that end with their test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.agent import DeskPresence, Person, RunningAgent, running_agent
from support.certomancer import Pki
from support.signing_keys import SigningKey

from agent.signing.preparation import Outside
from agent.signing.workshop import Workshop
from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard


@pytest.fixture(scope="session")
def key(made_folder: Path) -> SigningKey:
    """The signature key of a virtual CPS, outside of it."""
    return SigningKey.of_card(made_folder)


@pytest.fixture(scope="session")
def published_key(pki: Pki) -> SigningKey:
    """The key of a card whose revocation is published."""
    return SigningKey(pki.key, pki.der("good"), tuple(pki.chain()))


@pytest.fixture
def outside(pki: Pki, tmp_path: Path) -> Outside:
    """Its time-stamp authority, believed, and its host."""
    return Outside(pki.url("tsa/tsa"), (pki.der("root"),), (pki.host,), str(tmp_path / "revocation"))


@pytest.fixture
async def open_shop() -> AsyncIterator[Callable[..., Workshop]]:
    """Make a workshop whose workers are the agent's own, or a command's."""
    async with AsyncExitStack() as stack:

        def make(command: list[str] | None = None, outside: Outside | None = None) -> Workshop:
            shop = Workshop(outside or Outside(), command)
            stack.push_async_callback(shop.close)
            return shop

        yield make


@pytest.fixture
def card(folder: Path) -> Iterator[TracedCard]:
    chip = open_card(folder)
    yield TracedCard(chip)
    chip.close()


@pytest.fixture
def readers(card: TracedCard) -> VirtualReaders:
    return VirtualReaders([card])


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def presence() -> DeskPresence:
    return DeskPresence()


@pytest.fixture
async def batching(
    folder: Path, person: Person, readers: VirtualReaders, presence: DeskPresence
) -> AsyncIterator[RunningAgent]:
    """An agent of which PAGE has been granted batches."""
    async with running_agent(folder, person, readers, presence) as running:
        answer = await running.page("POST", "/v1/grants", {"abilities": ["identity", "batch", "events"]})
        assert answer.status == 201
        person.asked.clear()
        yield running


@pytest.fixture
def slowly(card: TracedCard, monkeypatch: pytest.MonkeyPatch) -> TracedCard:
    """One signature a transaction, of a card that takes its time."""
    monkeypatch.setattr("drivers.card.token.HOLD_S", 0.0)
    card._delay_s = 0.002
    return card
