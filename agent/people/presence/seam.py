"""The seam between the agent and the system's word that the person has left the desk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import StrEnum


class AwayReason(StrEnum):
    """Why nobody is known to be at the desk; `LOST`: the signals that would tell cannot be received any more."""

    LOCKED = "locked"
    ASLEEP = "asleep"
    SWITCHED = "switched"
    ENDED = "ended"
    LOST = "lost"


OnAway = Callable[[AwayReason], object]


class Presence(ABC):
    """Tells when the screen is locked, the workstation sleeps, another user comes to the front, or the session ends.

    One cause may be told more than once. `available` is true only while each of them would be told; `reason` says why
    it is not.
    """

    available: bool = False
    reason: str | None = None

    @abstractmethod
    async def start(self, on_away: OnAway) -> None:
        """Listen from now on; `on_away` is called in the event loop. Takes a few seconds at most, and never raises."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop listening; nothing is told any more."""


class NoPresence(Presence):
    """A workstation whose signals cannot be received."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    async def start(self, on_away: OnAway) -> None:
        """See Presence: there is nothing to listen to."""

    async def stop(self) -> None:
        """See Presence."""
