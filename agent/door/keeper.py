"""Who keeps the programs' sockets open when the agent ends: a process of ours, or systemd."""

from __future__ import annotations

import logging
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

log = logging.getLogger(__name__)


class Guest(Protocol):
    """A program's connection."""

    @property
    def socket(self) -> socket.socket:
        """The agent's end."""


class Keeper(ABC):
    """Holds a duplicate of each socket, for as long as the program has its own side open."""

    def __init__(self) -> None:
        self._kept: set[Guest] = set()

    @property
    def state(self) -> tuple[int, int] | None:
        """Its process, and a duplicate of the line to it, for the run after this one; None for what is no child."""
        return None

    def keep(self, guests: Iterable[Guest]) -> None:
        """Have those kept that are not yet; without a keeper their sockets end with the agent, no worse."""
        try:
            self._make_ready()
            for guest in guests:
                if guest not in self._kept:
                    self._send(guest.socket)
                    self._kept.add(guest)
        except OSError as error:
            log.warning("the door: programs' sockets are not kept for the end of the agent: %s", error)
            self.release()

    def note(self, guest: Guest) -> None:
        """Count one in that is kept since the run before."""
        self._kept.add(guest)

    def forget(self, guest: Guest) -> None:
        """Count one out that is gone; after the last one nothing is left to keep."""
        self._kept.discard(guest)
        if not self._kept:
            self.release()

    @abstractmethod
    def adopt(self, pid: int, line: int) -> None:
        """Take over the child of the run before."""

    def release(self) -> None:
        """Let it end once the sockets are closed that it still holds."""
        self._kept.clear()

    def detach(self) -> None:
        """End with this run."""
        self.release()

    @abstractmethod
    def _make_ready(self) -> None:
        """Raises OSError."""

    @abstractmethod
    def _send(self, line: socket.socket) -> None:
        """Raises OSError."""
