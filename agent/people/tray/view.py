"""The seam between what the tray knows and how a desktop shows it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from agent.people.tray.menu import Choice, Entry
from agent.people.tray.messages import Message
from agent.people.tray.state import Condition


@dataclass(frozen=True, slots=True)
class Face:
    """What is to be seen: the icon's condition, the tooltip, the menu."""

    condition: Condition
    tooltip: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """Whom a view tells: what was chosen, and that there is no tray to stand in. Called in any thread."""

    choose: Callable[[Choice], None]
    no_tray: Callable[[], None]


class View(ABC):
    """An icon with its menu. show() and stop() come from any thread; run() belongs to the main thread."""

    @abstractmethod
    def run(self, face: Face) -> None:
        """Show the face until stop(), or until the desktop session ends."""

    @abstractmethod
    def show(self, face: Face) -> None:
        """Show another face; returns at once."""

    @abstractmethod
    def stop(self) -> None:
        """Let run() return."""

    def notify(self, message: Message) -> bool:
        """Show a notification, if this view has a way. Gives whether it has."""
        del message
        return False


class NoView(View):
    """No icon at all: nothing but notifications."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._stopped = threading.Event()

    def run(self, face: Face) -> None:
        """Say that there is no tray, and wait."""
        del face
        self._listener.no_tray()
        self._stopped.wait()

    def show(self, face: Face) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """End the wait."""
        self._stopped.set()
