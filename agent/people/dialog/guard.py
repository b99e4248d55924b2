"""Ignore what was typed or clicked before the person can have seen the window, and keys that are held down."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QKeyEvent

GUARD_MS: Final = 500
_INPUT: Final = frozenset(
    {
        QEvent.Type.KeyPress, QEvent.Type.KeyRelease, QEvent.Type.Shortcut, QEvent.Type.ShortcutOverride,
        QEvent.Type.InputMethod, QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonRelease,
        QEvent.Type.MouseButtonDblClick, QEvent.Type.Wheel, QEvent.Type.TouchBegin, QEvent.Type.TouchUpdate,
        QEvent.Type.TouchEnd, QEvent.Type.TabletPress, QEvent.Type.TabletRelease,
    }
)  # fmt: skip


class InputGuard(QObject):
    """Event filter of the application; `opened` is emitted when input counts, GUARD_MS after the first exposure."""

    opened = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._seen = False
        self._open = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002, N802 - Qt's names
        """Tell Qt to drop the event."""
        if event.type() == QEvent.Type.Expose and not self._seen:
            self._seen = True
            QTimer.singleShot(GUARD_MS, self._let_in)
        if event.type() not in _INPUT:
            return False
        return not self._open or (isinstance(event, QKeyEvent) and event.isAutoRepeat())

    def _let_in(self) -> None:
        self._open = True
        self.opened.emit()
