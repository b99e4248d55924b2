"""Software certificates as cards: in no reader, and used by whoever names them by their number alone.

They never make the desk ready, and no caller that names no card is given one.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from agent.cards.card import Card
from agent.cards.errors import CardNotFoundError, KeyBusyError, KeyRefusedError
from agent.cards.places import Place
from agent.cards.policy import CardPolicy
from agent.cards.slots import SlotQueue
from drivers.base import Deadline, ReaderState, Slot, Token
from drivers.errors import CardBusyError, CardError

if TYPE_CHECKING:
    from drivers.software.store import SoftwareStore

log = logging.getLogger(__name__)

T = TypeVar("T")

FOLDER: Final = "software"
NO_READER: Final = ""
NUMBER: Final = re.compile(r"S[0-9A-F]{15}")
STORE_TIMEOUT_S: Final = 90.0
"""For the store: a locked key store asks the person for its own password meanwhile."""


class NoSlot(Slot):
    """Stand where nothing is plugged in: software keys exchange nothing."""

    name = NO_READER


class SoftwareCards:
    """The tokens of the store. All methods run in the event loop; the store is read and used in threads.

    A token whose keys were added to, removed or given another passphrase is another card: sessions and questions that
    the old one was in end. `on_change` is told of each that is new.
    """

    def __init__(self, folder: Path, open_store: Callable[[Path], SoftwareStore], policy: CardPolicy) -> None:
        self._folder = folder / FOLDER
        self.on_change: Callable[[], None] | None = None
        self._open_store = open_store
        self._policy = policy
        self._places: dict[str, Place] = {}
        self._refused: dict[str, KeyRefusedError] = {}
        self._store: SoftwareStore | None = None
        self._work: SlotQueue | None = None
        self._reading = asyncio.Lock()

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept; nothing of the store is imported before."""
        return self._folder.is_dir()

    def beside(self, name: str) -> Path:
        """A folder of that name beside the store's."""
        return self._folder.with_name(name)

    @property
    def known(self) -> list[Card]:
        """Those that were there when the store was last looked at."""
        return [place.card for _, place in sorted(self._places.items()) if place.card is not None]

    def close(self) -> None:
        """Let go of every thread; what waits for a card of these is told that it is gone."""
        for place in self._places.values():
            _drop(place)
        self._places.clear()
        if self._work is not None:
            self._work.close()

    async def list_cards(self) -> list[Card]:
        """Those that are kept now and may be used. Raises StoreError."""
        await self.refresh()
        return self.known

    async def find(self, number: str) -> Card:
        """The one of that number. Raises CardNotFoundError, KeyRefusedError in unattended mode, StoreError."""
        await self.refresh()
        if number in self._refused:
            raise self._refused[number]
        place = self._places.get(number)
        if place is None or place.card is None:
            raise CardNotFoundError(f"no software certificate {number} is kept here")
        return place.card

    def place_of(self, card: Card) -> Place | None:
        """Where its work is queued, as long as it is the card that is kept."""
        place = self._places.get(card.number)
        return place if place is not None and place.card is card else None

    async def refresh(self) -> None:
        """Look at the store: another program of this user may have changed it."""
        async with self._reading:
            known = {card.number: card for card in self.known}
            found = await self.use(lambda store: self._read(store, known)) if self.exists else {}
            self._refused = {number: one for number, one in found.items() if isinstance(one, KeyRefusedError)}
            kept = {number for number, card in known.items() if found.get(number) is card}
            for number in self._places.keys() - kept:
                _drop(self._places.pop(number))
            for number, one in found.items():
                if isinstance(one, Card) and number not in self._places:
                    self._take(number, one)

    async def use(self, work: Callable[[SoftwareStore], T], timeout_s: float = STORE_TIMEOUT_S) -> T:
        """Do something with the store, one after the other. Raises KeyBusyError past the time, and its own errors."""
        if self._work is None:
            self._work = SlotQueue("software store", NoSlot, _nothing_to_replace)

        def with_store(_slot: Slot, _deadline: Deadline) -> T:
            if self._store is None:
                self._store = self._open_store(self._folder)
            return work(self._store)

        try:
            return await self._work.run(with_store, timeout_s)
        except CardBusyError as error:
            raise KeyBusyError from error

    def _read(self, store: SoftwareStore, known: Mapping[str, Card]) -> dict[str, Card | KeyRefusedError]:
        """What is in the store by its numbers: the known card where nothing has changed. In the store's thread."""
        found: dict[str, Card | KeyRefusedError] = {}
        for token in _open_tokens(store):
            before = known.get(token.number)
            try:
                same = before is not None and _is_same(before.token, token)
                found[token.number] = before if before and same else self._policy.describe(NO_READER, token)
            except KeyRefusedError as error:
                found[token.number] = error
            except CardError as error:
                log.warning("the software certificate %s cannot be understood: %s", token.number, error)
        return found

    def _take(self, number: str, card: Card) -> None:
        self._places[number] = _make_place(number, card)
        if self.on_change is not None:
            self.on_change()


async def run_apart(name: str, work: Callable[[], T], timeout_s: float) -> T:
    """Do something in a thread of its own, which is left behind past the time. Raises CardBusyError then."""
    queue = SlotQueue(name, NoSlot, _nothing_to_replace)
    try:
        return await queue.run(lambda _slot, _deadline: work(), timeout_s)
    finally:
        queue.close()


def open_system_store(folder: Path) -> SoftwareStore:
    """The store of that folder, with the system's key store. Imports both."""
    from agent.certificates.software_store import open_store  # noqa: PLC0415 - where certificates are kept

    return open_store(folder)


def is_software_number(number: str | None) -> bool:
    """Whether this is the number of software certificates, not of a card."""
    return number is not None and NUMBER.fullmatch(number) is not None


def _open_tokens(store: SoftwareStore) -> tuple[Token, ...]:
    from drivers.software.token import open_tokens  # noqa: PLC0415 - where certificates are kept

    return open_tokens(store)


def _is_same(known: Token, token: Token) -> bool:
    """Whether nothing has changed of what is held under a number; dates tell of new passphrases."""
    return getattr(known, "held", known.keys) == getattr(token, "held", token.keys)


def _make_place(number: str, card: Card) -> Place:
    """A place as a reader has one, with a thread of its own: a slow key keeps nobody else waiting."""
    queue = SlotQueue(f"software {number}", NoSlot, _nothing_to_replace)
    place = Place(None, ReaderState(NO_READER, None, 0), queue)
    place.take(card)
    return place


def _drop(place: Place) -> None:
    place.clear()
    place.queue.close()


def _nothing_to_replace() -> None:
    """A thread that is left behind held nothing that others would miss."""
