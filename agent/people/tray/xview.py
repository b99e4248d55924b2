"""The icon in a tray of an X11 desktop, for as long as there is such a tray, and again when one comes back."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import threading
from enum import Enum, auto
from typing import Final

from Xlib.error import ConnectionClosedError, DisplayError

from agent.children import WINDOWS, child_command, clean_environment
from agent.people.tray.menu import Choice, Entry
from agent.people.tray.state import Condition
from agent.people.tray.view import Face, Listener, View
from agent.people.tray.xhost import TrayHost
from agent.people.tray.xicon import XIcon

log = logging.getLogger(__name__)

NAME: Final = "cps-agent"
AGAIN_S: Final = 1.0  # after a window of ours was destroyed by somebody


class _Word(Enum):
    """What wakes the main thread."""

    TRAY = auto()
    NO_TRAY = auto()
    STOP = auto()


class XView(View):
    """One icon at a time, which exists only while a tray does: a window left without one would float on the screen."""

    def __init__(self, listener: Listener, wait_s: float) -> None:
        self._listener = listener
        self._wait_s = wait_s
        self._inbox: queue.Queue[_Word] = queue.Queue()
        self._host = TrayHost(self._tray_changed, self.stop)
        self._icon: XIcon | None = None
        self._face = Face(Condition.NO_AGENT, "", ())
        self._menu: subprocess.Popen[bytes] | None = None

    def run(self, face: Face) -> None:
        """Stand in the tray whenever there is one."""
        self._face = face
        self._host.start()
        patience: float | None = self._wait_s
        present = False
        while (word := self._next_word(AGAIN_S if present else patience)) is not _Word.STOP:
            if word is None and not present:
                self._listener.no_tray()
                patience = None
                continue
            present = word is not _Word.NO_TRAY
            if present and self._inbox.empty():
                self._run_icon()
        self._close_menu()

    def show(self, face: Face) -> None:
        """Give the face to the icon, if there is one just now."""
        self._face = face
        icon = self._icon
        if icon is not None:
            icon.show(face.condition, face.tooltip)

    def stop(self) -> None:
        """End the icon and the loop."""
        self._tell(_Word.STOP)

    def _tray_changed(self, present: bool) -> None:  # noqa: FBT001 - the word of the host
        self._tell(_Word.TRAY if present else _Word.NO_TRAY)

    def _tell(self, word: _Word) -> None:
        """Wake the main thread, out of the icon's loop as well."""
        self._inbox.put(word)
        icon = self._icon
        if icon is not None:
            icon.end()

    def _next_word(self, timeout_s: float | None) -> _Word | None:
        try:
            return self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _run_icon(self) -> None:
        """Show an icon until it ends. When the X server goes, the host says stop; the icon may see it first."""
        face = self._face
        try:
            icon = self._icon = XIcon(NAME, face.tooltip, face.condition, self._open_menu)
            icon.show(self._face.condition, self._face.tooltip)  # which may have changed meanwhile
            if not self._inbox.empty():
                icon.end()
            icon.run_until_ended()
        except (ConnectionClosedError, DisplayError, OSError) as error:
            log.info("the icon lost its display: %s", error)
        finally:
            self._icon = None

    def _open_menu(self) -> None:
        """Show the menu by a process of its own: this one stays small, and a menu that hangs takes no icon along."""
        self._close_menu()
        environment = clean_environment(os.environ, WINDOWS) | {"QT_QPA_PLATFORM": "xcb"}  # where the icon is
        self._menu = subprocess.Popen(
            child_command("_menu"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment,
        )  # fmt: skip
        threading.Thread(target=self._choose, args=(self._menu, self._face.entries), daemon=True).start()

    def _choose(self, menu: subprocess.Popen[bytes], entries: tuple[Entry, ...]) -> None:
        said, _ = menu.communicate(write_entries(entries))
        chosen = said.decode("ascii", "replace").strip()
        if chosen in [entry.choice for entry in entries if entry.enabled]:
            self._listener.choose(Choice(chosen))

    def _close_menu(self) -> None:
        if self._menu is not None and self._menu.poll() is None:
            self._menu.terminate()


def write_entries(entries: tuple[Entry, ...]) -> bytes:
    """The menu as its process reads it: JSON, one object a line of the menu."""
    listed = [{"label": entry.label, "choice": entry.choice, "enabled": entry.enabled} for entry in entries]
    return json.dumps(listed).encode()
