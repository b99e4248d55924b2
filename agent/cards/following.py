"""Whoever writes down what happens at the desk: each event in its turn, until the bus is closed."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final

from agent.cards.events import Event, EventBus

MAX_WAITING: Final = 10_000
"""A contact that flaps while the disk is slow: what comes later is noted late, not lost."""
FINISH_S: Final = 2.0


class EventFollower(ABC):
    """Follow the events from `start` until the bus is closed."""

    def __init__(self, events: EventBus) -> None:
        self._events = events
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def note(self, event: Event) -> None:
        """Write down what there is to write of an event. Raises nothing."""

    def start(self) -> None:
        """Listen from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """Write what is still waiting, once the bus is closed."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=FINISH_S)
            self._task.cancel()

    async def _follow(self) -> None:
        with self._events.subscription(MAX_WAITING) as events:
            while (event := await events.get()) is not None:
                await self.note(event)
