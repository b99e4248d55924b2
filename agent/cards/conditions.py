"""What a person should see at a glance of a reader and of the whole desk: values in, one word out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from drivers.base import PinStatus
from drivers.card.atr import CPS_FAMILY, identify_atr
from drivers.errors import CardUnknownError, NotCpsError

EXPIRING = timedelta(days=60)
LAST_TRIES = 1
"""A code mistyped yesterday (two of three tries left) is told by `triesLeft`, and alarms nobody."""


class Condition(StrEnum):
    """The words of the API."""

    NO_READER = "no-reader"
    NO_CARD = "no-card"
    READING = "reading"
    CARD_READY = "card-ready"
    PIN_SESSION = "pin-session"
    TRIES_LOW = "tries-low"
    PIN_BLOCKED = "pin-blocked"
    REVOKED = "revoked"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    NOT_CPS = "not-cps"
    TROUBLE = "trouble"


MOST_TELLING = (
    Condition.REVOKED,
    Condition.PIN_BLOCKED,
    Condition.EXPIRED,
    Condition.TROUBLE,
    Condition.TRIES_LOW,
    Condition.PIN_SESSION,
    Condition.EXPIRING,
    Condition.CARD_READY,
    Condition.READING,
    Condition.NOT_CPS,
    Condition.NO_CARD,
    Condition.NO_READER,
)
"""Of several facts about one card, and of several readers, the first of these is shown.

A problem of a CPS comes before a CPS that works, and that before whatever lies in another reader: a Vitale card beside
it, or a card that does not answer and may be anything, hides nothing (see `_rank`).
"""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """An open card. `pin`: as the card last told it, None when it never did (contactless: there is none)."""

    number: str
    expires_at: datetime
    pin: PinStatus | None = None
    in_session: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """A reader: `atr` None when nothing is in it; without `card` and `failure` what is in it is still being read."""

    atr: bytes | None
    card: CardFacts | None = None
    failure: Exception | None = None

    @property
    def is_of_family(self) -> bool:
        """Whether it is a CPS as far as its ATR tells."""
        return bool(self.atr) and identify_atr(self.atr or b"") in CPS_FAMILY


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """All readers by name. `service_stopped`: the PC/SC service does not run, so that nothing is known of them."""

    places: Mapping[str, PlaceFacts] = field(default_factory=dict)
    service_stopped: bool = False


def judge_reader(place: PlaceFacts, now: datetime) -> Condition:
    """Give the condition of one reader."""
    if place.atr is None:
        return Condition.NO_CARD
    if place.card is not None:
        return min(_list_facts(place.card, now), key=MOST_TELLING.index)
    if place.failure is None:
        return Condition.READING
    unknown = isinstance(place.failure, CardUnknownError) and not place.is_of_family
    foreign = unknown or isinstance(place.failure, NotCpsError)
    return Condition.NOT_CPS if foreign else Condition.TROUBLE


def judge_desk(desk: DeskFacts, now: datetime) -> Condition:
    """Give the condition of the desk: that of its most telling reader, unless there is none to speak of."""
    if desk.service_stopped and not any(place.card for place in desk.places.values()):
        return Condition.TROUBLE
    if not desk.places:
        return Condition.NO_READER
    judged = ((judge_reader(place, now), place) for place in desk.places.values())
    return min(judged, key=lambda pair: _rank(*pair))[0]


def next_change(places: Iterable[PlaceFacts], now: datetime) -> datetime | None:
    """The moment from which time alone changes a condition, if there is one."""
    cards = [place.card for place in places if place.card is not None]
    moments = (moment for card in cards for moment in (card.expires_at - EXPIRING, card.expires_at))
    return min((moment for moment in moments if moment >= now), default=None)


def _list_facts(card: CardFacts, now: datetime) -> Iterable[Condition]:
    yield Condition.CARD_READY
    if card.revoked:
        yield Condition.REVOKED
    if card.pin is not None and card.pin.tries_left is not None and card.pin.tries_left <= LAST_TRIES:
        yield Condition.PIN_BLOCKED if card.pin.blocked else Condition.TRIES_LOW
    if card.in_session:
        yield Condition.PIN_SESSION
    if now > card.expires_at:
        yield Condition.EXPIRED
    elif now > card.expires_at - EXPIRING:
        yield Condition.EXPIRING


def _rank(condition: Condition, place: PlaceFacts) -> int:
    """A trouble counts as a CPS's only where the ATR says so; any other stands just before a card of another kind."""
    if condition is Condition.TROUBLE and not place.is_of_family:
        return MOST_TELLING.index(Condition.NOT_CPS)
    return MOST_TELLING.index(condition)
