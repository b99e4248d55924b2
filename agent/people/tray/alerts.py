"""When to notify: pure comparisons of the desk before and after. Each thing is told once, never in a storm."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from agent.people.tray.memory import Memory
from agent.people.tray.state import Condition, Desk, Reader, Renewal

EXPIRY_DAYS: Final = (7, 30, 60)
"""Days before a card or a software certificate expires at which the person is told, nearest first."""

MAX_PER_SPAN: Final = 4
SPAN_S: Final = 60.0
REPEAT_S: Final = 300.0
"""The same thing is not told again within this: a worn contact would tell it at every touch."""


class AlertKind(StrEnum):
    """What a notification is about."""

    WRONG_CARD = "wrong-card"
    EXPIRES = "expires"
    EXPIRED = "expired"
    LAST_TRY = "last-try"
    BLOCKED = "blocked"
    REVOKED = "revoked"
    RENEWAL = "renewal"
    NO_AGENT = "no-agent"
    SERVICE_STOPPED = "service-stopped"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell, about a reader or a renewal; `days` until the end, and the threshold passed."""

    kind: AlertKind
    reader: Reader | None = None
    days: int = 0
    threshold: int | None = None
    renewal: Renewal | None = None

    @property
    def key(self) -> str:
        """The same for the same thing."""
        about = (self.reader.card_number or self.reader.name) if self.reader else ""
        return f"{self.kind}:{self.renewal.certificate if self.renewal else about}"


@dataclass
class Alerts:
    """What was told lately, and what was told ever, which `memory` keeps through restarts."""

    memory: Memory
    _told: dict[str, float] = field(default_factory=dict)
    _lately: deque[float] = field(default_factory=deque)

    def review(self, before: Desk | None, after: Desk, now: datetime, clock_s: float) -> list[Alert]:
        """Give what is to be told now. `before` None: the tray has just started; `clock_s` never jumps."""
        due = (*self._changes(before, after), *_expiries(after, now), *_renewals(after, now))
        told = [alert for alert in due if not self._was_told(alert) and self._may_tell(alert, clock_s)]
        for alert in told:
            self._note(alert)
        return told

    def _changes(self, before: Desk | None, after: Desk) -> Iterator[Alert]:
        if before is not None and before.reachable and not after.reachable:
            yield Alert(AlertKind.NO_AGENT)
        if after.service_stopped and not (before and before.service_stopped):
            yield Alert(AlertKind.SERVICE_STOPPED)
        known = {(reader.name, reader.card_number): reader for reader in before.readers} if before else {}
        for reader in after.readers:
            yield from _reader_changes(known.get((reader.name, reader.card_number)), reader)

    def _was_told(self, alert: Alert) -> bool:
        """Whether an earlier run has told this expiry: at each threshold once per card, whatever clocks do."""
        return alert.threshold is not None and self.memory.has_told(_lasting_key(alert), alert.threshold)

    def _note(self, alert: Alert) -> None:
        if alert.threshold is not None:
            self.memory.note_expiry(_lasting_key(alert), alert.threshold)

    def _may_tell(self, alert: Alert, clock_s: float) -> bool:
        while self._lately and clock_s - self._lately[0] > SPAN_S:
            self._lately.popleft()
        last = self._told.get(alert.key)
        if len(self._lately) >= MAX_PER_SPAN or (last is not None and clock_s - last < REPEAT_S):
            return False
        self._told = {key: told for key, told in self._told.items() if clock_s - told < REPEAT_S} | {alert.key: clock_s}
        self._lately.append(clock_s)
        return True


def _reader_changes(before: Reader | None, after: Reader) -> Iterator[Alert]:
    if after.condition is Condition.NOT_CPS and not (before and before.condition is Condition.NOT_CPS):
        yield Alert(AlertKind.WRONG_CARD, after)
    if after.card_number is None:
        return
    if after.revoked and not (before and before.revoked):
        yield Alert(AlertKind.REVOKED, after)
    if after.blocked and not (before and before.blocked):
        yield Alert(AlertKind.BLOCKED, after)
    elif after.tries_left == 1 and not (before and before.tries_left == 1):
        yield Alert(AlertKind.LAST_TRY, after)


def _expiries(desk: Desk, now: datetime) -> Iterator[Alert]:
    """The nearest threshold that each card has passed; 0 for the day itself."""
    for card in desk.cards:
        if card.expires_at is None:
            continue
        days = (card.expires_at - now) // timedelta(days=1)
        if days < 0:
            yield Alert(AlertKind.EXPIRED, card, threshold=0)
        elif days <= max(EXPIRY_DAYS):
            yield Alert(AlertKind.EXPIRES, card, days, next(limit for limit in EXPIRY_DAYS if days <= limit))


def _renewals(desk: Desk, now: datetime) -> Iterator[Alert]:
    """The same thresholds for the software certificates that are to be ordered again."""
    for renewal in desk.renewals:
        days = max(-1, (renewal.expires_at - now) // timedelta(days=1))
        if days <= max(EXPIRY_DAYS):
            limit = next(limit for limit in (-1, *EXPIRY_DAYS) if days <= limit)
            yield Alert(AlertKind.RENEWAL, days=days, threshold=max(0, limit), renewal=renewal)


def _lasting_key(alert: Alert) -> str:
    """A card, and the date, since a renewed card may keep its number; or a certificate."""
    if alert.renewal is not None:
        return alert.renewal.certificate
    card = alert.reader
    return f"{card.card_number}/{card.expires_at:%Y-%m-%d}" if card else ""
