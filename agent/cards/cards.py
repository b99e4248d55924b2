"""The cards at this desk: opened when they are inserted, forgotten when they leave, found by their number."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from agent.cards.card import Card, is_seen_again
from agent.cards.conditions import DeskFacts
from agent.cards.errors import CardNotFoundError, KeyRefusedError, SeveralCardsError
from agent.cards.events import Event, EventBus, EventType
from agent.cards.monitor import ReaderMonitor
from agent.cards.opening import CardOpener
from agent.cards.places import Failure, Place
from agent.cards.policy import CardPolicy
from agent.cards.slots import SlotQueue
from agent.cards.software import SoftwareCards, is_software_number
from agent.cards.states import DeskStates
from drivers.base import Deadline, PinReader, PinStatus, Readers, ReaderState, Slot, Token
from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardError,
    CardMuteError,
    CardRemovedError,
    CardUnknownError,
    DriverError,
    ReaderAbsentError,
    ReaderRemovedError,
    RetriableError,
    ServiceStoppedError,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

OPEN_TIMEOUT_S = 60.0  # a first read of a slow card: 48 exchanges of 260 ms, with gaps
SETTLE_TIMEOUT_S = 20.0
LOOK_TIMEOUT_S = 1.0
MOVE_TIMEOUT_S = 0.3
RETRIES_S = (0.5, 2.0, 5.0)  # a card just inserted may still be powered, or held by another program
LOOK_AFTER_S = 0.15
"""Between a card's identity and the look at its tries: the pause that other programs are left anyway. Whoever has been
waiting for the card goes first, and makes the look needless."""
GONE = (CardAbsentError, CardRemovedError, ReaderAbsentError, ReaderRemovedError)


Reading = Callable[[Card, int], None]


class Cards:
    """Everything that is in the readers. All methods run in the event loop."""

    def __init__(self, sources: Sequence[Readers], opener: CardOpener, policy: CardPolicy, events: EventBus) -> None:
        self.places: dict[str, Place] = {}
        self.service_failure: ServiceStoppedError | None = None
        self.on_read: Reading | None = None
        self.software: SoftwareCards | None = None
        self._sources = tuple(sources)
        self._opener = opener
        self._policy = policy
        self.events = events
        self._monitors: list[ReaderMonitor] = []
        self._looked = asyncio.Event()
        self._seen = {source: asyncio.Event() for source in self._sources}
        self._sessions: frozenset[str] = frozenset()
        self.states = DeskStates(self._facts, events)

    def start(self) -> None:
        """Watch the readers from now on."""
        for source in self._sources:
            monitor = ReaderMonitor(source, functools.partial(self._take_states, source))
            monitor.start()
            self._monitors.append(monitor)

    def stop(self) -> None:
        """Let go of every reader; threads that hang are left behind."""
        self.states.close()
        for monitor in self._monitors:
            monitor.stop()
        for place in self.places.values():
            place.clear()
            place.queue.close()
        self.places.clear()
        if self.software is not None:
            self.software.close()

    async def list_cards(self) -> list[Card]:
        """The cards that can be used, once those just inserted have been read; one that modules show as well is one.

        Raises ServiceStoppedError when there is none because the service is stopped.
        """
        await self._settle()
        places = [place for place in self.places.values() if place.card is not None]
        if self.service_failure is not None and not places:
            raise self.service_failure
        return self._each_once(places)

    @property
    def usable(self) -> list[Card]:
        """The cards that are open at this moment, each once; nothing is waited for."""
        return self._each_once([place for place in self.places.values() if place.card is not None])

    def holds(self, card: Card) -> bool:
        """Whether the card is still where it was read; one that was pulled and put back is another."""
        return self._place_of(card) is not None

    def _each_once(self, places: list[Place]) -> list[Card]:
        """Of two ways to one card the reader's. Two readers hold two cards, whatever these say of themselves."""
        chosen: list[Card] = []
        for place in sorted(places, key=lambda place: place.source is not self._sources[0]):
            in_reader, card = place.source is self._sources[0], place.card
            if card and (in_reader or not any(is_seen_again(card, known) for known in chosen)):
                chosen.append(card)
        return chosen

    async def look_for_service(self) -> None:
        """Ask a service that was stopped once more, now."""
        if self.service_failure is None:
            return
        self._looked.clear()
        self._monitors[0].look_now()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._looked.wait(), LOOK_TIMEOUT_S)

    async def find(self, number: str | None = None) -> Card:
        """The card of that number, or the only one there is in a reader; software certificates by their number alone.

        Raises SeveralCardsError, CardNotFoundError, ReaderAbsentError, CardAbsentError, or what keeps the card shut.
        """
        if self.software is not None and number is not None and is_software_number(number):
            return await self.software.find(number)
        cards = await self.list_cards()
        chosen = [card for card in cards if number in (None, card.number)]
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            raise SeveralCardsError
        raise self._why_none(number if cards else None)

    def _why_none(self, number: str | None) -> Exception:
        failures = [place.failure for place in self.places.values() if place.failure is not None]
        if number is not None and not failures:
            return CardNotFoundError(f"card {number} is in no reader")
        if failures:
            return failures[0]
        if any(place.opening is not None and not place.opening.done() for place in self.places.values()):
            return CardBusyError("the card is still being read")
        return CardAbsentError() if self.places else ReaderAbsentError()

    async def run(self, card: Card, work: Callable[[Deadline], T], timeout_s: float) -> tuple[T, int]:
        """Do something with the card on its reader's thread. Gives the result and the number of exchanges.

        What the card says of its code is kept; after a code that it refused, tell `note_pin`.
        """
        place = self._place_of(card)
        if place is None:
            raise CardRemovedError
        try:
            done = await place.queue.run(lambda slot, deadline: _counted(slot, lambda: work(deadline)), timeout_s)
        except CardRemovedError:
            self._reopen_later(place, card)
            raise
        except CardAbsentError as gone:  # the reader is empty, though the monitor has not told us yet
            self._reopen_later(place, card)
            raise CardRemovedError from gone
        if isinstance(done[0], PinStatus):
            self.note_pin(card, done[0])
        return done

    async def wait_gone(self, card: Card) -> None:
        """Return once the card is pulled, exchanged or to be read anew, its reader unplugged, or the agent stopped."""
        place = self._place_of(card)
        if place is not None:
            await place.wait_gone()

    def note_pin(self, card: Card, status: PinStatus) -> None:
        """Keep what a card has just said of its code, to whoever used it."""
        place = self._place_of(card)
        if place is not None:
            place.note_pin(status)
            self.states.update()

    def note_sessions(self, card_numbers: Iterable[str]) -> None:
        """Take the numbers of the cards for which a PIN session is open from now on."""
        self._sessions = frozenset(card_numbers)
        self.refresh()

    def in_session(self, card: Card) -> bool:
        """Whether a PIN session is open for the card."""
        return card.number in self._sessions

    def refresh(self) -> None:
        """Judge the conditions again: the workstation may have slept, or its clock been set."""
        if self._seen[self._sources[0]].is_set():
            self.states.update()

    def _place_of(self, card: Card) -> Place | None:
        if card.is_software:
            return self.software.place_of(card) if self.software is not None else None
        place = self.places.get(card.reader)
        return place if place is not None and place.card is card else None

    def _facts(self) -> DeskFacts:
        places = {name: place.facts(self._sessions) for name, place in self.places.items()}
        return DeskFacts(places, service_stopped=self.service_failure is not None)

    def _reopen_later(self, place: Place, card: Card) -> None:
        """What was opened is stale; if a card is still there, it is opened anew, at once when somebody asks for it."""
        if place.card is card:
            place.lose(CardRemovedError())
            self._open_in(place, RETRIES_S[0], RETRIES_S)
            self.states.update()

    def _open_in(self, place: Place, wait_s: float, retries_s: tuple[float, ...]) -> None:
        place.retry = asyncio.get_running_loop().call_later(wait_s, lambda: self._open(place, retries_s))

    def _take_states(self, source: Readers, states: tuple[ReaderState, ...] | None) -> None:
        present = {state.name: state for state in states or ()}
        for name in [name for name, place in self.places.items() if place.source is source and name not in present]:
            self._remove(name)
        if source is self._sources[0] and states is None:
            self._lose_service()
        elif source is self._sources[0]:
            self._regain_service()
        for name, state in sorted(present.items(), key=_holds_a_card):  # a moved card leaves before it arrives
            self._update(source, name, state)
        self._seen[source].set()
        self._looked.set()
        self.refresh()

    def _lose_service(self) -> None:
        if self.service_failure is None:
            self.service_failure = ServiceStoppedError()
            self.events.publish(Event(EventType.SERVICE_STOPPED))

    def _regain_service(self) -> None:
        if self.service_failure is not None:
            self.service_failure = None
            self.events.publish(Event(EventType.SERVICE_STARTED))

    def _remove(self, name: str) -> None:
        place = self.places.pop(name)
        self._drop_card(place)
        place.queue.close()
        self.events.publish(Event(EventType.READER_REMOVED, name))

    def _drop_card(self, place: Place) -> None:
        if place.state.atr is not None:
            number = place.card.number if place.card else None
            self.events.publish(Event(EventType.CARD_REMOVED, place.state.name, number))
        place.clear()

    def _update(self, source: Readers, name: str, state: ReaderState) -> None:
        place = self.places.get(name)
        if place is None:
            queue = SlotQueue(name, lambda: source.open_slot(name), lambda: self._restart(name))
            place = self.places[name] = Place(source, ReaderState(name, None, state.events), queue)
            self.events.publish(Event(EventType.READER_ADDED, name))
        before, place.state = place.state, state
        if (before.atr, before.events) == (state.atr, state.events):
            return
        if before.atr is not None:
            place.state = before
            self._drop_card(place)
            place.state = state
        if state.atr is not None:
            self.events.publish(Event(EventType.CARD_INSERTED, name))
            self._open(place)

    def _restart(self, name: str) -> None:
        """The reader's thread was left behind with the slot that the card was opened on."""
        place = self.places.get(name)
        if place is not None and place.card is not None:
            self._reopen_later(place, place.card)

    def _open(self, place: Place, retries_s: tuple[float, ...] = RETRIES_S) -> None:
        trouble = place.trouble
        place.clear()
        place.trouble = trouble
        place.opening = asyncio.get_running_loop().create_task(self._open_card(place, retries_s))

    async def _open_card(self, place: Place, retries_s: tuple[float, ...]) -> None:
        try:
            card, exchanges = await self._read_card(place)
        except (DriverError, KeyRefusedError) as error:
            self._fail(place, error, retries_s)
        except Exception:  # the edge of a task that nobody waits for: a defect of ours is a trouble like any other
            log.exception("the card in %s could not be opened", place.state.name)
            self._fail(place, CardUnknownError(), ())
        else:
            place.take(card)
            if self.on_read is not None:
                self.on_read(card, exchanges)
            self.events.publish(Event(EventType.CARD_READY, place.state.name, card.number))
            self._look_soon(place, card)
        self.states.update()

    def _look_soon(self, place: Place, card: Card) -> None:
        """Look at the tries: a person should see at once that few are left, not when a code is asked."""
        if isinstance(card.token, PinReader):
            loop = asyncio.get_running_loop()
            place.look = loop.call_later(LOOK_AFTER_S, self._begin_look, place, card, card.token)

    def _begin_look(self, place: Place, card: Card, token: PinReader) -> None:
        """A card that is seen another way as well is looked at once."""
        if card in self._each_once(list(self.places.values())):
            place.look = asyncio.get_running_loop().create_task(self._look(place, card, token))
        else:
            place.note_pin(None)
            self.states.update()

    async def _look(self, place: Place, card: Card, token: PinReader) -> None:
        """A card that does not tell now is in no trouble: it is looked at again whenever it is used."""
        status = None
        try:
            status = await place.queue.run(
                lambda _, deadline: token.read_pin_status(deadline), card.token.look_timeout_s
            )
        except DriverError as error:
            log.info("the card in %s did not tell its tries: %s", place.state.name, error)
        except Exception:  # the edge of a task that nobody waits for
            log.exception("the tries of the card in %s could not be read", place.state.name)
        if place.card is card:
            place.look = None
            place.note_pin(status)
            self.states.update()

    async def _read_card(self, place: Place) -> tuple[Card, int]:
        atr = place.state.atr or b""
        if place.state.mute:
            raise CardMuteError
        token, exchanges = await place.queue.run(
            lambda slot, deadline: _counted(slot, lambda: self._opener.open(slot, atr, deadline)), OPEN_TIMEOUT_S
        )
        try:
            return self._accept(place.state.name, token), exchanges
        except Exception:
            token.close()
            raise

    def _accept(self, reader: str, token: Token) -> Card:
        if any(self._policy.refutes(key.certificate_der) for key in token.keys):
            self._opener.store.forget(token.number)
            raise CardError("a certificate was damaged while it was read")
        return self._policy.describe(reader, token)

    def _fail(self, place: Place, failure: Failure, retries_s: tuple[float, ...]) -> None:
        place.failure = failure
        self.events.publish(Event(EventType.CARD_TROUBLE, place.state.name))
        again = _may_pass(failure) and bool(retries_s)
        if not (again and isinstance(failure, GONE)):  # of a removal the reader tells in a moment
            place.trouble = failure
        if again:
            self._open_in(place, retries_s[0], retries_s[1:])

    async def _settle(self) -> None:
        """Wait until the readers were seen once and every card was read, or tried again where that may help."""
        looks = [asyncio.ensure_future(seen.wait()) for seen in self._seen.values() if not seen.is_set()]
        if looks:
            _, late = await asyncio.wait(looks, timeout=SETTLE_TIMEOUT_S)
            for look in late:
                look.cancel()
            if not self._seen[self._sources[0]].is_set():
                raise ServiceStoppedError("the smart card service does not answer")
        await self.look_for_service()
        await self._hear_of_moves()
        for place in self.places.values():
            if place.state.atr is not None and _may_work_now(place.failure):
                self._open(place)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                while opening := self._opening():  # a card inserted again meanwhile is opened by another task
                    await asyncio.wait(opening)

    async def _hear_of_moves(self) -> None:
        """The monitor is about to tell of a card that was gone in use: opened before that, it would be opened twice."""
        if any(isinstance(place.failure, CardRemovedError) for place in self.places.values()):
            self._looked.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._looked.wait(), MOVE_TIMEOUT_S)

    def _opening(self) -> list[asyncio.Task[None]]:
        tasks = (place.opening for place in self.places.values())
        return [task for task in tasks if task is not None and not task.done()]


def _may_pass(failure: Failure) -> bool:
    """A card that is busy or just powered, a garbled answer, a hiccup of the reader: read again, a few times."""
    return isinstance(failure, RetriableError) or type(failure) in (CardError, DriverError)


def _may_work_now(failure: Failure | None) -> bool:
    return isinstance(failure, RetriableError) and not isinstance(failure, CardMuteError)


def _holds_a_card(reader: tuple[str, ReaderState]) -> bool:
    return reader[1].atr is not None


def _counted(slot: Slot, work: Callable[[], T]) -> tuple[T, int]:
    before = slot.exchanges
    result = work()
    return result, slot.exchanges - before
