"""One of several: nothing is chosen until the person does."""

from __future__ import annotations

from gettext import NullTranslations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QRadioButton, QStyle, QVBoxLayout, QWidget

from agent.people.dialog.labels import wrap_for_button
from agent.people.page import Choice


class ChoiceList(QWidget):
    """A radio button for each choice. `changed`: one was chosen; `hinted` carries what is missing."""

    changed = Signal()
    hinted = Signal(str)

    def __init__(self, choices: tuple[Choice, ...], words: NullTranslations, width: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._words = words
        self._group = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self.fontMetrics().height() // 2)
        for number, choice in enumerate(choices):
            column.addWidget(self._make_button(number, choice, width))
        self._group.idToggled.connect(self._listen)

    @property
    def chosen(self) -> int | None:
        """Which one, counted from zero."""
        number = self._group.checkedId()
        return None if number < 0 else number

    @property
    def complete(self) -> bool:
        """Whether one is chosen."""
        return self.chosen is not None

    @property
    def first(self) -> QWidget:
        """Where the keyboard starts."""
        return self._group.button(0)

    def advance(self) -> bool:
        """Ask for a choice; True when it was made."""
        if not self.complete:
            self.hinted.emit(self._words.gettext("Choose a card first (arrow keys, then space)."))
            if not any(button.hasFocus() for button in self._group.buttons()):
                self.first.setFocus()
        return self.complete

    def _make_button(self, number: int, choice: Choice, width: int) -> QRadioButton:
        button = QRadioButton(self)
        indicator = button.style().pixelMetric(QStyle.PixelMetric.PM_ExclusiveIndicatorWidth, None, button)
        spacing = button.style().pixelMetric(QStyle.PixelMetric.PM_RadioButtonLabelSpacing, None, button)
        room = width - indicator - 2 * spacing
        lines = [wrap_for_button(text, button.fontMetrics(), room) for text in (choice.text, choice.detail)]
        button.setText("\n".join(lines))
        button.setAccessibleName(f"{choice.text}, {choice.detail}")
        button.setAutoRepeat(False)
        self._group.addButton(button, number)
        return button

    def _listen(self) -> None:
        self.hinted.emit("")
        self.changed.emit()
