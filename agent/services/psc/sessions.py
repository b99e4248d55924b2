"""Sessions of Pro Santé Connect: tokens of one person, for one program and one client, beside one card.

A token of one professional is never given out once the card, the person or the caller is another: what could have
changed is looked at again after everything that is waited for.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from agent.access.callers import Ability, Caller
from agent.access.grants import GrantChange, Grants
from agent.cards.cards import Cards
from agent.cards.events import Event, EventType
from agent.people.presence import AwayReason
from agent.services.psc.atdesk import CardBinding, settle
from agent.services.psc.checking import Login
from agent.services.psc.errors import SessionGoneError
from agent.services.psc.oauth import IssuerUnreachableError, PscError
from agent.services.psc.persons import Professional
from agent.services.psc.tokens import TokenAnswer, Tokens

ID_BYTES: Final = 16
LONGEST_S: Final = 4 * 3600.0
IDLE_S: Final = 30 * 60.0
LEEWAY_S: Final = 10.0
MAX_SESSIONS: Final = 32
MAX_ENDED: Final = 64

Refresh = Callable[["PscSession"], Awaitable[TokenAnswer]]
"""Get new tokens with the session's refresh token, and judge them."""


class PscEnd(StrEnum):
    """Why a session ended; `psc-session-ended` events carry it as their code."""

    LOGGED_OUT = "logged-out"
    REPLACED = "replaced"
    CARD_GONE = "card-removed"
    OTHER_CARD = "other-card"
    AWAY = "away"
    REVOKED = "revoked"
    EXPIRED = "expired"
    IDLE = "idle"
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclass(slots=True, eq=False)
class PscSession:
    """One session. Moments in `_s` are on the clock of PscSessions, others on the wall's, for people."""

    caller: Caller
    client: str
    login: Login = field(repr=False)
    binding: CardBinding
    tokens: Tokens = field(repr=False)
    opened_s: float
    used_s: float
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: secrets.token_hex(ID_BYTES))
    ended: PscEnd | None = None
    refreshing: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    on_end: list[Callable[[PscEnd], object]] = field(default_factory=list, repr=False)

    @property
    def person(self) -> Professional:
        """Whose tokens these are."""
        return self.login.person

    @property
    def expires_at(self) -> datetime:
        """When it ends at the latest."""
        return self.opened_at + timedelta(seconds=LONGEST_S)

    @property
    def card_number(self) -> str | None:
        """The card that it falls with."""
        return self.binding.own.number if self.binding.own is not None else None


@dataclass(frozen=True, slots=True)
class Access:
    """What is given out: an access token, when it ends, and the id token of the login."""

    token: str = field(repr=False)
    expires_at: datetime
    id_token: str | None = field(repr=False)


