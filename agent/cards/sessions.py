"""PIN sessions: a code that the person lets the agent keep for one caller and one card, for a short while.

The card itself is never left verified: the kept code is sent again for each use, and wiped at the session's end.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from agent.access.callers import Caller, CallerKind
from agent.access.grants import GrantChange, GrantEvent
from agent.cards.card import Card
from agent.cards.cards import Cards
from agent.cards.events import Event, EventBus, EventType
from agent.people.presence import AwayReason
from drivers.pin import Typed

ID_BYTES = 8
LAST_TRY = 1  # is left to a person, who ticks it
Key = tuple[tuple[CallerKind, str], str | None, str]
"""A caller's key, the program that a page calls through, and the number of a card.

Any program can call itself a page: where a code is kept, no window would tell the person which program it was.
"""


class SessionEnd(StrEnum):
    """Why a session ended; `pin-session-ended` events carry it as their code."""

    EXPIRED = "expired"
    USED_UP = "used-up"
    CARD_GONE = "card-removed"
    LOCKED = "locked"
    AWAY = "away"
    REVOKED = "revoked"
    GRANTED = "granted"
    REFUSED = "refused"
    CODE_CHANGED = "code-changed"
    CODE_REFUSED = "code-refused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class SessionTerms:
    """How far a session goes: minutes of real time, suspension included, and signatures."""

    minutes: int = 15
    uses: int = 20


@dataclass(slots=True, eq=False, weakref_slot=True)
class SessionOffer:
    """What a person may tick while a question stands. It falls by whatever would have ended the session itself."""

    caller: Caller
    terms: SessionTerms
    stands: bool = True


@dataclass(slots=True, eq=False)
class PinSession:
    """One session. `deadline_s` is on the clock of PinSessions, `ends_at` on the wall's, for people."""

    caller: Caller
    card: Card
    pin: Typed
    tries_left: int | None
    uses_left: int
    deadline_s: float
    ends_at: datetime
    id: str = field(default_factory=lambda: secrets.token_hex(ID_BYTES))
    watch: asyncio.Task[None] | None = None

    @property
    def card_number(self) -> str:
        """The card that it holds the code of."""
        return self.card.number


