"""Sessions by themselves: their time, their refresh, their end. The desk and its cards stand at a seam here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.access.callers import Ability, Caller, CallerKind
from agent.access.database import Database
from agent.access.grants import Grants
from agent.cards.cards import Cards
from agent.cards.events import Event, EventBus, EventType
from agent.people.presence import AwayReason
from agent.services.psc import sessions as module
from agent.services.psc.checking import Login
from agent.services.psc.errors import LoginCardGoneError, OtherPersonError, SessionGoneError
from agent.services.psc.oauth import IssuerUnreachableError, OAuthError
from agent.services.psc.persons import Professional
from agent.services.psc.sessions import PscEnd, PscSession, PscSessions
from agent.services.psc.tokens import TokenAnswer
from drivers.errors import CardBusyError, CardMuteError, NotCpsError

PROGRAM, OTHER = Caller(CallerKind.PROGRAM, "/opt/cabinet"), Caller(CallerKind.PROGRAM, "/opt/other")
DOCTOR, NURSE = "899700002712", "899700002720"


@dataclass
class DeskCards:
    """What the sessions ask of the cards at the desk."""

    usable: list[Any] = field(default_factory=list)
    events: EventBus = field(default_factory=EventBus)
    places: dict[str, Any] = field(default_factory=dict)
    reading: Callable[[], Awaitable[object]] | None = None

    def holds(self, card: Any) -> bool:
        return any(card is each for each in self.usable)

    async def list_cards(self) -> list[Any]:
        if self.reading is not None:
            await self.reading()
        return self.usable

    def exchange(self, *cards: Any) -> None:
        self.usable = list(cards)
        self.events.publish(Event(EventType.CARD_READY))


def card(national_id: str, number: str = "99900001") -> Any:
    return SimpleNamespace(holder=SimpleNamespace(national_id=national_id), number=number)


def answer(text: str = "access-0", lifetime_s: int = 120, refresh: str | None = "refresh-0") -> TokenAnswer:
    return TokenAnswer(text, refresh, None, lifetime_s)


def login(national_id: str = DOCTOR, *, by_card: bool = False, given: TokenAnswer | None = None) -> Login:
    return Login(given or answer(), f"f:1:{national_id}", Professional(national_id), "eidas1", None, by_card)


@dataclass
class Desk:
    """The sessions, their clock and their cards."""

    sessions: PscSessions
    cards: DeskCards
    grants: Grants
    now: list[float]
    events: asyncio.Queue[Event | None]

    def told(self) -> list[tuple[EventType, str | None]]:
        told = []
        while not self.events.empty():
            event = self.events.get_nowait()
            assert event is not None
            told.append((event.type, event.code))
        return [each for each in told if each[0].startswith("psc-")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database = Database(tmp_path / "agent.db")
    await database.open()
    grants, cards, now = Grants(database), DeskCards(), [1000.0]
    await grants.add(PROGRAM, [Ability.AUTHENTICATE])
    await grants.add(OTHER, [Ability.AUTHENTICATE])
    sessions = PscSessions(cast("Cards", cards), grants, lambda: now[0])
    grants.subscribe(sessions.follow_grants)
    with cards.events.subscription() as events:
        yield Desk(sessions, cards, grants, now, events)
        await sessions.close()
    await database.close()


async def never(_: PscSession) -> TokenAnswer:
    raise AssertionError


async def end_of(desk: Desk, session: PscSession) -> str | None:
    with pytest.raises(SessionGoneError) as caught:
        await desk.sessions.access(session, never)
    assert desk.sessions.list_sessions() == []
    with pytest.raises(ValueError, match="wiped"):
        session.tokens.access.read()
    return caught.value.reason


async def test_it_gives_its_token_until_that_ends(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    access = await desk.sessions.access(session, never)
    assert (access.token, access.id_token) == ("access-0", None)
    assert "access-0" not in repr(access) + repr(session) + repr(session.login)
    assert desk.told() == [(EventType.PSC_SESSION_OPENED, None)]


@pytest.mark.parametrize(("left_s", "refreshes"), [(10.1, 0), (10, 1), (0, 1), (-50, 1)])
async def test_it_is_refreshed_ten_seconds_before(desk: Desk, left_s: float, refreshes: int) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 120 - left_s
    seen: list[str] = []

    async def refresh(session: PscSession) -> TokenAnswer:
        assert session.tokens.refresh is not None
        seen.append(session.tokens.refresh.read())
        return answer("access-1", refresh=None)

    access = await desk.sessions.access(session, refresh)
    assert (access.token, seen) == (f"access-{refreshes}", ["refresh-0"] * refreshes)
    assert session.tokens.refresh is not None
    assert session.tokens.refresh.read() == "refresh-0"  # the issuer gave no new one


async def test_tokens_that_live_less_than_the_leeway_are_asked_for_once(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login(given=answer(lifetime_s=5)))

    async def refresh(_: PscSession) -> TokenAnswer:
        return answer("access-1", lifetime_s=5)

    assert (await desk.sessions.access(session, refresh)).token == "access-1"


async def test_all_who_ask_at_once_share_one_refresh_and_none_of_them_can_spoil_it(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 115
    gate, count = asyncio.Event(), [0]

    async def refresh(_: PscSession) -> TokenAnswer:
        count[0] += 1
        await gate.wait()
        return answer("access-1", refresh="refresh-1")

    asked = [asyncio.create_task(desk.sessions.access(session, refresh)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked[0].cancel()  # who began it hangs up: the issuer has taken the old refresh token back by now
    await asyncio.sleep(0)
    gate.set()
    answers = await asyncio.gather(*asked[1:])
    assert {each.token for each in answers} == {"access-1"}
    assert count == [1]
    assert session.tokens.refresh is not None
    assert session.tokens.refresh.read() == "refresh-1"


async def test_all_hang_up_and_the_new_tokens_are_kept(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 115
    gate = asyncio.Event()

    async def refresh(_: PscSession) -> TokenAnswer:
        await gate.wait()
        return answer("access-1")

    asked = asyncio.create_task(desk.sessions.access(session, refresh))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    gate.set()
    assert session.refreshing is not None
    await session.refreshing
    assert (await desk.sessions.access(session, never)).token == "access-1"


async def test_a_refused_refresh_that_nobody_waits_for_ends_it_quietly(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 115
    gate = asyncio.Event()

    async def refresh(_: PscSession) -> TokenAnswer:
        await gate.wait()
        raise OAuthError("invalid_grant")

    asked = asyncio.create_task(desk.sessions.access(session, refresh))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()
    gate.set()
    await asyncio.gather(asked, *filter(None, [session.refreshing]), return_exceptions=True)
    assert await end_of(desk, session) == "refused"


async def test_who_is_out_of_reach_ends_nothing(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 115

    async def refresh(_: PscSession) -> TokenAnswer:
        raise IssuerUnreachableError("x")

    with pytest.raises(IssuerUnreachableError):
        await desk.sessions.access(session, refresh)
    assert session.ended is None


Deed = Callable[[Desk], Awaitable[object] | object]


async def revoke(desk: Desk) -> None:
    grant = desk.grants.find(PROGRAM)
    assert grant is not None
    await desk.grants.revoke(grant.id, PROGRAM)


DEEDS: dict[str, Deed] = {
    "card-removed": lambda desk: desk.cards.exchange(),
    "other-card": lambda desk: desk.cards.exchange(*desk.cards.usable, card(NURSE)),
    "away": lambda desk: desk.sessions.leave(AwayReason.LOCKED),
    "revoked": revoke,
    "stopped": lambda desk: desk.sessions.close(),
    "expired": lambda desk: desk.now.__setitem__(0, desk.now[0] + 4 * 3600),
    "idle": lambda desk: desk.now.__setitem__(0, desk.now[0] + 30 * 60),
}


async def do(desk: Desk, deed: Deed) -> None:
    done = deed(desk)
    if isinstance(done, Awaitable):
        await done


@pytest.mark.parametrize(("reason", "deed"), list(DEEDS.items()))
async def test_whatever_ends_it(desk: Desk, reason: str, deed: Deed) -> None:
    desk.cards.usable = [card(DOCTOR)]
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    ended: list[PscEnd] = []
    session.on_end.append(ended.append)
    await do(desk, deed)
    assert await end_of(desk, session) == reason
    assert ended == [reason]
    assert desk.told() == [(EventType.PSC_SESSION_OPENED, None), (EventType.PSC_SESSION_ENDED, reason)]
    with pytest.raises(SessionGoneError) as caught:
        desk.sessions.find(session.id, PROGRAM)
    assert caught.value.reason == reason


@pytest.mark.parametrize(("reason", "deed"), list(DEEDS.items()))
async def test_whatever_ends_it_during_a_refresh(desk: Desk, reason: str, deed: Deed) -> None:
    """The new tokens are let go of: nobody gets them, and nothing is left of them."""
    desk.cards.usable = [card(DOCTOR)]
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 115
    begun, gate = asyncio.Event(), asyncio.Event()

    async def refresh(_: PscSession) -> TokenAnswer:
        begun.set()
        await gate.wait()
        return answer("access-1")

    asked = asyncio.create_task(desk.sessions.access(session, refresh))
    await begun.wait()
    await do(desk, deed)
    gate.set()
    with pytest.raises(SessionGoneError) as caught:
        await asked
    assert caught.value.reason == reason
    assert await end_of(desk, session) == reason


def place(failure: Exception | None = None) -> Any:
    return SimpleNamespace(state=SimpleNamespace(atr=b"x"), card=None, failure=failure)


async def test_a_card_that_is_still_being_read_is_waited_for(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.cards.places["r"] = place()

    async def read() -> None:
        await asyncio.sleep(0)
        desk.cards.usable = [card(NURSE)]
        desk.cards.places["r"].card = desk.cards.usable[0]

    desk.cards.reading = read
    assert await end_of(desk, session) == "other-card"


@pytest.mark.parametrize(
    ("failure", "given"),
    [(CardBusyError(), False), (None, False), (CardMuteError(), True), (NotCpsError("vitale"), True)],
)
async def test_a_card_that_cannot_be_read(desk: Desk, failure: Exception | None, given: bool) -> None:
    """It may be a colleague's that another program holds; a patient's card, or one the wrong way round, is nobody's."""
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.cards.places["r"] = place(failure)
    if given:
        assert (await desk.sessions.access(session, never)).token == "access-0"
        return
    with pytest.raises(CardBusyError):
        await desk.sessions.access(session, never)
    with pytest.raises(CardBusyError):
        await desk.sessions.open(OTHER, "cabinet", login())
    desk.cards.places.clear()
    assert (await desk.sessions.access(session, never)).token == "access-0"