class PscSessions:
    """All sessions of this run. All methods run in the event loop."""

    def __init__(self, cards: Cards, grants: Grants, clock: Callable[[], float]) -> None:
        self._cards = cards
        self._grants = grants
        self._clock = clock
        self._sessions: dict[str, PscSession] = {}
        self._ended: dict[str, tuple[Caller, PscEnd]] = {}
        self._watch: asyncio.Task[None] | None = None

    async def open(self, caller: Caller, client: str, login: Login) -> PscSession:
        """Hold a login that was checked. One that this caller had for this client ends.

        Raises OtherPersonError, LoginCardGoneError, GrantRequiredError: nothing is held then.
        """
        await settle(self._cards)
        self._grants.require(caller, Ability.AUTHENTICATE)
        binding = CardBinding.of(self._cards, login)
        self.end_where(PscEnd.REPLACED, lambda session: session.caller.key == caller.key and session.client == client)
        for oldest in list(self._sessions.values())[: max(0, len(self._sessions) - MAX_SESSIONS + 1)]:
            self._end(oldest, PscEnd.REPLACED)
        now = self._clock()
        session = PscSession(caller, client, login, binding, login.answer.hold(self._clock), now, now)
        self._sessions[session.id] = session
        self._publish(EventType.PSC_SESSION_OPENED, session)
        self._set_timer(session)
        self._watch_cards()
        return session

    def list_sessions(self) -> list[PscSession]:
        """Those that stand now, the oldest first."""
        for session in list(self._sessions.values()):
            self._judge(session)
        return list(self._sessions.values())

    def find(self, session_id: str, caller: Caller) -> PscSession:
        """The caller's own session. Raises SessionGoneError, which tells others' callers nothing."""
        session = self._sessions.get(session_id)
        if session is not None and session.caller.key == caller.key:
            self._require(session)
            return session
        owner, reason = self._ended.get(session_id, (None, None))
        raise SessionGoneError(reason if owner is not None and owner.key == caller.key else None)

    def find_any(self, session_id: str) -> PscSession:
        """Anybody's session, to be ended. Raises SessionGoneError."""
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionGoneError
        return session

    async def require(self, session: PscSession) -> None:
        """Raise SessionGoneError unless it stands now, beside the cards in the readers; CardBusyError: nobody knows."""
        self._require(session)
        await settle(self._cards)
        self._require(session)
        session.used_s = self._clock()

    async def access(self, session: PscSession, refresh: Refresh) -> Access:
        """An access token that holds for LEEWAY_S and more where the issuer gives such; refreshed by one call for all.

        Raises SessionGoneError, CardBusyError, and what `refresh` raises: which ends the session, unless the issuer was
        out of reach.
        """
        refreshed = False
        while True:
            self._require(session)
            await settle(self._cards)
            self._require(session)
            if refreshed or session.tokens.ends_s - self._clock() > LEEWAY_S:
                break
            await self._refresh(session, refresh)
            refreshed = True
        session.used_s = self._clock()
        left_s = max(0.0, session.tokens.ends_s - self._clock())
        tokens = session.tokens
        id_token = tokens.id.read() if tokens.id is not None else None
        return Access(tokens.access.read(), datetime.now(UTC) + timedelta(seconds=left_s), id_token)

    async def _refresh(self, session: PscSession, refresh: Refresh) -> None:
        """One at a time: whoever comes meanwhile waits for its outcome. A caller that leaves does not end it."""
        if session.refreshing is None:
            session.refreshing = asyncio.create_task(self._refresh_once(session, refresh))
            session.refreshing.add_done_callback(_retrieve)
        task = session.refreshing
        await asyncio.wait({task})
        if task.cancelled():
            self._require(session)
        task.result()

    async def _refresh_once(self, session: PscSession, refresh: Refresh) -> None:
        try:
            answer = await refresh(session)
        except IssuerUnreachableError:
            raise  # for a moment, perhaps: what was not answered can be asked again
        except PscError:
            self._end(session, PscEnd.REFUSED)
            raise
        finally:
            session.refreshing = None
        self._require(session)
        old, session.tokens = session.tokens, answer.hold(self._clock)
        if session.tokens.refresh is None:
            session.tokens.refresh, old.refresh = old.refresh, None
        if session.tokens.id is None:
            session.tokens.id, old.id = old.id, None
        old.wipe()

    def end(self, session: PscSession, reason: PscEnd) -> None:
        """End one; one that has ended stays as it is."""
        self._end(session, reason)

    def end_where(self, reason: PscEnd, condition: Callable[[PscSession], bool] = lambda _: True) -> None:
        """End those that the condition holds for."""
        for session in [session for session in self._sessions.values() if condition(session)]:
            self._end(session, reason)

    def leave(self, reason: AwayReason) -> None:  # noqa: ARG002 - whatever took the person away
        """The person is not at the desk any more: every session ends."""
        self.end_where(PscEnd.AWAY)

    def follow_grants(self, change: GrantChange) -> None:
        """Whoever loses the grant loses what was held for it."""
        key = change.grant.caller.key
        lost = not self._grants.allows(change.grant.caller, Ability.AUTHENTICATE)
        self.end_where(PscEnd.REVOKED, lambda session: lost and session.caller.key == key)

    async def close(self) -> None:
        """The agent stops."""
        self.end_where(PscEnd.STOPPED)
        if self._watch is not None:
            await asyncio.gather(self._watch, return_exceptions=True)

    def _require(self, session: PscSession) -> None:
        self._judge(session)
        if session.ended is not None:
            raise SessionGoneError(session.ended)

    def _judge(self, session: PscSession) -> None:
        """End the session if anything that it stands on is gone."""
        if session.ended is None and (reason := self._why_over(session)) is not None:
            self._end(session, reason)

    def _why_over(self, session: PscSession) -> PscEnd | None:
        now = self._clock()
        if now - session.opened_s >= LONGEST_S:
            return PscEnd.EXPIRED
        if now - session.used_s >= IDLE_S:
            return PscEnd.IDLE
        if not session.binding.holds(self._cards):
            return PscEnd.CARD_GONE
        if session.binding.is_joined(self._cards):
            return PscEnd.OTHER_CARD
        return None if self._grants.allows(session.caller, Ability.AUTHENTICATE) else PscEnd.REVOKED

    def _end(self, session: PscSession, reason: PscEnd) -> None:
        if session.ended is not None:
            return
        session.ended = reason
        session.tokens.wipe()
        del self._sessions[session.id]
        self._ended[session.id] = session.caller, reason
        for forgotten in list(self._ended)[:-MAX_ENDED]:
            del self._ended[forgotten]
        for task in (session.timer, session.refreshing):
            if task is not None and task is not _current_task():
                task.cancel()
        if not self._sessions and self._watch is not None and self._watch is not _current_task():
            self._watch.cancel()
        self._publish(EventType.PSC_SESSION_ENDED, session, reason)
        for listener in session.on_end:
            listener(reason)

    def _set_timer(self, session: PscSession) -> None:
        """Look again when the session is due to end: by then it may have been used."""
        due_s = min(session.opened_s + LONGEST_S, session.used_s + IDLE_S) - self._clock()
        session.timer = asyncio.get_running_loop().call_later(max(0.0, due_s), self._come_due, session)

    def _come_due(self, session: PscSession) -> None:
        self._judge(session)
        if session.ended is None:
            self._set_timer(session)

    def _watch_cards(self) -> None:
        if self._watch is None or self._watch.done() or self._watch.cancelling():
            self._watch = asyncio.get_running_loop().create_task(self._follow_cards())

    async def _follow_cards(self) -> None:
        """Whatever happens in a reader may end sessions. Lasts as long as there are any."""
        while self._sessions:
            with self._cards.events.subscription() as events:
                while self._sessions and (await events.get()) is not None:
                    self.list_sessions()
                if self._cards.events.closed:
                    return

    def _publish(self, kind: EventType, session: PscSession, code: PscEnd | None = None) -> None:
        event = Event(kind, None, session.card_number, code, caller=session.caller, subject_id=session.id)
        self._cards.events.publish(event)


def _retrieve(task: asyncio.Task[None]) -> None:
    """Whoever still waits is told; asyncio complains where nobody does."""
    if not task.cancelled():
        task.exception()


def _current_task() -> asyncio.Task[object] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a timer's call, or no loop any more
        return None
