"""The tray's menu for desktops that have none of their own: shown at the pointer, answers with what was chosen."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final

from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QApplication, QMenu

MAX_MENU: Final = 65_536
TITLE: Final = "CPS"


def main() -> int:
    """Read the entries from standard input, write the choice to standard output."""
    entries = json.loads(sys.stdin.buffer.read(MAX_MENU))
    application = QApplication([sys.argv[0]])
    application.setApplicationName("cps-agent")
    application.setDesktopFileName("cps-agent")
    menu = make_menu(entries)
    chosen = menu.exec(QCursor.pos())
    if chosen is not None:
        sys.stdout.write(f"{chosen.data()}\n")
        sys.stdout.flush()
    os._exit(0)  # taking a window system down may crash, and there is nothing left to save


def make_menu(entries: list[dict[str, Any]]) -> QMenu:
    """Build the menu; texts are shown as they are, an ampersand included."""
    menu = QMenu()
    menu.setWindowTitle(TITLE)
    menu.setAccessibleName(TITLE)
    for entry in entries:
        if not entry["label"]:
            menu.addSeparator()
            continue
        action = menu.addAction(entry["label"].replace("&", "&&"))
        action.setData(entry["choice"])
        action.setEnabled(bool(entry["enabled"]))
    return menu
