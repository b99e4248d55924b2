"""What the agent tells about the desk, as values: parsed here, from `GET /v1/status` and the first event alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

Json = dict[str, Any]
MAX_READERS: Final = 16  # a menu is for a person
MAX_RENEWALS: Final = 16
SERVICE_STOPPED: Final = "stopped"


class Condition(StrEnum):
    """How a reader or the whole desk stands: the words of the API, and one of the tray's own."""

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
    NO_AGENT = "no-agent"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a reader from being used, in two languages."""

    code: str
    detail: str
    detail_fr: str

    def sentence(self, language: str) -> str:
        """The sentence in that language."""
        return self.detail_fr if language == "fr" else self.detail


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader and what is in it."""

    name: str
    condition: Condition
    card_number: str | None = None
    kind: str | None = None
    holder: str | None = None
    expires_at: datetime | None = None
    tries_left: int | None = None
    blocked: bool = False
    revoked: bool = False
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A code that the agent keeps for a caller, until when and for how many uses."""

    id: str
    card_number: str | None
    ends_at: datetime
    uses_left: int | None

    def minutes_left(self, now: datetime) -> int:
        """Minutes begun, at least 0."""
        return max(0, -int(-(self.ends_at - now) // timedelta(minutes=1)))


@dataclass(frozen=True, slots=True)
class Renewal:
    """A software certificate that ends soon, or has ended, and for which no new one was ordered."""

    certificate: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the tray shows. `denials`: refused callers that may not ask again for a while."""

    condition: Condition
    service_stopped: bool = False
    readers: tuple[Reader, ...] = ()
    sessions: tuple[Session, ...] = ()
    denials: int = 0
    renewals: tuple[Renewal, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether an agent runs."""
        return self.condition is not Condition.NO_AGENT

    @property
    def cards(self) -> tuple[Reader, ...]:
        """The readers that hold a card with a number."""
        return tuple(reader for reader in self.readers if reader.card_number is not None)

    @property
    def main_reader(self) -> Reader | None:
        """The reader that the desk's condition is about, else the first one with a card, else the first."""
        same = (reader for reader in self.readers if reader.condition is self.condition)
        return next(iter((*same, *self.cards, *self.readers)), None)

    def with_denials(self, count: int) -> Desk:
        """The same desk with another number of denials."""
        return replace(self, denials=count)

    def with_renewals(self, renewals: tuple[Renewal, ...]) -> Desk:
        """The same desk with these certificates to be renewed."""
        return replace(self, renewals=renewals)


NO_AGENT: Final = Desk(Condition.NO_AGENT)

_BY_STATE: Final = {
    "empty": Condition.NO_CARD,
    "reading": Condition.READING,
    "ready": Condition.CARD_READY,
}
_BY_CODE: Final = {"card-unknown": Condition.NOT_CPS}


def parse_desk(status: Json) -> Desk:
    """Read a status. An agent that names no conditions is an older one: they follow from its states."""
    readers = tuple(parse_reader(reader) for reader in (status.get("readers") or ())[:MAX_READERS])
    sessions = tuple(_parse_session(session) for session in status.get("sessions") or ())
    stopped = status.get("service") == SERVICE_STOPPED
    condition = Condition.TROUBLE if stopped else _desk_condition(status, readers)
    return Desk(condition, stopped, readers, sessions)


def _desk_condition(status: Json, readers: tuple[Reader, ...]) -> Condition:
    if status.get("condition"):
        return _condition(status["condition"])
    if not readers:
        return Condition.NO_READER
    return next(
        (reader.condition for reader in readers if reader.condition is not Condition.NO_CARD), Condition.NO_CARD
    )


def parse_reader(reader: Json) -> Reader:
    """Read one reader."""
    trouble = _parse_trouble(reader.get("trouble"))
    pin = reader.get("pin") or {}
    return Reader(
        name=str(reader.get("name", "")),
        condition=_reader_condition(reader, trouble),
        card_number=reader.get("cardNumber"),
        kind=reader.get("kind"),
        holder=reader.get("holderName"),
        expires_at=parse_moment(reader.get("expiresAt")),
        tries_left=pin.get("triesLeft"),
        blocked=pin.get("state") == "blocked",
        revoked=reader.get("revoked") is True,
        trouble=trouble,
    )


def _reader_condition(reader: Json, trouble: Trouble | None) -> Condition:
    if reader.get("condition"):
        return _condition(reader["condition"])
    if trouble is not None:
        return _BY_CODE.get(trouble.code, Condition.TROUBLE)
    return _BY_STATE.get(str(reader.get("state")), Condition.TROUBLE)


def _condition(word: Any) -> Condition:
    """A word that this version does not know is shown as trouble, never as a card that works."""
    try:
        return Condition(word)
    except ValueError:
        return Condition.TROUBLE


def _parse_trouble(trouble: Json | None) -> Trouble | None:
    if not trouble:
        return None
    return Trouble(str(trouble.get("code", "")), str(trouble.get("detail", "")), str(trouble.get("detailFr", "")))


def _parse_session(session: Json) -> Session:
    ends_at = parse_moment(session.get("endsAt")) or datetime.now(UTC)
    return Session(str(session.get("id", "")), session.get("cardNumber"), ends_at, session.get("usesLeft"))


def parse_renewals(waiting: Json) -> tuple[Renewal, ...]:
    """Read what `GET /v1/certificate-orders` tells; those that were ordered already need nothing more."""
    due = [one for one in (waiting.get("renewals") or ())[:MAX_RENEWALS] if one.get("ordered") is None]
    ends = [(one, parse_moment(one.get("expiresAt"))) for one in due]
    return tuple(
        Renewal(str(one.get("certificate", "")), str((one.get("subject") or {}).get("organisation", "")), end)
        for one, end in ends
        if end is not None
    )


def parse_moment(text: Any) -> datetime | None:
    """RFC 3339; None for nothing, and for what is no moment."""
    try:
        moment = datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