async def test_it_ends_by_itself_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", 0.01)
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.now[0] += 1
    async with asyncio.timeout(5):
        while (event := await desk.events.get()) is not None and event.type is not EventType.PSC_SESSION_ENDED:
            pass
    assert (event and event.code, session.ended) == ("idle", "idle")


async def test_the_removal_is_told_at_once(desk: Desk) -> None:
    desk.cards.usable = [card(DOCTOR)]
    session = await desk.sessions.open(PROGRAM, "cabinet", login(by_card=True))
    await asyncio.sleep(0)  # who watches the cards begins
    desk.cards.exchange()
    async with asyncio.timeout(5):
        while session.ended is None:
            await asyncio.sleep(0)
    assert session.ended == "card-removed"


async def test_use_keeps_it_for_four_hours_and_no_longer(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login(given=answer(lifetime_s=4 * 3600)))
    for _ in range(8):
        desk.now[0] += 29 * 60
        assert (await desk.sessions.access(session, never)).token == "access-0"
    desk.now[0] += 29 * 60
    assert await end_of(desk, session) == "expired"


@pytest.mark.parametrize(
    ("there", "by_card", "error"),
    [
        ([], False, None),
        ([card(DOCTOR)], True, None),
        ([card(DOCTOR), card(NURSE)], False, None),  # a colleague's, in a second reader, that was there before
        ([card(NURSE)], False, OtherPersonError),
        ([card("3990000000")], False, OtherPersonError),  # a card of a structure's
        ([], True, LoginCardGoneError),
    ],
)
async def test_whose_card_there_may_be(
    desk: Desk, there: list[Any], by_card: bool, error: type[Exception] | None
) -> None:
    desk.cards.usable = there
    if error is None:
        session = await desk.sessions.open(PROGRAM, "cabinet", login(by_card=by_card))
        assert (await desk.sessions.access(session, never)).token == "access-0"
        return
    with pytest.raises(error):
        await desk.sessions.open(PROGRAM, "cabinet", login(by_card=by_card))
    assert desk.sessions.list_sessions() == []


