"""Render dialogs in this process, one after another, and look for text that is cut.

Run with QT_SCALE_FACTOR set: `python -m screenshots.windows FOLDER SUFFIX PALETTE NAME…`; prints one JSON object,
name of the picture → list of complaints.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QTableView, QWidget

from agent.people.dialog.facts import ScrollPanel
from agent.people.dialog.style import use_visible_outlines
from agent.people.dialog.window import PageWindow
from agent.people.translations import load_words
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page
from screenshots.questions import QUESTIONS

LANGUAGES = ("fr", "en")
HINTS = (
    "The two new codes differ.",
    "Tick the box about the last try first.",
    "Digits only (numeric keypad, or Shift).",
    "Choose a card first (arrow keys, then space).",
)
FRAME = 30  # what a window manager adds, in logical pixels


def high_contrast() -> QPalette:
    """White on black, as a system setting for people who see little gives it."""
    palette = QPalette()
    white, black, yellow = QColor("white"), QColor("black"), QColor("yellow")
    for role in (QPalette.Window, QPalette.Base, QPalette.Button, QPalette.AlternateBase, QPalette.ToolTipBase):
        palette.setColor(role, black)
    for role in (QPalette.WindowText, QPalette.Text, QPalette.ButtonText, QPalette.ToolTipText, QPalette.Light):
        palette.setColor(role, white)
    for role in (QPalette.Midlight, QPalette.Mid, QPalette.Dark):
        palette.setColor(role, white)
    palette.setColor(QPalette.Highlight, yellow)
    palette.setColor(QPalette.Accent, yellow)
    palette.setColor(QPalette.HighlightedText, black)
    palette.setColor(QPalette.Disabled, QPalette.ButtonText, QColor("lime"))
    return palette


PALETTES = {"": None, "-contrast": high_contrast}


def main() -> None:
    folder, suffix, contrast, *names = sys.argv[1:]
    application = QApplication(["screenshots"])
    use_visible_outlines(application)
    make_palette = PALETTES[contrast]
    if make_palette is not None:
        application.setPalette(make_palette())
    complaints = {}
    for name in names:
        for language in LANGUAGES:
            picture = f"{name}-{language}{suffix}"
            complaints[picture] = render(application, name, language, Path(folder) / f"{picture}.png")
    sys.stdout.write(json.dumps(complaints))


def render(application: QApplication, name: str, language: str, path: Path) -> list[str]:
    """Save the picture; give what is wrong with it."""
    words = load_words(language)
    question = read_envelope(write_envelope(Envelope(QUESTIONS[name]))).question
    window = PageWindow(write_page(question, words), words)
    window.setWindowTitle(window._page.title)
    window.show()
    window.activateWindow()
    application.processEvents()
    window.grab().save(str(path))
    complaints = check(window)
    for hint in HINTS if window._parts else ():
        window.show_hint(words.gettext(hint))
        application.processEvents()
        complaints += check(window)
    window.close()
    return sorted(set(complaints))


def check(window: PageWindow) -> list[str]:
    """Name the widgets that show less than their whole text, or stand outside the window or the screen."""
    complaints = []
    screen = window.screen().availableSize()
    if window.width() > screen.width() or window.height() + FRAME > screen.height():
        complaints.append(f"the window is {window.width()} x {window.height()}")
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or not isinstance(widget, QLabel | QAbstractButton | QTableView):
            continue
        complaint = check_table(widget) if isinstance(widget, QTableView) else check_text(widget)
        if not complaint and not is_whole(widget, window):
            complaint = "stands outside"
        if complaint:
            complaints.append(f"{type(widget).__name__} {(widget.accessibleName() or widget.text())!r}: {complaint}")
    return complaints


def check_text(widget: QLabel | QAbstractButton) -> str:
    wraps = isinstance(widget, QLabel) and widget.wordWrap()
    if not wraps:
        wanted = widget.sizeHint()
        cut = wanted.width() > widget.width() or wanted.height() > widget.height()
        return f"wants {wanted.toTuple()}, has {widget.size().toTuple()}" if cut else ""
    height = widget.heightForWidth(widget.width())
    if height > widget.height():
        return f"wants {height} lines of pixels, has {widget.height()}"
    return too_wide(widget.text(), widget, widget.width())


def check_table(table: QTableView) -> str:
    for row in range(table.model().rowCount()):
        for column in range(3):
            complaint = too_wide(table.model().index(row, column).data(), table, table.columnWidth(column))
            if complaint or table.sizeHintForRow(row) > table.rowHeight(row):
                return complaint or f"row {row} is too low"
    return ""


def too_wide(text: str, widget: QWidget, width: int) -> str:
    """Between two places where a line may break, nothing is wider than the line."""
    for word in re.split("[ \u200b\u200e]", text):
        if widget.fontMetrics().horizontalAdvance(word) > width:
            return f"{word!r} is wider than {width}"
    return ""


def is_whole(widget: QWidget, window: PageWindow) -> bool:
    """What a panel scrolls may stand below its edge; all else is to be seen at once."""
    parent = widget.parentWidget()
    while parent is not None and parent is not window:
        if isinstance(parent, ScrollPanel):
            corner = widget.mapTo(parent.widget(), widget.rect().bottomRight())
            return corner.y() < parent.widget().height() and corner.x() < parent.viewport().width()
        parent = parent.parentWidget()
    return widget.visibleRegion().boundingRect() == widget.rect()


if __name__ == "__main__":
    main()
