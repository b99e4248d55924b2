"""The icon by those of pystray's backends that bring a menu of the desktop's own: Windows, macOS, GTK, AppIndicator.

Not run by anybody yet on Windows and macOS.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

from agent.people.tray.drawing import SIZES, draw_icon
from agent.people.tray.menu import Choice, Entry
from agent.people.tray.messages import Message
from agent.people.tray.view import Face, Listener, View

NAME: Final = "cps-agent"


class MenuView(View):
    """One pystray icon. `has_tray` tells, after a while, whether the desktop shows such icons at all."""

    def __init__(self, pystray: ModuleType, listener: Listener, has_tray: Callable[[], bool], wait_s: float) -> None:
        self._pystray = pystray
        self._listener = listener
        self._has_tray = has_tray
        self._wait_s = wait_s
        self._face: Face | None = None
        self._icon: Any = None
        self._stopped = threading.Event()

    def run(self, face: Face) -> None:
        """Show the icon until stop()."""
        self._face = face
        menu = self._pystray.Menu(self._make_items)
        self._icon = self._pystray.Icon(NAME, draw_icon(face.condition, max(SIZES)), face.tooltip, menu)
        threading.Thread(target=self._look_for_tray, name="look for a tray", daemon=True).start()
        if not self._stopped.is_set():
            self._icon.run()

    def show(self, face: Face) -> None:
        """Change icon, tooltip and menu."""
        self._face = face
        if self._icon is not None:
            self._icon.title = face.tooltip
            self._icon.icon = draw_icon(face.condition, max(SIZES))
            self._icon.update_menu()

    def stop(self) -> None:
        """End the icon."""
        self._stopped.set()
        if self._icon is not None:
            self._icon.stop()

    def notify(self, message: Message) -> bool:
        """Use the system's own notifications; Linux has better ones (see freedesktop)."""
        if sys.platform != "linux" and self._icon is not None and self._icon.HAS_NOTIFICATION:
            with contextlib.suppress(OSError):
                self._icon.notify(message.body, message.title)
            return True
        return False

    def _look_for_tray(self) -> None:
        if not self._stopped.wait(self._wait_s) and not self._has_tray():
            self._listener.no_tray()

    def _make_items(self) -> Iterator[Any]:
        for entry in self._face.entries if self._face is not None else ():
            yield self._make_item(entry)

    def _make_item(self, entry: Entry) -> Any:
        if not entry.label:
            return self._pystray.Menu.SEPARATOR
        label = entry.label.replace("&", "&&") if sys.platform == "win32" else entry.label
        return self._pystray.MenuItem(label, self._chooser(entry.choice), enabled=entry.enabled)

    def _chooser(self, choice: Choice | None) -> Callable[[Any, Any], None]:
        def choose(_icon: Any, _item: Any) -> None:
            if choice is not None:
                self._listener.choose(choice)

        return choose
