"""The part of the window that is read: who asks, what for, with which card."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from agent.people.dialog.items import MAX_SHOWN, LongList, ShortList
from agent.people.dialog.labels import make_label, make_name
from agent.people.page import Fact, Section


class FactTable(QWidget):
    """Labels on the left, texts on the right, a gap between sections; the first text of each one stands out."""

    def __init__(self, sections: tuple[Section, ...], parent: QWidget) -> None:
        super().__init__(parent)
        self._lists: list[LongList] = []
        self._unit = self.fontMetrics().height()
        grid = self._grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(self._unit)
        grid.setVerticalSpacing(self._unit // 4)
        for section in sections:
            self._add_section(section)
        grid.setRowStretch(grid.rowCount(), 1)

    def align_names(self, width: int) -> None:
        """Make the left column at least this wide."""
        self._grid.setColumnMinimumWidth(0, width)

    def shrink_lists(self) -> None:
        """Show fewer lines of long lists at a time."""
        for items in self._lists:
            items.shrink()

    def _add_section(self, section: Section) -> None:
        start = self._grid.rowCount()
        if self._grid.count():
            self._grid.setRowMinimumHeight(start, self._unit // 2)
            start += 1
        for row, fact in enumerate(section):
            self._add_fact(fact, start + row, bold=row == 0)
            start += len(fact.items) > MAX_SHOWN

    def _add_fact(self, fact: Fact, row: int, *, bold: bool) -> None:
        grid, top = self._grid, Qt.AlignmentFlag.AlignTop
        grid.addWidget(make_name(fact.label, self), row, 0, top)
        if len(fact.items) > MAX_SHOWN:
            grid.addWidget(make_label(fact.text, self, bold=bold), row, 1, top)
            self._lists.append(LongList(fact, self))
            grid.addWidget(self._lists[-1], row + 1, 0, 1, 2)
        elif fact.items:
            grid.addWidget(self._make_list(fact, bold=bold), row, 1)
        else:
            grid.addWidget(make_label(fact.text, self, bold=bold), row, 1, top)

    def _make_list(self, fact: Fact, *, bold: bool) -> QWidget:
        box = QWidget(self)
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self._unit // 4)
        if fact.text:
            column.addWidget(make_label(fact.text, box, bold=bold))
        column.addWidget(ShortList(fact, box))
        return box


class ScrollPanel(QScrollArea):
    """Scrolls what is read when the screen is too small for it; the keyboard reaches it then, and a frame says so."""

    def __init__(self, content: QWidget, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(content)
        self._content, self._name = content, name

    def fit(self, wanted: int, room: int) -> None:
        """Take the height that is wanted, as far as there is room."""
        self.setFixedHeight(min(wanted, room))
        if wanted > room:
            self.setFrameStyle(QFrame.Shape.Box | QFrame.Shadow.Plain)
            self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            self.setAccessibleName(self._name)
            margin = self.fontMetrics().height() // 3
            self._content.setContentsMargins(margin, margin, margin, margin)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show the focus by a thicker frame."""
        self.setLineWidth(2)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show that the focus is gone."""
        self.setLineWidth(1)
        super().focusOutEvent(event)
