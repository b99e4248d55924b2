"""How often a caller may try what a person has to answer: what comes again and again gets a yes in the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable

from agent.people.prompt import DeskBusyError


class Restraint:
    """So many tries of one caller without an outcome, within so long."""

    def __init__(self, most: int, within_s: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._within_s = within_s
        self._clock = clock
        self._tries: defaultdict[Hashable, list[float]] = defaultdict(list)

    def require(self, caller: Hashable) -> None:
        """Raise DeskBusyError after too many."""
        tries = self._tries[caller]
        tries[:] = [at for at in tries if at + self._within_s > self._clock()]
        if len(tries) >= self._most:
            raise DeskBusyError("too many logins came to nothing a short while ago")

    def note(self, caller: Hashable) -> None:
        """The person is asked now."""
        self._tries[caller].append(self._clock())

    def forget(self, caller: Hashable) -> None:
        """They have logged in."""
        self._tries.pop(caller, None)
