"""Outlines that can be seen: Qt's own style for Linux draws them from the background's colour alone.

On a black background its boxes to tick and its fields vanish; on a grey one they stay below the contrast of 3 to 1
that WCAG 2.2 §1.4.11 asks for what people operate.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPalette, QPen
from PySide6.QtWidgets import QApplication, QProxyStyle, QStyle, QStyleOption, QWidget

_ROUND: Final = QStyle.PrimitiveElement.PE_IndicatorRadioButton
_FIELD: Final = QStyle.PrimitiveElement.PE_FrameLineEdit
_OUTLINED: Final = frozenset(
    {
        _ROUND,
        QStyle.PrimitiveElement.PE_IndicatorCheckBox,
        _FIELD,
        QStyle.PrimitiveElement.PE_PanelButtonCommand,
    }
)
_OPACITY: Final = 0.6
_RADIUS: Final = 2.0


class OutlineStyle(QProxyStyle):
    """Fusion, with an outline in the colour of the text around what can be operated, thicker where the focus is.

    A field with the focus has Fusion's own outline in the highlight colour, and the cursor.
    """

    def __init__(self) -> None:
        super().__init__("fusion")

    def drawPrimitive(  # noqa: N802 - Qt's name
        self,
        element: QStyle.PrimitiveElement,
        option: QStyleOption,
        painter: QPainter,
        widget: QWidget | None = None,
    ) -> None:
        """Draw as Fusion does, then the outline."""
        super().drawPrimitive(element, option, painter, widget)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        if element in _OUTLINED and not (focused and element == _FIELD):
            _draw_outline(option, painter, is_round=element == _ROUND, focused=focused)


def _draw_outline(option: QStyleOption, painter: QPainter, *, is_round: bool, focused: bool) -> None:
    color = option.palette.color(QPalette.ColorRole.WindowText)
    width = 2 if focused else 1
    if not focused:
        color.setAlphaF(color.alphaF() * _OPACITY)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(color, width))
    rectangle = QRectF(option.rect).adjusted(width / 2, width / 2, -width / 2, -width / 2)
    if is_round:
        painter.drawEllipse(rectangle)
    else:
        painter.drawRoundedRect(rectangle, _RADIUS, _RADIUS)
    painter.restore()


def use_visible_outlines(application: QApplication) -> None:
    """Mend Fusion; other systems' styles follow the system's own contrast settings."""
    if application.style().name() == "fusion":
        application.setStyle(OutlineStyle())
