"""The slots that one program sees: a reader each, and one for the software certificates, which is always there."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Hashable
from dataclasses import dataclass

from agent.access.database import Database
from agent.cards.cards import Cards
from agent.cards.software import NO_READER, SoftwareCards
from agent.door.cryptoki import CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED
from agent.door.slotnumbers import SlotNumbers
from agent.door.tokens import CardToken, DoorToken, SoftwareToken
from agent.door.values import CryptokiError
from drivers.errors import CardMuteError, DriverError, RetriableError

log = logging.getLogger(__name__)

SETTLE_S = 6.0
"""How long a program waits for a card that is being read; a known one takes less than one second."""
PATIENCE_S = 30.0
"""After a wait in vain the next ones do not wait: a card that another program holds would stop every program."""
LOOK_S = 2.0
LOOK_AGAIN_S = 1.0
"""The store of software certificates is a folder that other programs may change: it is looked at once a second."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A reader by its number, plugged in or not; the software certificates have no name."""

    id: int
    name: str

    @property
    def is_software(self) -> bool:
        """Whether it is no reader."""
        return self.name == NO_READER


class Slots:
    """What there is now. A reader that was unplugged stays, empty, for as long as the program runs."""

    def __init__(self, cards: Cards, database: Database) -> None:
        self._cards = cards
        self._numbers = SlotNumbers(database)
        self._seen: dict[str, None] = {}
        self._impatient_until = 0.0
        self._look_again_at = 0.0
        self._looking = asyncio.Lock()

    async def list_all(self) -> list[Slot]:
        """Readers in the order of their first sight, then the software certificates: the first slot is a card's.

        Raises StoreError.
        """
        self._seen |= dict.fromkeys(self._cards.places)
        names = [*self._seen, NO_READER]
        return [Slot(number, name) for number, name in zip(await self._numbers.number(names), names, strict=True)]

    async def find(self, number: int) -> Slot:
        """The slot of that number. Raises CryptokiError: no reader has ever had it here; StoreError."""
        name = await self._numbers.reader(number)
        if name is None:
            raise CryptokiError(CKR_SLOT_ID_INVALID)
        return Slot(number, name)

    async def settle(self) -> None:
        """Wait until cards that were just inserted have been read, and look at the software certificates."""
        if time.monotonic() >= self._impatient_until:
            try:
                async with asyncio.timeout(SETTLE_S):
                    await self._cards.list_cards()
            except TimeoutError:
                self._impatient_until = time.monotonic() + PATIENCE_S
            except DriverError as error:
                log.debug("no cards for the door: %s", error)
        await self.look_at_software()

    async def look_at_software(self) -> None:
        """See what is kept in the store now; without an answer what was there before counts."""
        software = self._cards.software
        if software is None or not (software.exists or software.known):
            return
        async with self._looking:
            if time.monotonic() >= self._look_again_at:
                await self._look(software)
                self._look_again_at = time.monotonic() + LOOK_AGAIN_S

    async def _look(self, software: SoftwareCards) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await software.refresh()
        except (DriverError, TimeoutError) as error:
            log.info("the software certificates cannot be looked at: %s", error)

    def token(self, slot: Slot) -> DoorToken | None:
        """What is in the slot and can be used."""
        if slot.is_software:
            software = self._cards.software
            return SoftwareToken(software) if software is not None and software.known else None
        for card in self._cards.usable:
            if card.reader == slot.name:
                return CardToken(self._cards, card)
        return None

    async def find_token(self, slot: Slot) -> DoorToken:
        """The same, once it has been read; what happens in other slots is not waited for.

        Raises CryptokiError for an empty slot, and for a card that the agent cannot use, or not now.
        """
        if slot.is_software:
            await self.look_at_software()
        elif self.token(slot) is None:
            await self.settle()
        token = self.token(slot)
        if token is None:
            raise CryptokiError(CKR_TOKEN_NOT_RECOGNIZED if self._is_strange(slot) else CKR_TOKEN_NOT_PRESENT)
        return token

    def _is_strange(self, slot: Slot) -> bool:
        """Whether the card was looked at, and is none that a second look would find usable."""
        place = self._cards.places.get(slot.name)
        failure = place.failure if place is not None else None
        return failure is not None and (isinstance(failure, CardMuteError) or not isinstance(failure, RetriableError))

    def is_filled(self, slot: Slot) -> bool:
        """Whether there is a token in it, or a card that is being read."""
        if self.token(slot) is not None:
            return True
        place = self._cards.places.get(slot.name)
        return place is not None and place.opening is not None and not place.opening.done()

    def presence(self, slot: Slot) -> Hashable:
        """What changes with each insertion and removal; None while nothing is there."""
        if slot.is_software:
            return self.token(slot) is not None or None
        place = self._cards.places.get(slot.name)
        return place.state.events if place is not None and place.state.atr is not None else None
