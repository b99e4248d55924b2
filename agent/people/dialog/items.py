"""The list of documents, or of what a caller could do: every item is there, however many there are."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QHeaderView, QTableView, QWidget

from agent.people.dialog.labels import breakable, make_label
from agent.people.page import Fact

MAX_SHOWN: Final = 7  # more of them scroll
_LINES: Final = 12
_FEW_LINES: Final = 5  # on a small screen
_ROOT: Final = QModelIndex()

AnyIndex = QModelIndex | QPersistentModelIndex


class ShortList(QWidget):
    """A few items, each on its line or lines, the detail at the right."""

    def __init__(self, fact: Fact, parent: QWidget) -> None:
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(self.fontMetrics().height() // 4)
        grid.setColumnStretch(1, 1)
        for row, (item, detail) in enumerate(fact.rows):
            grid.addWidget(make_label("•", self), row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(make_label(item, self), row, 1, Qt.AlignmentFlag.AlignTop)
            if detail:
                label = make_label(detail, self)
                label.setWordWrap(False)
                grid.addWidget(label, row, 2, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)


class LongList(QTableView):
    """Many items, numbered, in a table that scrolls and that the keyboard reaches."""

    def __init__(self, fact: Fact, parent: QWidget) -> None:
        super().__init__(parent)
        self.setModel(_Rows(fact, self))
        self.setAccessibleName(f"{fact.label}, {fact.text}" if fact.text else fact.label)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header = self.horizontalHeader()
        header.hide()
        for column in range(3):
            mode = QHeaderView.ResizeMode.Stretch if column == 1 else QHeaderView.ResizeMode.ResizeToContents
            header.setSectionResizeMode(column, mode)
        self.shrink(_LINES)

    def shrink(self, lines: int = _FEW_LINES) -> None:
        """Take no more height than so many lines."""
        line = self.fontMetrics().height() + 6
        self.setFixedHeight(min(lines, self.model().rowCount()) * line + 2 * self.frameWidth())


class _Rows(QAbstractTableModel):
    """Number, item and detail in each row, for the eye with places to break, for the ear without."""

    def __init__(self, fact: Fact, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows = [(str(number), item, detail) for number, (item, detail) in enumerate(fact.rows, 1)]

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """One for each item."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:  # noqa: N802 - Qt's name
        """Three."""
        return 0 if parent.isValid() else 3

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Give the text of a cell, and where it stands in it."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if index.column() == 1 else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignTop
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        text = self._rows[index.row()][index.column()]
        return breakable(text) if role == Qt.ItemDataRole.DisplayRole else text
