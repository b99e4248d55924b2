"""Insertions and removals as C_WaitForSlotEvent tells them (PKCS #11 v2.40 §5.5): to each program each of them once."""

from __future__ import annotations

from collections.abc import Hashable

from agent.cards.events import EventBus
from agent.door.cryptoki import CKR_FUNCTION_CANCELED
from agent.door.slots import Slot, Slots
from agent.door.values import CryptokiError

MAX_WAITING = 10_000
"""A contact that flaps tells the bus a lot in one breath; nothing of it is kept here."""


class SlotWatch:
    """What a program has been told. Nothing runs while it does not ask, since only differences count."""

    def __init__(self, slots: Slots, events: EventBus) -> None:
        self._slots = slots
        self._events = events
        self._told: dict[Slot, Hashable] | None = None

    async def start(self) -> None:
        """What is there now is no news. Raises StoreError."""
        self._told = self._look(await self._slots.list_all())

    def _look(self, slots: list[Slot]) -> dict[Slot, Hashable]:
        return {slot: self._slots.presence(slot) for slot in slots}

    async def take_change(self) -> Slot | None:
        """A slot that is not as it was told, from now on told; None when there is none. Raises StoreError."""
        slots = await self._slots.list_all()
        if self._told is None:  # the agent was started anew meanwhile
            self._told = self._look(slots)
        for slot in slots:
            presence = self._slots.presence(slot)
            if presence != self._told.get(slot):
                self._told[slot] = presence
                return slot
        return None

    async def wait_for_change(self) -> Slot:
        """The same, once there is one: readers tell of it, the software certificates do not.

        Raises CryptokiError when the agent stops, StoreError.
        """
        with self._events.subscription(MAX_WAITING) as events:
            while (slot := await self.take_change()) is None:
                if await events.get() is None:
                    raise CryptokiError(CKR_FUNCTION_CANCELED)
            return slot
