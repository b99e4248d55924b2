"""One page in one window: refuses by default, waits before it listens, and never takes the focus by itself.

No key alone agrees: Return does in a form that the person has filled in, a button needs the focus first. Hence no
Alt-letter on a button either: a page can talk people into a chord, and some desktops give a new window the focus.
"""

from __future__ import annotations

from gettext import NullTranslations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QDialog, QFrame, QHBoxLayout, QPushButton, QStyle, QVBoxLayout, QWidget

from agent.people.dialog.announcing import announce
from agent.people.dialog.choices import ChoiceList
from agent.people.dialog.facts import FactTable, ScrollPanel
from agent.people.dialog.form import Form
from agent.people.dialog.guard import InputGuard
from agent.people.dialog.labels import make_label, make_mark, set_text
from agent.people.page import Page

_CLOSED_TITLE = "CPS…"  # until the guard lets input in
_WIDTH = 42  # in heights of a line, as all measures here


class PageWindow(QDialog):
    """Show a page. `wait()` gives True when the person agreed."""

    def __init__(self, page: Page, words: NullTranslations) -> None:
        super().__init__(None, _flags())
        self._page, self._words = page, words
        self._unit = self.fontMetrics().height()
        self._screen = self.screen().availableSize()
        self.setFixedWidth(min(self._unit * _WIDTH, self._screen.width()))
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setWindowTitle(_CLOSED_TITLE)
        self.setAccessibleName(page.title)
        self.setAccessibleDescription(_read_aloud(page, words))
        self._make_parts()
        self._accept = self._make_button(page.accept, page.heading) if page.accept else None
        self._refuse = self._make_button(page.refuse, words.gettext("The Escape key does the same."))
        self._align_names()
        self._lay_out()
        self._connect()
        self._watch_input()

    @property
    def session_wanted(self) -> bool:
        """Whether the person wants the code kept for the time that was offered."""
        return self._form is not None and self._form.session_wanted

    @property
    def chosen(self) -> int | None:
        """Which of the choices was taken, counted from zero; None when there were none."""
        return None if self._choices is None else self._choices.chosen

    def wait(self) -> bool:
        """Run until the window is closed in any way."""
        return self.exec() == QDialog.DialogCode.Accepted

    def take_codes(self) -> list[bytearray]:
        """Give the codes that were typed, once."""
        return self._form.take_codes() if self._form else []

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Let Return in a form go on to what is missing, and agree once nothing is: it never refuses there."""
        focused = self.focusWidget() or self
        in_form = self._accept is not None and any(part.isAncestorOf(focused) for part in self._parts)
        if in_form and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._submit()
            return
        super().keyPressEvent(event)

    def show_hint(self, text: str) -> None:
        """Say what is wrong, to the eye and to the ear; an empty text takes it back."""
        if text != self._hint.accessibleName():
            set_text(self._hint, text)
            self._hint.setVisible(bool(text))
            if text:
                announce(self._hint, text)

    def _submit(self) -> None:
        if all(part.advance() for part in self._parts):
            self.accept()

    def _make_parts(self) -> None:
        """Make what is read and filled in, in the order of the Tab key and of screen readers."""
        page, width = self._page, self.width() - 2 * self._unit
        self._heading = make_label(page.heading, self, bold=True, scale=1.3)
        self._mark = make_mark(page.mark, self) if page.mark else None
        self._content = QWidget(self)
        self._table = FactTable(page.sections, self._content)
        narrow = width - self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent) - self._unit  # if it scrolls
        self._choices = ChoiceList(page.choices, self._words, narrow, self._content) if page.choices else None
        self._panel = ScrollPanel(self._content, self._words.gettext("Details of the request"), self)
        needs_form = page.fields or page.tries or page.advice or page.last_try
        self._form = Form(page, self._words, width, self) if needs_form else None
        self._parts: list[ChoiceList | Form] = [part for part in (self._choices, self._form) if part is not None]
        self._hint = make_label("", self, bold=True)
        self._hint.setMinimumHeight(2 * self._hint.fontMetrics().lineSpacing())
        policy = self._hint.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._hint.setSizePolicy(policy)
        self._hint.hide()

    def _make_button(self, text: str, description: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setAccessibleDescription(description)
        button.setAutoDefault(True)
        button.setMinimumWidth(self.fontMetrics().averageCharWidth() * 16)
        return button

    def _connect(self) -> None:
        self._refuse.setDefault(True)
        self._refuse.clicked.connect(self.reject)
        if self._accept is not None:
            self._accept.clicked.connect(self._submit)
        for part in self._parts:
            part.changed.connect(self._update)
            part.hinted.connect(self.show_hint)
        self._update()
        starts = [part.first for part in self._parts if part.first is not None]
        (starts[0] if starts else self._refuse).setFocus()

    def _update(self) -> None:
        if self._accept is not None:
            self._accept.setEnabled(all(part.complete for part in self._parts))

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

    def _align_names(self) -> None:
        """Let the texts and the fields start on one line down the window."""
        names = [fact.label for fact in self._page.facts] + [field.label for field in self._page.fields]
        width = max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0)
        self._table.align_names(width)
        if self._form is not None:
            self._form.align_names(width)

    def _lay_out(self) -> None:
        inner = QVBoxLayout(self._content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(self._unit)
        inner.addWidget(self._table)
        if self._choices is not None:
            inner.addWidget(self._choices)
        column = QVBoxLayout(self)
        column.addLayout(self._make_header())
        has_content = self._page.sections or self._page.choices
        self._panel.setVisible(bool(has_content))
        if has_content:
            column.addWidget(self._panel, 1)
        if self._form is not None:
            if has_content:
                column.addWidget(_make_rule(self))
            column.addWidget(self._form)
        column.addLayout(self._make_buttons())
        self._fit(column)

    def _make_header(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(self._heading, 1)
        if self._mark is not None:
            row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _make_buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.addWidget(self._hint, 1)
        bottom = Qt.AlignmentFlag.AlignBottom
        if self._accept is not None:
            row.addWidget(self._accept, 0, bottom)
        row.addWidget(self._refuse, 0, bottom)
        return row

    def _fit(self, column: QVBoxLayout) -> None:
        """Give every fact its height as long as the screen has it, then save on lists and gaps, then scroll."""
        for gap, shrink in ((self._unit, False), (self._unit // 2, True)):
            column.setContentsMargins(self._unit, gap, self._unit, gap)
            column.setSpacing(gap)
            if shrink:
                self._table.shrink_lists()
            wanted = max(0, self._content.heightForWidth(self.width() - 2 * self._unit))  # -1: it is empty
            self._panel.setFixedHeight(0)
            others = column.totalHeightForWidth(self.width())
            room = self._screen.height() - others - 5 * self._unit // 2  # the window's own frame
            if wanted <= room:
                break
        self._panel.fit(wanted, max(4 * self._unit, room))
        self.setFixedHeight(column.totalHeightForWidth(self.width()))


def _read_aloud(page: Page, words: NullTranslations) -> str:
    """Give the whole page in one text, for a screen reader that opens the window."""
    sentences = [page.mark, page.heading]
    for fact in page.facts:
        value = ", ".join(filter(None, (fact.text, *fact.items[:10])))
        sentences.append(words.gettext("{label}:").format(label=fact.label) + " " + value)
    return ". ".join(sentence.rstrip(".") for sentence in (*sentences, page.advice, page.tries) if sentence) + "."


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