def read_boot_clock() -> float:
    """Seconds that go on while the machine sleeps (CLOCK_BOOTTIME, where the system has it)."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class PinSessions:
    """All sessions of this run. All methods run in the event loop.

    `is_watched` tells whether a locked screen, a suspension and a change of user would be noticed: else there are none.
    """

    def __init__(
        self,
        cards: Cards,
        terms: SessionTerms,
        is_watched: Callable[[], bool],
        clock: Callable[[], float] = read_boot_clock,
    ) -> None:
        self._cards = cards
        self._events: EventBus = cards.events
        self._terms = terms
        self._is_watched = is_watched
        self._clock = clock
        self._sessions: dict[Key, PinSession] = {}
        self._offers: weakref.WeakSet[SessionOffer] = weakref.WeakSet()

    def offer_to(self, caller: Caller) -> SessionOffer | None:
        """What may be offered to the person now; None: nothing, as to a page through a program without a name."""
        nameless = caller.kind is CallerKind.PAGE and not caller.through
        if nameless or not (self._terms.minutes and self._terms.uses and self._is_watched()):
            return None
        offer = SessionOffer(caller, self._terms)
        self._offers.add(offer)
        return offer

    def open(self, offer: SessionOffer, card: Card, pin: Typed, tries_left: int | None) -> None:
        """Take over a code that the card has just accepted, for as long as was offered. Replaces an older session.

        The person may have gone, locked, or taken a grant back since the offer: then nothing is kept.
        """
        caller, terms = offer.caller, offer.terms
        if not offer.stands or not self._is_watched():
            pin.wipe()
            return
        key = _make_key(caller, card)
        self.end_where(SessionEnd.CODE_CHANGED, lambda session: _key(session) == key)
        session = PinSession(
            caller=caller,
            card=card,
            pin=pin,
            tries_left=tries_left,
            uses_left=terms.uses,
            deadline_s=self._clock() + 60 * terms.minutes,
            ends_at=datetime.now(UTC) + timedelta(minutes=terms.minutes),
        )
        session.watch = asyncio.get_running_loop().create_task(self._watch(session))
        self._sessions[_key(session)] = session
        self._tell_cards()
        self._publish(EventType.PIN_SESSION_OPENED, session)

    def borrow(self, caller: Caller, card: Card, tries_left: int | None, uses: int) -> Typed | None:
        """Take that many uses off the caller's session and give its code; None when the person has to be asked.

        A card that counts fewer tries than at the opening was given wrong codes since: its session ends.
        """
        session = self._sessions.get(_make_key(caller, card))
        if session is None:
            return None
        if (reason := self._why_over(session, card, tries_left)) is not None:
            self._end(session, reason)
            return None
        if tries_left is not None:  # the right code has filled the counter up since the opening
            session.tries_left = max(tries_left, session.tries_left or 0)
        if uses > session.uses_left:
            return None
        session.uses_left -= uses
        self._publish(EventType.PIN_SESSION_USED, session)
        return session.pin

    def _why_over(self, session: PinSession, card: Card, tries_left: int | None) -> SessionEnd | None:
        if session.card is not card:
            return SessionEnd.CARD_GONE
        if self._clock() >= session.deadline_s:
            return SessionEnd.EXPIRED
        if not self._is_watched():
            return SessionEnd.AWAY
        if tries_left is not None and (tries_left <= LAST_TRY or tries_left < (session.tries_left or 0)):
            return SessionEnd.CODE_REFUSED
        return None

    @contextmanager
    def use(self, pin: Typed) -> Iterator[None]:
        """Hold a borrowed code; a session without uses left ends when the block does."""
        try:
            yield
        finally:
            self.end_where(SessionEnd.USED_UP, lambda session: session.pin is pin and not session.uses_left)

    def refuse(self, pin: Typed) -> None:
        """The card did not take the code: it is not tried again."""
        self.end_where(SessionEnd.CODE_REFUSED, lambda session: session.pin is pin)

    def leave(self, reason: AwayReason) -> None:  # noqa: ARG002 - whatever took the person away
        """The person is not at the desk any more: every session ends. The clock may have gone on meanwhile."""
        self._withdraw()
        self.end_where(SessionEnd.AWAY)
        self._cards.refresh()

    def lock(self, caller: Caller) -> int:
        """End the sessions that this caller sees, and any that is about to begin. Gives the number of those ended."""
        self._withdraw(lambda other: _may_see(caller, other))
        return self.end_where(SessionEnd.LOCKED, lambda session: _may_see(caller, session.caller))

    def note_refusal(self, caller: Caller) -> None:
        """The person has refused this caller something: what it was trusted with before ends."""
        self._withdraw(lambda other: other.key == caller.key)
        self.end_where(SessionEnd.REFUSED, lambda session: session.caller.key == caller.key)

    def note_new_code(self, card: Card) -> None:
        """The card has another code now: the one that was kept, or is on its way here, would cost a try."""
        self._withdraw()
        self.end_where(SessionEnd.CODE_CHANGED, lambda session: session.card is card)

    def end_where(self, reason: SessionEnd, condition: Callable[[PinSession], bool] = lambda _: True) -> int:
        """End the sessions that the condition holds for. Gives their number."""
        ended = [session for session in self._sessions.values() if condition(session)]
        for session in ended:
            self._end(session, reason)
        return len(ended)

    def follow_grants(self, change: GrantChange) -> None:
        """Whoever loses a grant loses the code that was kept for it.

        Whoever is given more does too: a code is kept for what the caller could do when the person ticked that, and
        the consent says that the code will be asked for.
        """
        key = change.grant.caller.key
        self._withdraw(lambda caller: caller.key == key)
        given = change.event is GrantEvent.GIVEN
        reason = SessionEnd.GRANTED if given else SessionEnd.REVOKED
        self.end_where(reason, lambda session: session.caller.key == key)

    def list_for(self, caller: Caller) -> list[PinSession]:
        """List what this caller may see: a page its own, a program of this user all of them."""
        return [session for session in self._sessions.values() if _may_see(caller, session.caller)]

    def _withdraw(self, condition: Callable[[Caller], bool] = lambda _: True) -> None:
        for offer in self._offers:
            offer.stands = offer.stands and not condition(offer.caller)

    async def _watch(self, session: PinSession) -> None:
        """End the session with its time or its card, whichever goes first."""
        reason = SessionEnd.EXPIRED
        try:
            async with asyncio.timeout(max(0.0, session.deadline_s - self._clock())):
                await self._cards.wait_gone(session.card)
            reason = SessionEnd.CARD_GONE
        except TimeoutError:
            pass
        self._end(session, reason)

    def _end(self, session: PinSession, reason: SessionEnd) -> None:
        session.pin.wipe()
        if self._sessions.get(_key(session)) is not session:
            return
        del self._sessions[_key(session)]
        if session.watch is not None and session.watch is not _current_task():
            session.watch.cancel()
        self._tell_cards()
        self._publish(EventType.PIN_SESSION_ENDED, session, reason)

    def _tell_cards(self) -> None:
        self._cards.note_sessions(session.card_number for session in self._sessions.values())

    def _publish(self, kind: EventType, session: PinSession, code: SessionEnd | None = None) -> None:
        card = session.card
        self._events.publish(
            Event(kind, card.reader or None, card.number, code, caller=session.caller, subject_id=session.id)
        )


def _key(session: PinSession) -> Key:
    return _make_key(session.caller, session.card)


def _make_key(caller: Caller, card: Card) -> Key:
    return caller.key, caller.through, card.number


def _may_see(caller: Caller, owner: Caller) -> bool:
    return caller.kind is CallerKind.PROGRAM or caller.key == owner.key


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs any more
        return None