async def test_the_persons_own_card_may_come_later(desk: Desk) -> None:
    session = await desk.sessions.open(PROGRAM, "cabinet", login())
    desk.cards.exchange(card(DOCTOR))
    assert (await desk.sessions.access(session, never)).token == "access-0"


async def test_a_login_whose_grant_was_taken_back_meanwhile(desk: Desk) -> None:
    await revoke(desk)
    with pytest.raises(Exception, match="authenticate"):
        await desk.sessions.open(PROGRAM, "cabinet", login())
    assert desk.sessions.list_sessions() == []


async def test_callers_have_sessions_of_their_own(desk: Desk) -> None:
    mine = await desk.sessions.open(PROGRAM, "cabinet", login())
    other = await desk.sessions.open(OTHER, "cabinet", login())
    again = await desk.sessions.open(PROGRAM, "cabinet", login())
    assert (mine.ended, other.ended) == (PscEnd.REPLACED, None)
    assert desk.sessions.find(again.id, PROGRAM) is again
    for session in (mine, again):
        with pytest.raises(SessionGoneError) as caught:
            desk.sessions.find(session.id, OTHER)
        assert caught.value.reason is None


async def test_their_number_is_bounded(desk: Desk) -> None:
    first = await desk.sessions.open(PROGRAM, "client-0", login())
    for number in range(1, 140):
        await desk.sessions.open(PROGRAM, f"client-{number}", login())
    assert len(desk.sessions.list_sessions()) == module.MAX_SESSIONS
    assert first.ended == PscEnd.REPLACED
    assert len(desk.sessions._ended) <= module.MAX_ENDED
