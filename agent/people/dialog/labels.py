"""Labels that show text as it is: never rich text, always breakable, colours from the palette alone."""

from __future__ import annotations

import re
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontMetrics, QPalette
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

_ZERO_WIDTH_SPACE: Final = "\N{ZERO WIDTH SPACE}"
_LEFT_TO_RIGHT: Final = "\N{LEFT-TO-RIGHT MARK}"
_BREAKS: Final = re.compile(r"(?<=[/\\.,;:@_=&?-])(?=\w)|(?<=\w{16})(?=\w)")


def breakable(text: str) -> str:
    """Allow a line break inside origins, paths and overlong words; lines run left to right whatever their letters."""
    return _LEFT_TO_RIGHT + _BREAKS.sub(_ZERO_WIDTH_SPACE, text)


def make_label(text: str, parent: QWidget, *, bold: bool = False, scale: float = 1.0) -> QLabel:
    """Make a wrapping label of plain text; its accessible name is the text without break marks."""
    label = QLabel(parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setFont(scale_font(label.font(), scale, bold=bold))
    set_text(label, text)
    return label


def set_text(label: QLabel, text: str) -> None:
    """Change what a label says."""
    label.setText(breakable(text) if text else "")
    label.setAccessibleName(text)


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


def wrap_for_button(text: str, metrics: QFontMetrics, width: int) -> str:
    """Break a text into lines no wider than that, for buttons, which do not wrap; `&` marks no key there."""
    lines = [""]
    for word in breakable(text).split(" "):
        for part in _split(word, metrics, width):
            longer = f"{lines[-1]} {part}" if lines[-1] else part
            if metrics.horizontalAdvance(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
    return "\n".join(lines).replace("&", "&&")


def _split(word: str, metrics: QFontMetrics, width: int) -> list[str]:
    """Cut a word that is wider than the line."""
    parts = [""]
    for letter in word:
        if parts[-1] and metrics.horizontalAdvance(parts[-1] + letter) > width:
            parts.append("")
        parts[-1] += letter
    return parts


def scale_font(font: QFont, scale: float, *, bold: bool = False) -> QFont:
    """Give the font in another size and weight."""
    font.setBold(bold)
    font.setPointSizeF(font.pointSizeF() * scale)
    return font
