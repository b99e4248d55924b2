"""One page in one window: refuses by default, waits before it listens, and never takes the focus by itself."""

from __future__ import annotations

from gettext import NullTranslations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from agent.people.dialog.facts import FactTable
from agent.people.dialog.form import CodeForm
from agent.people.dialog.guard import InputGuard
from agent.people.dialog.labels import make_label, make_mark
from agent.people.wording import Page

_CLOSED_TITLE = "CPS…"  # until the guard lets input in


class PageWindow(QDialog):
    """Show a page. `wait()` gives True when the person agreed."""

    def __init__(self, page: Page, words: NullTranslations) -> None:
        super().__init__(None, _flags())
        self._page = page
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setWindowTitle(_CLOSED_TITLE)
        self.setAccessibleName(page.title)
        self.setAccessibleDescription(page.heading)
        self._table = FactTable(page.facts, self)  # in the order of the Tab key
        self._form = CodeForm(page, words, self) if page.fields else None
        self._accept = self._make_button(page.accept) if page.accept else None
        self._refuse = self._make_button(page.refuse)
        self._align_names()
        self._lay_out()
        self._connect()
        self._watch_input()

    @property
    def session_wanted(self) -> bool:
        """Whether the person wants the code kept for the time that was offered."""
        return self._form is not None and self._form.session_wanted

    def wait(self) -> bool:
        """Run until the window is closed in any way."""
        return self.exec() == QDialog.DialogCode.Accepted

    def take_codes(self) -> list[bytearray]:
        """Give the codes that were typed, once."""
        return self._form.take_codes() if self._form else []

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Let Return in a field go on to what is missing, and agree once nothing is: it never refuses there."""
        in_form = self._form is not None and self._form.isAncestorOf(self.focusWidget() or self)
        if in_form and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._submit()
            return
        super().keyPressEvent(event)

    def _submit(self) -> None:
        if self._form is None or self._form.advance():
            self.accept()

    def _make_button(self, text: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setAutoDefault(True)
        button.setMinimumWidth(self.fontMetrics().averageCharWidth() * 16)
        return button

    def _connect(self) -> None:
        self._refuse.setDefault(True)
        self._refuse.clicked.connect(self.reject)
        if self._accept is not None:
            self._accept.clicked.connect(self._submit)
        if self._form is not None and self._accept is not None:
            self._accept.setEnabled(self._form.complete)
            self._form.changed.connect(self._accept.setEnabled)
        (self._form.edits[0] if self._form else self._refuse).setFocus()

    def _watch_input(self) -> None:
        guard = InputGuard(self)
        guard.opened.connect(self._listen)
        application = QApplication.instance()
        if application is None:
            raise RuntimeError("a window needs an application")
        application.installEventFilter(guard)

    def _listen(self) -> None:
        """Show by the final title that input counts from now on."""
        self.setWindowTitle(self._page.title)

    def _lay_out(self) -> None:
        unit = self.fontMetrics().height()
        column = QVBoxLayout(self)
        column.setContentsMargins(unit, unit, unit, unit)
        column.setSpacing(unit)
        column.addLayout(self._make_header())
        area = self._make_facts()
        column.addWidget(area, 1)
        if self._form is not None:
            column.addWidget(_make_rule(self))
            column.addWidget(self._form)
        column.addLayout(self._make_buttons())
        self._fit(area, unit)

    def _align_names(self) -> None:
        """Let the texts and the fields start on one line down the window."""
        names = [fact.label for fact in self._page.facts] + [field.label for field in self._page.fields]
        width = max(self.fontMetrics().horizontalAdvance(name) for name in names)
        for part in (self._table, self._form):
            if part is not None:
                part.align_names(width)

    def _make_header(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(make_label(self._page.heading, self, bold=True, scale=1.25), 1)
        if self._page.mark is not None:
            row.addWidget(make_mark(self._page.mark, self), 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _make_facts(self) -> QScrollArea:
        """Wrap the facts so that a small screen or 200 % scaling scrolls them, never the codes and buttons."""
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._table)
        return area

    def _make_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addStretch(1)
        if self._accept is not None:
            row.addWidget(self._accept)
        row.addWidget(self._refuse)
        return row

    def _fit(self, area: QScrollArea, unit: int) -> None:
        """Give every fact its height as long as the screen has it."""
        screen = self.screen().availableSize()
        self.setFixedWidth(min(unit * 38, screen.width()))
        wanted = self._table.heightForWidth(self.width() - 2 * unit)
        others = self.sizeHint().height() - area.sizeHint().height()
        room = max(4 * unit, screen.height() - others - 3 * unit)
        area.setFixedHeight(min(wanted, room))
        area.setFocusPolicy(Qt.FocusPolicy.StrongFocus if wanted > room else Qt.FocusPolicy.NoFocus)
        self.setFixedHeight(self.heightForWidth(self.width()))


def _flags() -> Qt.WindowType:
    return (
        Qt.WindowType.Dialog
        | Qt.WindowType.CustomizeWindowHint
        | Qt.WindowType.WindowTitleHint
        | Qt.WindowType.WindowCloseButtonHint
        | Qt.WindowType.WindowStaysOnTopHint
    )


def _make_rule(parent: QWidget) -> QFrame:
    rule = QFrame(parent)
    rule.setFrameShape(QFrame.Shape.HLine)
    rule.setFrameShadow(QFrame.Shadow.Sunken)
    return rule
