"""What is known of a certificate's revocation, as values: an answer, how long it holds, which of two counts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

RENEW_EARLIEST, RENEW_AFTER = 0.7, 0.9
"""Of the time that an answer holds: the next one is fetched before it has run out, not by all workstations at once."""
LONGEST: Final = timedelta(days=7)
"""An answer that holds for years is asked for anew after this."""
WITHOUT_NEXT: Final = timedelta(minutes=30)
"""How long an answer without nextUpdate holds (RFC 6960 §2.4: newer information is always available)."""
HOLD: Final = "certificate-hold"
"""The one revocation that an authority may take back (RFC 5280 §5.3.1)."""


class Status(StrEnum):
    """What the issuer says."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


class Source(StrEnum):
    """How it says so."""

    OCSP = "ocsp"
    CRL = "crl"


class Reason(StrEnum):
    """Why nothing is known, in a word."""

    ISSUER_UNKNOWN = "issuer-unknown"
    UNREADABLE = "unreadable"
    NOT_CHECKED = "not-checked"
    OFF = "off"
    TEST_CARD = "test-card"
    NOT_PUBLISHED = "not-published"
    HOST_NOT_ALLOWED = "host-not-allowed"
    OFFLINE = "offline"
    TOO_LARGE = "too-large"
    NOT_KNOWN_TO_ISSUER = "not-known-to-issuer"
    STALE = "stale"
    RESPONDER_WRONG = "responder-wrong"
    CHECK_FAILED = "check-failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known. `produced_at`, `next_update`: thisUpdate and nextUpdate of the answer that says so.

    `reason`: of a revocation as RFC 5280 §5.3.1 names it, in hyphens; else a `Reason` why nothing is known.
    """

    status: Status
    source: Source | None = None
    produced_at: datetime | None = None
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether no later answer can change it."""
        return self.status is Status.REVOKED and self.reason != HOLD

    def holds_until(self) -> datetime | None:
        """The moment from which the answer says nothing any more; None for no answer."""
        return None if self.produced_at is None else self.next_update or self.produced_at + WITHOUT_NEXT

    def renew_at(self, after: float = RENEW_AFTER) -> datetime | None:
        """When to ask anew, after this part of its time; None for no answer, which others decide about."""
        end = self.holds_until()
        if end is None or self.produced_at is None:
            return None
        return self.produced_at + min((end - self.produced_at) * after, LONGEST * after)

    def at(self, now: datetime) -> Verdict:
        """What it still says now: a revocation stays, a good word runs out."""
        end = self.holds_until()
        if self.status is not Status.GOOD or end is None or now <= end:
            return self
        return replace(self, status=Status.UNKNOWN, reason=Reason.STALE)


NOT_CHECKED: Final = Verdict(Status.UNKNOWN, reason=Reason.NOT_CHECKED)


def unknown(reason: Reason) -> Verdict:
    """Nothing is known, and why."""
    return Verdict(Status.UNKNOWN, reason=reason)


def merge(old: Verdict, new: Verdict, now: datetime) -> Verdict:
    """Which counts: a revocation is final, an older answer does not replace a newer one, no answer replaces none."""
    if old.is_final:
        return old
    standing = old.at(now)
    if standing.status is Status.UNKNOWN:
        return new if new.status is not Status.UNKNOWN else _keep_dates(old, new)
    if new.status is Status.UNKNOWN or new.is_final:
        return new if new.is_final else old
    is_older = old.produced_at is not None and new.produced_at is not None and new.produced_at < old.produced_at
    return old if is_older else new


def _keep_dates(old: Verdict, new: Verdict) -> Verdict:
    """When something was last known stays told."""
    if new.produced_at is not None or old.produced_at is None:
        return new
    return replace(new, source=old.source, produced_at=old.produced_at, next_update=old.next_update)
