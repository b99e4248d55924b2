"""Wall-clock time as a value that tests can replace, and its form in the database: whole milliseconds since 1970."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Read the clock of the workstation, with its zone."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Turn an aware moment into milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """Turn milliseconds back into an aware moment."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
