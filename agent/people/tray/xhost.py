"""The tray of an X11 desktop (System Tray Protocol 0.3): whether one is there, told when it comes and when it goes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from Xlib import X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError, XError


class TrayHost:
    """Watch the selection that a tray owns, over a connection of its own. Raises Xlib's errors without a display."""

    def __init__(self, on_change: Callable[[bool], None], on_end: Callable[[], None]) -> None:
        self._on_change = on_change
        self._on_end = on_end
        self._display = Display()
        self._atom = self._display.intern_atom(f"_NET_SYSTEM_TRAY_S{self._display.get_default_screen()}")
        self._manager = self._display.intern_atom("MANAGER")
        self._owner: Any = None

    def start(self) -> None:
        """Begin: `on_change` is called with the present state first; `on_end` when the X server goes."""
        threading.Thread(target=self._run, name="watch for a tray", daemon=True).start()

    def _run(self) -> None:
        try:
            self._display.screen().root.change_attributes(event_mask=X.StructureNotifyMask)  # ICCCM §2.8
            self._find_owner()
            while True:
                self._handle(self._display.next_event())
        except (ConnectionClosedError, OSError):
            self._on_end()

    def _handle(self, event: Any) -> None:
        announced = event.type == X.ClientMessage and event.client_type == self._manager
        came = announced and event.data[1][1] == self._atom
        went = event.type == X.DestroyNotify and self._owner is not None and event.window.id == self._owner.id
        if came or went:
            self._find_owner()

    def _find_owner(self) -> None:
        owner = self._display.get_selection_owner(self._atom)
        self._owner = None if owner == X.NONE else owner
        if self._owner is not None:
            with contextlib.suppress(XError):
                self._owner.change_attributes(event_mask=X.StructureNotifyMask)
        self._on_change(self._owner is not None)
