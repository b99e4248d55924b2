"""The part of the window that is filled in: codes, the tick of a last try, the tick of a session."""

from __future__ import annotations

import textwrap
from gettext import NullTranslations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QWidget

from agent.people.dialog.code_edit import CodeEdit
from agent.people.dialog.labels import make_label, make_name, scale_font
from agent.people.wording import CodeField, Page

TICK_COLUMNS = 74  # a QCheckBox does not wrap by itself


class CodeForm(QWidget):
    """Fields and ticks of a page. `changed` carries whether the form may be sent."""

    changed = Signal(bool)

    def __init__(self, page: Page, words: NullTranslations, parent: QWidget) -> None:
        super().__init__(parent)
        self._words = words
        self.edits = [self._make_edit(field) for field in page.fields]
        self._grid = QGridLayout(self)
        self._hint = make_label("", self)
        self._last_try = self._make_tick(page.last_try)
        self._session = self._make_tick(page.session)
        self._lay_out(page)
        self._update()

    @property
    def complete(self) -> bool:
        """Whether every code has its format, new codes match, and a last try is ticked."""
        ticked = self._last_try is None or self._last_try.isChecked()
        return ticked and all(edit.complete for edit in self.edits) and not self._differ()

    @property
    def session_wanted(self) -> bool:
        """Whether the person ticked the session that was offered."""
        return self._session is not None and self._session.isChecked()

    def align_names(self, width: int) -> None:
        """Make the left column at least this wide."""
        self._grid.setColumnMinimumWidth(0, width)

    def advance(self) -> bool:
        """Go to what is still to be filled in; True when there is nothing."""
        missing = next((edit for edit in self.edits if not edit.complete), None)
        if missing is None and self._differ():
            missing = self.edits[-1]
        target = missing or (self._last_try if not self.complete else None)
        if target is not None:
            target.setFocus()
        return target is None

    def take_codes(self) -> list[bytearray]:
        """Give the codes and empty the fields."""
        return [edit.take() for edit in self.edits]

    def _make_edit(self, field: CodeField) -> CodeEdit:
        edit = CodeEdit(field, self)
        edit.setFont(scale_font(edit.font(), 1.25))
        edit.setFixedWidth(edit.fontMetrics().horizontalAdvance("0") * 14)
        edit.textChanged.connect(self._update)
        edit.rejected.connect(self._explain_digits)
        return edit

    def _make_tick(self, sentence: str | None) -> QCheckBox | None:
        if sentence is None:
            return None
        tick = QCheckBox(self)
        tick.setAccessibleName(sentence)
        tick.toggled.connect(self._update)
        return tick

    def _lay_out(self, page: Page) -> None:
        grid = self._grid
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(self.fontMetrics().height())
        grid.setColumnStretch(2, 1)
        for row, edit in enumerate(self.edits):
            grid.addWidget(_make_buddy(edit, self), row, 0)
            grid.addWidget(edit, row, 1)
            grid.addWidget(make_label(self._lengths(edit.field), self), row, 2)
        tries = make_label(page.tries or "", self, bold=page.last_try is not None)
        grid.addWidget(tries, len(self.edits), 1, 1, 2)
        grid.addWidget(self._hint, len(self.edits) + 1, 1, 1, 2)
        for tick, sentence in ((self._last_try, page.last_try), (self._session, page.session)):
            if tick is not None:
                tick.setText(textwrap.fill(sentence or "", TICK_COLUMNS))
                grid.addWidget(tick, grid.rowCount(), 0, 1, 3)

    def _differ(self) -> bool:
        if len(self.edits) < 3:
            return False
        return self.edits[1].text() != self.edits[2].text()

    def _update(self) -> None:
        finished = len(self.edits) == 3 and len(self.edits[2].text()) >= len(self.edits[1].text()) > 0
        self._show_hint(self._words.gettext("The two new codes differ.") if finished and self._differ() else "")
        self.changed.emit(self.complete)

    def _lengths(self, field: CodeField) -> str:
        if field.min_length == field.max_length:
            return self._words.gettext("%d digits") % field.max_length
        return self._words.gettext("{min} to {max} digits").format(min=field.min_length, max=field.max_length)

    def _explain_digits(self) -> None:
        self._show_hint(self._words.gettext("Digits only (numeric keypad, or Shift)."))

    def _show_hint(self, text: str) -> None:
        self._hint.setText(text)
        self._hint.setAccessibleName(text)


def _make_buddy(edit: CodeEdit, parent: QWidget) -> QLabel:
    label = make_name(edit.field.label, parent)
    label.setBuddy(edit)
    return label
