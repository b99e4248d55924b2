"""A field for the digits of a code: nothing else goes in, nothing comes out but to the form."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRegularExpression, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QRegularExpressionValidator
from PySide6.QtWidgets import QLineEdit, QWidget

from agent.people.page import CodeField

_EDITING: Final = frozenset(
    {
        Qt.Key.Key_Backspace, Qt.Key.Key_Delete, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End,
    }
)  # fmt: skip
_KEYPAD_OR_SHIFT: Final = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier


class CodeEdit(QLineEdit):
    """Hidden digits without clipboard, drag, menu or prediction. `rejected`: another character was typed."""

    rejected = Signal()

    def __init__(self, field: CodeField, parent: QWidget) -> None:
        super().__init__(parent)
        self.field = field
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setMaxLength(field.max_length)
        self.setValidator(QRegularExpressionValidator(QRegularExpression("[0-9]*"), self))
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhDigitsOnly
            | Qt.InputMethodHint.ImhSensitiveData
            | Qt.InputMethodHint.ImhHiddenText
            | Qt.InputMethodHint.ImhNoPredictiveText
        )
        self.setAcceptDrops(False)
        self.setDragEnabled(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setAccessibleName(field.label)

    @property
    def complete(self) -> bool:
        """Whether the field holds a code of the right format."""
        return self.field.accepts(self.text().encode())

    def take(self) -> bytearray:
        """Give the digits and empty the field."""
        digits = bytearray(self.text(), "ascii")
        self.clear()
        return digits

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Let digits and editing keys through; shortcuts such as paste or select-all do nothing here."""
        plain = not event.modifiers() & ~_KEYPAD_OR_SHIFT
        digit = len(event.text()) == 1 and event.text() in "0123456789"
        if plain and (digit or event.key() in _EDITING):
            super().keyPressEvent(event)
            return
        if plain and event.text().isprintable() and event.text():
            self.rejected.emit()
            return
        event.ignore()  # the window's business: Return, Escape, Tab

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the left button only: the middle one pastes on X11."""
        if event.button() == Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the left button only."""
        if event.button() == Qt.MouseButton.LeftButton:
            super().mouseReleaseEvent(event)
