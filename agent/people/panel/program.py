"""`cps-agent panel`: the window in a process of its own, told by the tray which page to show."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication

from agent.people.panel.sections import Context
from agent.people.panel.window import PanelWindow
from agent.people.translations import choose_language, load_words
from agent.people.tray.follower import Follower
from agent.people.tray.state import Desk
from agent.settings import Settings

EXIT_NO_DISPLAY = 3


class _Voices(QObject):
    """What other threads tell the window."""

    page = Signal(str)
    changed = Signal()


def run(settings: Settings, page: str, *, from_tray: bool) -> int:
    """Show the window until it is closed."""
    words = load_words(settings.language)
    if not _has_display():
        sys.stderr.write(f"cps-agent: {words.gettext('There is no screen to show a window on.')}\n")
        return EXIT_NO_DISPLAY
    application = QApplication([sys.argv[0]])
    application.setApplicationName("cps-agent")
    application.setDesktopFileName("cps-agent")
    window = PanelWindow(Context(words, choose_language(settings.language), settings, datetime.now(UTC)))
    voices = _Voices()
    voices.page.connect(window.show_page)
    voices.changed.connect(window.reload)
    window.show_page(page)
    follower = Follower(settings.data_dir, _OnlyChanges(voices).note)
    follower.start()
    if from_tray:
        threading.Thread(target=_read_pages, args=(voices,), name="listen to the tray", daemon=True).start()
    application.exec()
    sys.stdout.flush()
    os._exit(0)  # taking a window system down may crash, and there is nothing left to save


class _OnlyChanges:
    """Tell the window when the desk is no longer as it was."""

    def __init__(self, voices: _Voices) -> None:
        self._voices = voices
        self._last: Desk | None = None

    def note(self, desk: Desk) -> None:
        if self._last is not None and desk != self._last:
            self._voices.changed.emit()
        self._last = desk


def _read_pages(voices: _Voices) -> None:
    """One page's name a line, until the tray has gone; the window stays."""
    for line in sys.stdin:
        voices.page.emit(line.strip())


def _has_display() -> bool:
    """Without one Qt aborts."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform != "linux" or any(os.environ.get(name) for name in names)
