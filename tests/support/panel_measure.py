"""Show every page of the panel and measure it from inside: labels that are cut, controls without a name. Prints JSON.

Run as a program with the data folder of an agent, on a screen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QListWidget, QScrollArea, QWidget

from agent.people.panel.pages import PAGES
from agent.people.panel.sections import Context
from agent.people.panel.window import PanelWindow
from agent.people.translations import choose_language, load_words
from agent.settings import Settings

DEADLINE_S = 20
VIEW = "errands#staff-order,certificate-order,unblock"
"""Errands with long names, as the page about means leads to them."""


def main() -> None:
    application = QApplication([sys.argv[0]])
    context = Context(load_words(), choose_language(), Settings(Path(sys.argv[1])), datetime.now(UTC))
    window = PanelWindow(context)
    report = {}
    for page in (*PAGES, VIEW):
        window.show_page(page)
        end = time.monotonic() + DEADLINE_S
        while window._sections is None and time.monotonic() < end:
            application.processEvents()
            time.sleep(0.01)
        while page == "card" and not any("Annuaire" in one.title for one in window._sections):
            assert time.monotonic() < end
            application.processEvents()
        for _ in range(5):
            application.processEvents()
        report[page] = measure(window)
    sys.stdout.write(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)


def measure(window: QWidget) -> dict[str, object]:
    labels = [label for label in window.findChildren(QLabel) if label.isVisible() and label.text()]
    controls = [*window.findChildren(QAbstractButton), *window.findChildren(QListWidget)]
    cut = [label.accessibleName() for label in labels if is_cut(label)]
    cut += [button.text() for button in window.findChildren(QAbstractButton) if is_narrow(button)]
    pages = window.findChild(QListWidget)
    cut += ["pages"] if pages and pages.sizeHintForColumn(0) > pages.viewport().width() else []
    nameless = [type(one).__name__ for one in controls if one.isVisible() and not name_of(one)]
    return {"labels": len(labels), "cut": cut, "nameless": nameless}


def is_cut(label: QLabel) -> bool:
    """Whether the text needs more room than the label has, or stands outside what can be scrolled to."""
    needed = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
    wide = label.fontMetrics().boundingRect(
        0, 0, label.width(), 10_000, int(Qt.TextFlag.TextWordWrap) if label.wordWrap() else 0, label.text()
    )
    area = label.window().findChild(QScrollArea)
    content = area.widget() if area else None
    outside = content is not None and content.isAncestorOf(label) and content.width() > area.viewport().width()
    return needed > label.height() or wide.width() > label.width() + 1 or outside


def is_narrow(button: QAbstractButton) -> bool:
    return button.isVisible() and bool(button.text()) and button.sizeHint().width() > button.width()


def name_of(widget: QWidget) -> str:
    found = QAccessible.queryAccessibleInterface(widget)
    return found.text(QAccessible.Text.Name) if found else ""


if __name__ == "__main__":
    main()
