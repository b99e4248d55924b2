"""Labels that show text as it is: never rich text, always breakable, colours from the palette alone."""

from __future__ import annotations

import re
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QSizePolicy, QWidget

_ZERO_WIDTH_SPACE: Final = "\N{ZERO WIDTH SPACE}"
_LEFT_TO_RIGHT: Final = "\N{LEFT-TO-RIGHT MARK}"
_BREAKS: Final = re.compile(r"(?<=[/\\.,;:@_=&?-])(?=\w)|(?<=\w{24})(?=\w)")


def breakable(text: str) -> str:
    """Allow a line break inside origins, paths and overlong words; lines run left to right whatever their letters."""
    return _LEFT_TO_RIGHT + _BREAKS.sub(_ZERO_WIDTH_SPACE, text)


def make_label(text: str, parent: QWidget, *, bold: bool = False, scale: float = 1.0) -> QLabel:
    """Make a wrapping label of plain text; its accessible name is the text without break marks."""
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(breakable(text))
    label.setAccessibleName(text)
    label.setWordWrap(True)
    label.setFont(scale_font(label.font(), scale, bold=bold))
    return label


def make_name(text: str, parent: QWidget) -> QLabel:
    """Make the label at the left of a text or field: one line of our own words."""
    label = make_label(text, parent)
    label.setWordWrap(False)
    return label


def make_mark(text: str, parent: QWidget) -> QLabel:
    """Make the badge that tells a test card from a real one."""
    label = make_label(text, parent, bold=True)
    label.setWordWrap(False)
    label.setAutoFillBackground(True)
    label.setBackgroundRole(QPalette.ColorRole.Highlight)
    label.setForegroundRole(QPalette.ColorRole.HighlightedText)
    margin = label.fontMetrics().height() // 3
    label.setContentsMargins(2 * margin, margin, 2 * margin, margin)
    label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    return label


def make_list(lines: tuple[str, ...], name: str, parent: QWidget) -> QPlainTextEdit:
    """Make a scrolling list for more lines than a window should show."""
    view = QPlainTextEdit("\n".join(lines), parent)
    view.setReadOnly(True)
    view.setTabChangesFocus(True)
    view.setAccessibleName(name)
    view.setFixedHeight(
        view.fontMetrics().lineSpacing() * 6 + 2 * view.frameWidth() + 2 * int(view.document().documentMargin())
    )
    return view


def scale_font(font: QFont, scale: float, *, bold: bool = False) -> QFont:
    """Give the font in another size and weight."""
    font.setBold(bold)
    font.setPointSizeF(font.pointSizeF() * scale)
    return font
