"""Changes of condition are told once, in order, and time is a cause like any other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agent.cards import states
from agent.cards.conditions import CardFacts, Condition, DeskFacts, PlaceFacts
from agent.cards.events import EventBus, EventType
from agent.cards.states import DeskStates
from drivers.base import PinStatus
from drivers.errors import CardMuteError

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CPS = bytes.fromhex("3BAC00402A001225006480000310009000")


class Desk:
    """Facts that a test sets, a clock that it moves, and what was told."""

    def __init__(self) -> None:
        self.now = NOW
        self.facts = DeskFacts()
        self.bus = EventBus()
        self.states = DeskStates(lambda: self.facts, self.bus, lambda: self.now)
        self._subscription = self.bus.subscription()
        self._queue = self._subscription.__enter__()

    def told(self) -> list[tuple[str | None, str | None, str]]:
        """Reader, card and condition of each event since the last look."""
        told = []
        while not self._queue.empty():
            event = self._queue.get_nowait()
            assert event is not None
            assert event.type is EventType.STATE_CHANGED
            assert event.condition is not None
            told.append((event.reader, event.card_number, str(event.condition)))
        return told


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def ready(left: int = 3, days: float = 900) -> PlaceFacts:
    return PlaceFacts(CPS, CardFacts("99900001", NOW + timedelta(days=days), PinStatus(left, verified=False)))


def readers(**places: PlaceFacts) -> DeskFacts:
    return DeskFacts(places)


async def test_a_card_comes_and_goes(desk: Desk) -> None:
    assert desk.states.desk is Condition.READING
    desk.states.update()
    assert desk.told() == [(None, None, "no-reader")]
    for facts, told in (
        (readers(a=PlaceFacts(None)), [("a", None, "no-card"), (None, None, "no-card")]),
        (readers(a=PlaceFacts(CPS)), [("a", None, "reading"), (None, None, "reading")]),
        (readers(a=ready()), [("a", "99900001", "card-ready"), (None, None, "card-ready")]),
        (readers(a=ready(2)), []),
        (readers(a=ready(1)), [("a", "99900001", "tries-low"), (None, None, "tries-low")]),
        (readers(a=ready(1), b=PlaceFacts(None)), [("b", None, "no-card")]),
        (readers(a=ready(1), b=ready(0)), [("b", "99900001", "pin-blocked"), (None, None, "pin-blocked")]),
        (readers(b=ready(0)), []),
        (readers(), [(None, None, "no-reader")]),
    ):
        desk.facts = facts
        for _ in range(3):
            desk.states.update()
        assert desk.told() == told
    desk.states.close()


async def test_a_stopped_service_is_named(desk: Desk) -> None:
    desk.facts = DeskFacts(service_stopped=True)
    with desk.bus.subscription() as events:
        desk.states.update()
        event = events.get_nowait()
    assert event is not None
    assert (event.reader, event.condition, event.code) == (None, Condition.TROUBLE, "service-stopped")


async def test_a_reader_that_comes_back_is_told_anew(desk: Desk) -> None:
    desk.facts = readers(a=PlaceFacts(b"", failure=CardMuteError()))
    desk.states.update()
    desk.facts = readers()
    desk.states.update()
    desk.facts = readers(a=PlaceFacts(b"", failure=CardMuteError()))
    desk.states.update()
    assert [each for each in desk.told() if each[0]] == [("a", None, "trouble")] * 2
    assert desk.states.of_reader("a") is Condition.TROUBLE
    assert desk.states.of_reader("unheard of") is Condition.READING


async def test_the_moment_itself_brings_the_change(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "JUST_AFTER", timedelta())
    desk.facts = readers(a=ready(days=60))
    desk.states.update()
    assert desk.told() == [("a", "99900001", "card-ready"), (None, None, "card-ready")]
    desk.now += timedelta(seconds=1)
    async with asyncio.timeout(10):
        while not (told := desk.told()):
            await asyncio.sleep(0)
    assert told == [("a", "99900001", "expiring"), (None, None, "expiring")]
    desk.states.close()


@pytest.mark.parametrize(
    ("days", "hours"),
    [(900, 24), (61, 24), (60.5, 12), (60, 0), (59, 24), (0.25, 6), (-1, None)],
)
async def test_one_timer_for_the_next_moment_at_most_a_day_away(desk: Desk, days: float, hours: float | None) -> None:
    loop = asyncio.get_running_loop()
    desk.facts = readers(a=ready(days=days), b=PlaceFacts(None))
    for _ in range(5):
        desk.states.update()
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    waits = [handle.when() - loop.time() for handle in timers]
    if hours is None:
        assert waits == []
    else:
        assert [round(wait / 3600, 1) for wait in waits] == [hours]
    desk.states.close()
    assert all(handle.cancelled() for handle in timers)


async def test_without_a_card_nothing_wakes_the_agent(desk: Desk) -> None:
    desk.facts = readers(a=PlaceFacts(None), b=PlaceFacts(b"", failure=CardMuteError()))
    desk.states.update()
    assert [h for h in asyncio.get_running_loop()._scheduled if not h.cancelled()] == []  # type: ignore[attr-defined]
