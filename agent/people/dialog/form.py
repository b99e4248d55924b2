"""The part of the window that is filled in: codes, the tick of a last try, the tick of a session."""

from __future__ import annotations

from gettext import NullTranslations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QStyle, QWidget

from agent.people.dialog.code_edit import CodeEdit
from agent.people.dialog.labels import make_label, make_name, scale_font, wrap_for_button
from agent.people.page import CodeField, Page

_NARROW, _WIDE = 14, 24  # in digits


class Form(QWidget):
    """Advice, fields and ticks of a page. `changed`: something was typed or ticked; `hinted` carries what is wrong."""

    changed = Signal()
    hinted = Signal(str)

    def __init__(self, page: Page, words: NullTranslations, width: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._words = words
        self._width = width
        self.edits = [self._make_edit(field, page.tries) for field in page.fields]
        self._grid = QGridLayout(self)
        self._last_try = self._make_tick(page.last_try)
        self._session = self._make_tick(page.session)
        self._lay_out(page)

    @property
    def complete(self) -> bool:
        """Whether every code has its format, new codes match, and a last try is ticked."""
        return self._ticked and all(edit.complete for edit in self.edits) and not self._differ()

    @property
    def session_wanted(self) -> bool:
        """Whether the person ticked the session that was offered."""
        return self._session is not None and self._session.isChecked()

    @property
    def first(self) -> QWidget | None:
        """Where the keyboard starts: the first field, else the tick without which nothing goes on."""
        return self.edits[0] if self.edits else self._last_try

    def align_names(self, width: int) -> None:
        """Make the left column at least this wide."""
        if self.edits:
            self._grid.setColumnMinimumWidth(0, width)

    def advance(self) -> bool:
        """Go to what is still to be filled in, and say what it is; True when there is nothing."""
        missing = next((edit for edit in self.edits if not edit.complete), None)
        if missing is not None:
            self._refuse(missing, self._explain_length(missing.field))
        elif self._differ():
            self._refuse(self.edits[-1], self._say_they_differ())
        elif self._last_try is not None and not self._ticked:
            self._refuse(self._last_try, self._words.gettext("Tick the box about the last try first."))
        return self.complete

    def take_codes(self) -> list[bytearray]:
        """Give the codes and empty the fields."""
        return [edit.take() for edit in self.edits]

    @property
    def _ticked(self) -> bool:
        return self._last_try is None or self._last_try.isChecked()

    def _refuse(self, part: QWidget, sentence: str) -> None:
        part.setFocus()
        if not (isinstance(part, CodeEdit) and not part.length):  # an empty field explains itself
            self.hinted.emit(sentence)

    def _make_edit(self, field: CodeField, tries: str | None) -> CodeEdit:
        edit = CodeEdit(field, self)
        edit.setFont(scale_font(edit.font(), 1.25))
        edit.setFixedWidth(edit.fontMetrics().horizontalAdvance("0") * (_WIDE if field.passphrase else _NARROW))
        lengths = self._lengths(field) or self._words.gettext("any characters")
        edit.setAccessibleDescription(". ".join(filter(None, (lengths, tries))))
        edit.textChanged.connect(self._look)
        edit.rejected.connect(self._explain_characters if field.passphrase else self._explain_digits)
        return edit

    def _make_tick(self, sentence: str | None) -> QCheckBox | None:
        if sentence is None:
            return None
        tick = QCheckBox(self)
        indicator = tick.style().pixelMetric(QStyle.PixelMetric.PM_IndicatorWidth, None, tick)
        spacing = tick.style().pixelMetric(QStyle.PixelMetric.PM_CheckBoxLabelSpacing, None, tick)
        tick.setText(wrap_for_button(sentence, tick.fontMetrics(), self._width - indicator - 2 * spacing))
        tick.setAccessibleName(sentence)
        tick.toggled.connect(self._look)
        return tick

    def _lay_out(self, page: Page) -> None:
        grid, unit = self._grid, self.fontMetrics().height()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(unit)
        grid.setVerticalSpacing(unit // 3)
        grid.setColumnStretch(2, 1)
        if page.advice:
            grid.addWidget(make_label(page.advice, self), grid.rowCount(), 0, 1, 3)
        for edit in self.edits:
            row = grid.rowCount()
            grid.addWidget(_make_buddy(edit, self), row, 0)
            grid.addWidget(edit, row, 1)
            grid.addWidget(make_label(self._lengths(edit.field), self), row, 2)
        if page.tries:
            tries = make_label(page.tries, self, bold=page.last_try is not None)
            grid.addWidget(tries, grid.rowCount(), 1 if self.edits else 0, 1, 2 if self.edits else 3)
        for tick in (self._last_try, self._session):
            if tick is not None:
                grid.addWidget(tick, grid.rowCount(), 0, 1, 3)

    def _differ(self) -> bool:
        """Whether a new code is not the same twice: it is asked in the last two fields of several."""
        return len(self.edits) > 1 and not self.edits[-2].equals(self.edits[-1])

    def _say_they_differ(self) -> str:
        if self.edits[-1].field.passphrase:
            return self._words.gettext("The two new passphrases differ.")
        return self._words.gettext("The two new codes differ.")

    def _look(self) -> None:
        finished = len(self.edits) > 1 and self.edits[-1].length >= self.edits[-2].length > 0
        self.hinted.emit(self._say_they_differ() if finished and self._differ() else "")
        self.changed.emit()

    def _lengths(self, field: CodeField) -> str:
        if field.passphrase:
            return field.advice
        if field.min_length == field.max_length:
            return self._words.gettext("%d digits") % field.max_length
        return self._words.gettext("{min} to {max} digits").format(min=field.min_length, max=field.max_length)

    def _explain_length(self, field: CodeField) -> str:
        if field.passphrase:
            return self._words.gettext("{field}: type it first.").format(field=field.label)
        return self._words.gettext("{field}: {lengths}.").format(field=field.label, lengths=self._lengths(field))

    def _explain_characters(self) -> None:
        self.hinted.emit(self._words.gettext("This character cannot be part of a passphrase."))

    def _explain_digits(self) -> None:
        self.hinted.emit(self._words.gettext("Digits only (numeric keypad, or Shift)."))


def _make_buddy(edit: CodeEdit, parent: QWidget) -> QLabel:
    label = make_name(edit.field.label, parent)
    label.setBuddy(edit)
    return label
