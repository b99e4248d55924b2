"""How a section looks: a heading, names at the left, texts at the right, buttons below. All of it plain text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from agent.people.dialog.labels import make_label, make_mark, make_name
from agent.people.panel.sections import Button, Line, Section

Press = Callable[[Button], None]
TITLE_SCALE: Final = 1.1


class SectionView(QFrame):
    """One section; `press` is called with the button that was pressed."""

    def __init__(self, section: Section, press: Press, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAccessibleName(section.title)
        column = QVBoxLayout(self)
        column.addLayout(self._make_head(section))
        if section.lines:
            column.addLayout(self._make_lines(section.lines))
        if section.buttons:
            column.addLayout(self._make_buttons(section, press))

    def _make_head(self, section: Section) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(make_label(section.title, self, bold=True, scale=TITLE_SCALE), 1)
        if section.mark is not None:
            row.addWidget(make_mark(section.mark, self), 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _make_lines(self, lines: tuple[Line, ...]) -> QGridLayout:
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(self.fontMetrics().height())
        grid.setColumnMinimumWidth(0, self._name_width(lines))
        for row, line in enumerate(lines):
            text = make_label(line.text, self)
            text.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            if line.name:
                grid.addWidget(make_name(line.name, self), row, 0, Qt.AlignmentFlag.AlignTop)
                grid.addWidget(text, row, 1)
            else:
                grid.addWidget(text, row, 0, 1, 2)
        return grid

    def _name_width(self, lines: tuple[Line, ...]) -> int:
        return max(self.fontMetrics().horizontalAdvance(line.name) for line in lines)

    def _make_buttons(self, section: Section, press: Press) -> QHBoxLayout:
        row = QHBoxLayout()
        for button in section.buttons:
            widget = QPushButton(button.label.replace("&", "&&"), self)
            widget.setAccessibleDescription(section.title)  # which of several alike
            widget.setEnabled(button.enabled)
            widget.setAutoDefault(True)
            widget.clicked.connect(lambda _, button=button: press(button))
            row.addWidget(widget)
        row.addStretch(1)
        return row
