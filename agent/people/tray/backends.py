"""Which view this desktop takes; pystray looks for its backend when it is imported, and may fail in its own ways."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from types import ModuleType

from agent.people.tray.view import Listener, NoView, View

log = logging.getLogger(__name__)

XORG = "pystray._xorg"


def has_display() -> bool:
    """Whether there is a screen to show anything on."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def choose_view(listener: Listener, wait_s: float) -> View:
    """The icon that this desktop can show, or none."""
    pystray = _load_pystray()
    if pystray is None:
        return NoView(listener)
    if pystray.Icon.__module__ != XORG:
        from agent.people.tray.menuview import MenuView  # noqa: PLC0415

        return MenuView(pystray, listener, _has_tray, wait_s)
    from agent.people.tray.xview import XView  # noqa: PLC0415 - needs a display

    return XView(listener, wait_s)


def _load_pystray() -> ModuleType | None:
    """Import pystray with the backend it finds."""
    logging.getLogger("pystray").setLevel(logging.CRITICAL)  # it logs each dock that fails, with a trace
    try:
        return importlib.import_module("pystray")
    except Exception as error:  # noqa: BLE001 - a named edge: each backend raises what its own library does
        log.info("no tray icon: %s", error)
        return None


def _has_tray() -> bool:
    """For GTK's backends on Linux: a tray over D-Bus or X11."""
    if sys.platform != "linux":
        return True
    from agent.people.tray.freedesktop import has_status_notifier_host  # noqa: PLC0415 - Linux only

    return has_status_notifier_host()
