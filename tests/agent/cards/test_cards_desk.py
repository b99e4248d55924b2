"""The cards of a desk of virtual readers: the look at the tries, and a card that is gone."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.lines import until

from agent.cards import cards as cards_module
from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.events import Event, EventBus, EventType
from agent.cards.opening import CardOpener
from agent.cards.policy import CardPolicy
from drivers.base import Deadline, PinStatus, Readers, ReaderState, Slot
from drivers.card.profile import CardProfile
from drivers.errors import CardBusyError, ServiceStoppedError
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.chip import Chip
from drivers.virtual.link import VirtualReaders, reader_name
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card
from drivers.virtual.trace import TracedCard

FIRST, SECOND = reader_name(0), reader_name(1)
STATUS = "> 00 20 00 01 00"
NEVER_S = 3600.0
OTHER = replace(DEFAULT, serial="99900002")


class Memory:
    """Profiles of known cards."""

    def __init__(self) -> None:
        self.profiles: dict[str, CardProfile] = {}

    def load(self, number: str) -> CardProfile | None:
        return self.profiles.get(number)

    def save(self, profile: CardProfile) -> None:
        self.profiles[profile.number] = profile

    def forget(self, number: str) -> None:
        self.profiles.pop(number, None)


class StoppingReaders(VirtualReaders):
    """Readers whose service, or whose cable, can be cut."""

    service_stopped = False

    def list_states(self) -> tuple[ReaderState, ...]:
        if self.service_stopped:
            raise ServiceStoppedError
        return super().list_states()

    def cut(self, *, service: bool) -> None:
        with self._changed:
            self.service_stopped = service
            self._readers = self._readers[1:]
            self._changed.notify_all()


class Desk:
    """Cards, their readers, and what was told."""

    def __init__(self, readers: Readers, profiles: Memory) -> None:
        self.bus = EventBus()
        policy = CardPolicy(vouches_for=lambda _: True, refutes=lambda _: False)
        self.cards = Cards([readers], CardOpener(profiles, pytest.fail, "direct"), policy, self.bus)
        self.events: list[Event] = []
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        with self.bus.subscription(1_000_000) as queue:
            while (event := await queue.get()) is not None:
                self.events.append(event)

    def conditions(self, reader: str | None = FIRST) -> list[str]:
        """Of a reader, or of the desk, in order."""
        told = (event for event in self.events if event.type is EventType.STATE_CHANGED)
        return [str(event.condition) for event in told if event.reader == reader]

    async def settle(self, condition: str, reader: str = FIRST) -> None:
        await until(lambda: reader in self.cards.places and self.cards.states.of_reader(reader) == condition)

    def place(self, reader: str = FIRST) -> Any:
        return self.cards.places[reader]

    async def close(self) -> None:
        self.cards.stop()
        self.bus.close()
        await self._hearing


@pytest.fixture
def chip(folder: Path) -> Iterator[VirtualCard]:
    card = open_card(folder)
    yield card
    card.close()


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other")
    open_card(folder, OTHER).close()
    return folder


@pytest.fixture
def other(other_folder: Path, tmp_path: Path) -> Iterator[VirtualCard]:
    card = open_card(Path(shutil.copytree(other_folder, tmp_path / "other")), OTHER)
    yield card
    card.close()


@pytest.fixture
def profiles() -> Memory:
    return Memory()


@pytest.fixture
async def start(profiles: Memory) -> AsyncIterator[Callable[[Readers], Desk]]:
    desks = []

    def make(readers: Readers) -> Desk:
        desks.append(Desk(readers, profiles))
        desks[-1].cards.start()
        return desks[-1]

    yield make
    for desk in desks:
        await desk.close()


Start = Callable[[Readers], Desk]


async def test_a_known_card_is_identified_in_four_exchanges_and_its_tries_are_looked_at_afterwards(
    chip: VirtualCard, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    traced = TracedCard(chip, lines.append)
    readers = VirtualReaders([traced])
    desk = start(readers)
    await desk.settle("card-ready")
    readers.remove()
    await desk.settle("no-card")
    monkeypatch.setattr(cards_module, "LOOK_AFTER_S", NEVER_S)
    before = traced.exchanges
    desk.events.clear()
    readers.insert(traced)
    await until(lambda: EventType.CARD_READY in [event.type for event in desk.events])
    (ready,) = (event for event in desk.events if event.type is EventType.CARD_READY)
    assert ready.card_number == DEFAULT.serial
    assert traced.exchanges - before <= 4
    assert desk.conditions() == ["reading"]
    lines.clear()
    desk.cards._begin_look(desk.place(), desk.place().card, desk.place().card.token)
    await desk.settle("card-ready")
    assert [line for line in lines if line.startswith(">")] == ["> 00 A4 09 0C 02 3F 00", STATUS]
    assert desk.place().pin == PinStatus(3, verified=False)


@pytest.mark.parametrize(
    ("wrong", "condition"), [(0, "card-ready"), (1, "card-ready"), (2, "tries-low"), (3, "pin-blocked")]
)
async def test_few_tries_show_at_once_and_never_as_a_card_that_is_ready(
    chip: VirtualCard, start: Start, wrong: int, condition: str
) -> None:
    spend_tries(chip, wrong)
    desk = start(VirtualReaders([chip]))
    await desk.settle(condition)
    assert desk.conditions()[-1] == condition
    assert set(desk.conditions()) <= {"reading", condition}
    assert desk.cards.states.desk == condition


async def test_who_waited_for_the_card_goes_first_and_makes_the_look_needless(chip: VirtualCard, start: Start) -> None:
    lines: list[str] = []
    desk = start(VirtualReaders([TracedCard(chip, lines.append)]))
    card = await desk.cards.find()
    status, exchanges = await desk.cards.run(card, card.token.read_pin_status, 5.0)  # type: ignore[attr-defined]
    assert (status.tries_left, exchanges) == (3, 2)
    assert desk.cards.states.of_reader(FIRST) == "card-ready"
    assert desk.place().look is None
    assert lines.count(STATUS) == 1


async def test_what_a_use_has_learned_is_shown(chip: VirtualCard, start: Start) -> None:
    desk = start(VirtualReaders([chip]))
    await desk.settle("card-ready")
    card = await desk.cards.find()
    for left, condition in ((2, "card-ready"), (1, "tries-low"), (0, "pin-blocked"), (3, "card-ready")):
        desk.cards.note_pin(card, PinStatus(left, verified=False))
        assert desk.cards.states.of_reader(FIRST) == condition
        assert desk.cards.states.desk == condition
    desk.cards.note_sessions([card.number])
    assert desk.cards.states.of_reader(FIRST) == "pin-session"
    assert desk.cards.in_session(card)
    desk.cards.note_sessions([])
    await until(
        lambda: desk.conditions()[-5:] == ["tries-low", "pin-blocked", "card-ready", "pin-session", "card-ready"]
    )


async def test_a_look_that_fails_is_no_trouble(
    chip: VirtualCard, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([CardBusyError(), ValueError("a defect")])

    def fail(self: Any, deadline: Deadline) -> PinStatus:
        raise next(failures)

    monkeypatch.setattr("drivers.card.cps3.Cps3Token.read_pin_status", fail)
    readers = VirtualReaders([chip])
    desk = start(readers)
    for _ in range(2):
        await desk.settle("card-ready")
        assert (desk.place().failure, desk.place().pin) == (None, None)
        readers.remove()
        await desk.settle("no-card")
        readers.insert(chip)
    assert "trouble" not in desk.conditions()


async def wait_gone(desk: Desk, card: Card) -> asyncio.Task[None]:
    waiting = asyncio.create_task(desk.cards.wait_gone(card))
    await asyncio.sleep(0)
    assert not waiting.done()
    return waiting


Ending = Callable[[Desk, StoppingReaders, Chip], object]
ENDINGS: dict[str, Ending] = {
    "pulled": lambda desk, readers, chip: readers.remove(),
    "swapped in one go": lambda desk, readers, chip: readers.insert(chip),
    "unplugged with its reader": lambda desk, readers, chip: readers.cut(service=False),
    "service stopped": lambda desk, readers, chip: readers.cut(service=True),
    "agent stopped": lambda desk, readers, chip: desk.cards.stop(),
    "to be read anew": lambda desk, readers, chip: desk.cards._restart(FIRST),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_card_that_is_gone(chip: VirtualCard, start: Start, ending: str) -> None:
    readers = StoppingReaders([chip])
    desk = start(readers)
    card = await desk.cards.find()
    waiting = [await wait_gone(desk, card) for _ in range(3)]
    ENDINGS[ending](desk, readers, chip)
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)
        await desk.cards.wait_gone(card)  # and once it is gone there is nothing to wait for


async def test_what_happens_in_another_reader_is_no_card_gone(
    chip: VirtualCard, other: VirtualCard, start: Start
) -> None:
    readers = VirtualReaders([chip, other])
    desk = start(readers)
    await desk.settle("card-ready")
    await desk.settle("card-ready", SECOND)
    waiting = await wait_gone(desk, desk.place().card)
    readers.remove(SECOND)
    await desk.settle("no-card", SECOND)
    desk.cards.note_pin(desk.place().card, PinStatus(1, verified=False))
    assert not waiting.done()
    waiting.cancel()


async def test_what_is_stale_is_opened_again_though_nobody_asks(chip: VirtualCard, start: Start) -> None:
    desk = start(VirtualReaders([chip]))
    await desk.settle("card-ready")
    first = desk.place().card
    desk.cards._restart(FIRST)
    assert desk.cards.states.of_reader(FIRST) == "reading"
    await desk.settle("card-ready")
    assert desk.place().card is not first
    assert "trouble" not in desk.conditions()


async def test_a_card_tried_again_and_again_stays_in_trouble_until_it_works(
    start: Start, chip: VirtualCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever polls makes the agent try: that is no change of state, and no page of the journal."""
    monkeypatch.setattr(cards_module, "RETRIES_S", ())
    shut = threading.Event()
    shut.set()
    open_it = CardOpener.open

    def fail(self: CardOpener, slot: Slot, atr: bytes, deadline: Deadline) -> Any:
        if shut.is_set():
            raise CardBusyError
        return open_it(self, slot, atr, deadline)

    monkeypatch.setattr(CardOpener, "open", fail)
    desk = start(VirtualReaders([chip]))
    await desk.settle("trouble")
    for _ in range(10):
        assert await desk.cards.list_cards() == []
    assert desk.conditions() == ["reading", "trouble"]
    shut.clear()
    assert len(await desk.cards.list_cards()) == 1
    await desk.settle("card-ready")
    await until(lambda: desk.conditions() == ["reading", "trouble", "reading", "card-ready"])


