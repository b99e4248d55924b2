"""The conditions of the desk as they change: each change is told once, and time is a cause like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta

from agent.access.clock import Clock, utc_now
from agent.cards.conditions import Condition, DeskFacts, PlaceFacts, judge_desk, judge_reader, next_change
from agent.cards.events import Event, EventBus, EventType

MAX_WAIT = timedelta(hours=24)
"""The clock may be set meanwhile, and timers stand still while the workstation sleeps: look once a day at least."""
JUST_AFTER = timedelta(seconds=1)
SERVICE_STOPPED = "service-stopped"


class DeskStates:
    """Judge the facts again whenever somebody has changed one, and publish what differs from the last judgement.

    Runs in the event loop, in the same step as the change itself: whoever looks between two events sees what they tell.
    """

    def __init__(self, look: Callable[[], DeskFacts], events: EventBus, clock: Clock = utc_now) -> None:
        self.desk = Condition.READING
        self._look = look
        self._events = events
        self._clock = clock
        self._readers: dict[str, Condition] = {}
        self._timer: asyncio.TimerHandle | None = None

    def of_reader(self, name: str) -> Condition:
        """The condition of a reader that is there."""
        return self._readers.get(name, Condition.READING)

    def update(self) -> None:
        """Judge again, publish, and come back when time alone will have changed something."""
        facts, now = self._look(), self._clock()
        before, self._readers = self._readers, {name: judge_reader(each, now) for name, each in facts.places.items()}
        desk_before, self.desk = self.desk, judge_desk(facts, now)
        for name, condition in self._readers.items():
            if before.get(name) is not condition:
                card = facts.places[name].card
                self._publish(condition, reader=name, card_number=card.number if card else None)
        if desk_before is not self.desk:
            self._publish(self.desk, code=SERVICE_STOPPED if facts.service_stopped else None)
        self._plan(facts.places)

    def close(self) -> None:
        """Stop coming back."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _publish(
        self,
        condition: Condition,
        *,
        reader: str | None = None,
        card_number: str | None = None,
        code: str | None = None,
    ) -> None:
        self._events.publish(Event(EventType.STATE_CHANGED, reader, card_number, code, condition=condition))

    def _plan(self, places: Mapping[str, PlaceFacts]) -> None:
        self.close()
        now = self._clock()
        moment = next_change(places.values(), now)
        if moment is not None:
            wait = min(moment - now + JUST_AFTER, MAX_WAIT)
            self._timer = asyncio.get_running_loop().call_later(wait.total_seconds(), self.update)
