"""A field for the digits of a code, or the characters of a passphrase: nothing comes out but to the form.

Qt's own field would hold the code in strings that cannot be wiped, keep it in its undo history, and tell every digit
to whoever listens on the accessibility bus, hidden or not (seen with Qt 6.12). So Qt has bullets here, and the digits
stand in a buffer beside them. What no buffer helps against: a key passes through the window system and Qt's event.
A passphrase is not pasted either: whatever stood in the clipboard once, every program of the session could read.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRegularExpression, Qt, Signal
from PySide6.QtGui import QInputMethodEvent, QKeyEvent, QMouseEvent, QRegularExpressionValidator
from PySide6.QtWidgets import QLineEdit, QWidget

from agent.people.dialog.code_buffer import CodeBuffer
from agent.people.page import CodeField

_BULLET: Final = "•"
_ERASING: Final = (Qt.Key.Key_Backspace, Qt.Key.Key_Delete)
_MOVING: Final = (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End)
_KEYPAD_OR_SHIFT: Final = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier
_THIRD_LEVEL: Final = Qt.KeyboardModifier.GroupSwitchModifier  # AltGr on X11 and Wayland
_ALT_GR: Final = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier  # and on Windows
_HINTS: Final = (
    Qt.InputMethodHint.ImhSensitiveData | Qt.InputMethodHint.ImhHiddenText | Qt.InputMethodHint.ImhNoPredictiveText
)


class CodeEdit(QLineEdit):
    """A hidden code without clipboard, drag, menu or prediction. `rejected`: something else was typed."""

    rejected = Signal()

    def __init__(self, field: CodeField, parent: QWidget) -> None:
        super().__init__(parent)
        self.field = field
        self._buffer = CodeBuffer(field.max_length)
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setMaxLength(field.max_length)
        self.setValidator(QRegularExpressionValidator(QRegularExpression(f"{_BULLET}*"), self))
        kind = Qt.InputMethodHint.ImhNoAutoUppercase if field.passphrase else Qt.InputMethodHint.ImhDigitsOnly
        self.setInputMethodHints(_HINTS | kind)
        self.setAcceptDrops(False)
        self.setDragEnabled(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setAccessibleName(field.label)
        self.textChanged.connect(self._keep_in_step)

    @property
    def length(self) -> int:
        """How many characters were typed."""
        return len(self._buffer)

    @property
    def complete(self) -> bool:
        """Whether the field holds a code of the right format."""
        return self.field.min_length <= self.length <= self.field.max_length

    def equals(self, other: CodeEdit) -> bool:
        """Tell whether both fields hold the same code."""
        return self._buffer.equals(other._buffer)

    def take(self) -> bytearray:
        """Give the code in UTF-8 and empty the field."""
        taken = self._buffer.take()
        self.clear()
        return taken

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Let the code and editing keys through; shortcuts such as paste or select-all do nothing here."""
        plain = not event.modifiers() & ~_KEYPAD_OR_SHIFT
        if (plain or self._composes(event.modifiers())) and self._takes(event.text()):
            self._type(ord(event.text()))
        elif plain and event.key() in _ERASING:
            self._erase(forward=event.key() == Qt.Key.Key_Delete)
        elif plain and event.key() in _MOVING:
            super().keyPressEvent(event)
        elif plain and event.text().isprintable() and event.text():
            self.rejected.emit()
        else:
            event.ignore()  # the window's business: Return, Escape, Tab

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:  # noqa: N802 - Qt's name
        """Take what an input method, a dead key or a screen keyboard sends, and nothing half-made."""
        for character in event.commitString():
            if self._takes(character):
                self._type(ord(character))
            else:
                self.rejected.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the left button only: the middle one pastes on X11."""
        if event.button() == Qt.MouseButton.LeftButton:
            super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the left button only."""
        if event.button() == Qt.MouseButton.LeftButton:
            super().mouseReleaseEvent(event)

    def _takes(self, text: str) -> bool:
        """Whether this is one character of such a code."""
        return len(text) == 1 and (text.isprintable() if self.field.passphrase else text in "0123456789")

    def _composes(self, modifiers: Qt.KeyboardModifier) -> bool:
        """Whether these make a character of a passphrase rather than a shortcut: AltGr, in the two ways it is told."""
        more = modifiers & ~_KEYPAD_OR_SHIFT & ~_THIRD_LEVEL
        return self.field.passphrase and more in (Qt.KeyboardModifier.NoModifier, _ALT_GR)

    def _type(self, character: int) -> None:
        """Replace what is selected; the buffer first, since Qt tells the change at once."""
        start, end = self._find_selection()
        if start == end and self._buffer.full:
            return
        self._buffer.remove(start, end)
        self._buffer.insert(start, character)
        self.insert(_BULLET)

    def _erase(self, *, forward: bool) -> None:
        start, end = self._find_selection()
        if start == end:
            start, end = (start, min(end + 1, self.length)) if forward else (max(start - 1, 0), end)
        self._buffer.remove(start, end)
        if forward:
            self.del_()
        else:
            self.backspace()

    def _find_selection(self) -> tuple[int, int]:
        """From where to where; the cursor's place twice when nothing is selected."""
        if self.hasSelectedText():
            return self.selectionStart(), self.selectionEnd()
        return self.cursorPosition(), self.cursorPosition()

    def _keep_in_step(self) -> None:
        """Empty both when somebody changed Qt's text by another way, such as assistive software."""
        if len(self.text()) != self.length:
            self._buffer.wipe()
            self.clear()
