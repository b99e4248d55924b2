"""The part of the window that is read: who asks, what for, with which card."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from agent.people.dialog.labels import make_label, make_list, make_name
from agent.people.wording import Fact

MAX_SHOWN_ITEMS = 7


class FactTable(QWidget):
    """Labels on the left, texts on the right; the first text, who asks, stands out."""

    def __init__(self, facts: tuple[Fact, ...], parent: QWidget) -> None:
        super().__init__(parent)
        grid = self._grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.setHorizontalSpacing(self.fontMetrics().height())
        for row, fact in enumerate(facts):
            text = self._make_value(fact, bold=row == 0 and bool(fact.label))
            if not fact.label:
                grid.addWidget(text, row, 0, 1, 2)
                continue
            grid.addWidget(make_name(fact.label, self), row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(text, row, 1)
        grid.setRowStretch(len(facts), 1)

    def align_names(self, width: int) -> None:
        """Make the left column at least this wide."""
        self._grid.setColumnMinimumWidth(0, width)

    def _make_value(self, fact: Fact, *, bold: bool) -> QWidget:
        if not fact.items:
            label = make_label(fact.text, self, bold=bold)
            label.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            return label
        box = QWidget(self)
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        if fact.text:
            column.addWidget(make_label(fact.text, box))
        for item in self._make_items(fact, box):
            column.addWidget(item)
        return box

    def _make_items(self, fact: Fact, parent: QWidget) -> list[QWidget]:
        if len(fact.items) > MAX_SHOWN_ITEMS:
            return [make_list(fact.items, fact.label, parent)]
        return [make_label(f"•\N{NO-BREAK SPACE}{item}", parent) for item in fact.items]