@pytest.mark.parametrize("seed", range(4))
async def test_states_are_told_in_order_and_once_however_fast_cards_move(
    chip: VirtualCard, other: VirtualCard, start: Start, seed: int
) -> None:
    chance = random.Random(seed)
    readers = VirtualReaders([None, None])
    desk = start(readers)
    await desk.settle("no-card")
    where: dict[Chip, str] = {}
    for _ in range(60):
        name, card = chance.choice((FIRST, SECOND)), chance.choice((chip, other))
        if chance.random() < 0.5:
            readers.remove(name)
            where = {each: place for each, place in where.items() if place != name}
        elif name not in where.values() and card not in where:
            readers.insert(card, name)
            where[card] = name
        await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01, 0.1)))
    for name in (FIRST, SECOND):
        await desk.settle("card-ready" if name in where.values() else "no-card", name)
    for name in (FIRST, SECOND):
        told = desk.conditions(name)
        assert all(before != after for before, after in itertools.pairwise(told))
        assert set(told) <= {"no-card", "reading", "card-ready", "trouble"}
        assert told[-1] == desk.cards.states.of_reader(name)
        assert all(before == "reading" for before, after in itertools.pairwise(told) if after == "card-ready")
    desk_told = desk.conditions(None)
    assert all(before != after for before, after in itertools.pairwise(desk_told))
    assert desk_told[-1] == desk.cards.states.desk


def spend_tries(chip: VirtualCard, wrong: int) -> None:
    chip.power_on()
    for _ in range(wrong):
        chip.process(bytes.fromhex("00A4090C023F00"))
        assert chip.process(bytes.fromhex("002000010439393939"))[0] in (0x63, 0x69)
    chip.power_off()
