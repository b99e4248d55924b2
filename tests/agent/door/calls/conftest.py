"""A desk with one CPS3, and a program at its door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.agent import Person
from support.door_desk import Caller, DoorDesk, door_desk

from drivers.virtual.link import VirtualReaders
from drivers.virtual.store import VirtualCard, open_card


@pytest.fixture
def chip(folder: Path) -> Iterator[VirtualCard]:
    card = open_card(folder)
    yield card
    card.close()


@pytest.fixture
def readers(chip: VirtualCard) -> VirtualReaders:
    return VirtualReaders([chip])


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
async def desk(folder: Path, person: Person, readers: VirtualReaders) -> AsyncIterator[DoorDesk]:
    async with door_desk(folder, person, readers) as running:
        yield running


@pytest.fixture
async def guest(desk: DoorDesk) -> Caller:
    return await desk.guest()
