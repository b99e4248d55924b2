"""What is shown of a reader and of the desk, from facts alone."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from agent.cards.conditions import (
    EXPIRING,
    MOST_TELLING,
    CardFacts,
    Condition,
    DeskFacts,
    PlaceFacts,
    judge_desk,
    judge_reader,
    next_change,
)
from agent.cards.errors import KeyRefusedError
from drivers.base import PinStatus
from drivers.errors import (
    CardBusyError,
    CardError,
    CardMuteError,
    CardUnknownError,
    CardUpdateUnfinishedError,
    NotSupportedError,
    ReaderExclusiveError,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CPS = bytes.fromhex("3BAC00402A001225006480000310009000")
VITALE = bytes.fromhex("3B7513000000000000000000")
YEARS = NOW + timedelta(days=900)


def tries(left: int | None) -> PinStatus:
    return PinStatus(left, verified=left is None)


def card(
    left: int | None = 3,
    *,
    expires_at: datetime = YEARS,
    in_session: bool = False,
    revoked: bool = False,
    atr: bytes = CPS,
) -> PlaceFacts:
    return PlaceFacts(atr, CardFacts("99900001", expires_at, tries(left), in_session, revoked))


EMPTY, READING = PlaceFacts(None), PlaceFacts(CPS)
FOREIGN, MUTE = PlaceFacts(VITALE, failure=CardUnknownError()), PlaceFacts(b"", failure=CardMuteError())
SOON, PAST = NOW + timedelta(days=10), NOW - timedelta(days=1)

READERS = {
    "empty": (EMPTY, "no-card"),
    "being read": (READING, "reading"),
    "three tries": (card(3), "card-ready"),
    "two tries: one mistyped yesterday": (card(2), "card-ready"),
    "the last try": (card(1), "tries-low"),
    "no try": (card(0), "pin-blocked"),
    "left verified by another program": (card(None), "card-ready"),
    "tries not told yet, or contactless": (PlaceFacts(CPS, CardFacts("1", YEARS)), "card-ready"),
    "session": (card(in_session=True), "pin-session"),
    "session at the last try": (card(1, in_session=True), "tries-low"),
    "expiring": (card(expires_at=SOON), "expiring"),
    "session of an expiring card": (card(expires_at=SOON, in_session=True), "pin-session"),
    "expired": (card(expires_at=PAST), "expired"),
    "expired, last try, session": (card(1, expires_at=PAST, in_session=True), "expired"),
    "blocked and expired": (card(0, expires_at=PAST), "pin-blocked"),
    "revoked": (card(revoked=True), "revoked"),
    "revoked, blocked and expired": (card(0, expires_at=PAST, revoked=True), "revoked"),
    "Vitale": (FOREIGN, "not-cps"),
    "bank card": (PlaceFacts(bytes.fromhex("3B6500002063CB6800"), failure=CardUnknownError()), "not-cps"),
    "a token of a module that is no CPS": (PlaceFacts(b"", failure=CardUnknownError()), "not-cps"),
    "a CPS that cannot be understood": (PlaceFacts(CPS, failure=CardUnknownError()), "trouble"),
    "a CPS of a kind without a dialect": (PlaceFacts(CPS, failure=NotSupportedError()), "trouble"),
    "a CPS in an unfinished update": (PlaceFacts(CPS, failure=CardUpdateUnfinishedError()), "trouble"),
    "a card that answers nonsense": (PlaceFacts(VITALE, failure=CardError()), "trouble"),
    "mute": (MUTE, "trouble"),
    "held by another program": (PlaceFacts(CPS, failure=CardBusyError()), "trouble"),
    "reader held by another program": (PlaceFacts(VITALE, failure=ReaderExclusiveError()), "trouble"),
    "unattended, and not ours": (PlaceFacts(CPS, failure=KeyRefusedError()), "trouble"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_reader(name: str) -> None:
    place, condition = READERS[name]
    assert judge_reader(place, NOW) == condition
    assert judge_desk(DeskFacts({"r": place}), NOW) == condition


def test_every_condition_has_its_place_and_is_reached() -> None:
    assert sorted(MOST_TELLING) == sorted(Condition)
    assert {condition for _, condition in READERS.values()} | {"no-reader"} == set(Condition)


DESKS = {
    "no reader": ([], "no-reader"),
    "a ready card beside an empty reader": ([EMPTY, card()], "card-ready"),
    "a Vitale beside a ready card": ([FOREIGN, card()], "card-ready"),
    "a mute card beside a ready card": ([MUTE, card()], "card-ready"),
    "a card that may be anything, held by another program": (
        [PlaceFacts(VITALE, failure=CardBusyError()), card()],
        "card-ready",
    ),
    "a CPS in trouble beside a ready one": ([PlaceFacts(CPS, failure=CardBusyError()), card()], "trouble"),
    "a blocked card beside a ready one": ([card(), card(0)], "pin-blocked"),
    "a revoked card beside a ready one": ([card(), card(revoked=True)], "revoked"),
    "a session beside a card at its last try": ([card(in_session=True), card(1)], "tries-low"),
    "a session beside a ready card": ([card(), card(in_session=True)], "pin-session"),
    "a card being read beside a ready one": ([READING, card()], "card-ready"),
    "a card being read beside a Vitale": ([READING, FOREIGN], "reading"),
    "a Vitale alone, and an empty reader": ([EMPTY, FOREIGN], "not-cps"),
    "a mute card and an empty reader": ([EMPTY, MUTE], "trouble"),
}


@pytest.mark.parametrize("name", DESKS)
def test_a_desk(name: str) -> None:
    places, condition = DESKS[name]
    for order in itertools.permutations(places):
        assert judge_desk(DeskFacts(dict(zip("ab", order, strict=False))), NOW) == condition


def test_of_two_cards_that_may_be_anything_the_first_reader_is_shown() -> None:
    assert judge_desk(DeskFacts({"a": FOREIGN, "b": MUTE}), NOW) == "not-cps"
    assert judge_desk(DeskFacts({"a": MUTE, "b": FOREIGN}), NOW) == "trouble"


def test_a_stopped_service_is_a_trouble_of_the_desk_unless_a_module_shows_a_card() -> None:
    assert judge_desk(DeskFacts({}, service_stopped=True), NOW) == "trouble"
    assert judge_desk(DeskFacts({"m": FOREIGN}, service_stopped=True), NOW) == "trouble"
    assert judge_desk(DeskFacts({"m": card(atr=b"")}, service_stopped=True), NOW) == "card-ready"


def test_time_alone_changes_a_condition_at_sixty_days_and_at_the_end() -> None:
    end = NOW + timedelta(days=100)
    place = card(expires_at=end)
    moments = []
    now = NOW
    while (moment := next_change([place, EMPTY, FOREIGN], now)) is not None:
        before, after = judge_reader(place, moment), judge_reader(place, moment + timedelta(seconds=1))
        moments.append((moment, before, after))
        now = moment + timedelta(seconds=1)
    assert moments == [(end - EXPIRING, "card-ready", "expiring"), (end, "expiring", "expired")]


def test_nothing_is_waited_for_without_a_card_or_after_its_end() -> None:
    assert next_change([EMPTY, FOREIGN, READING], NOW) is None
    assert next_change([card(expires_at=PAST)], NOW) is None
