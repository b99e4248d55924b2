"""The panel: pages at the left, the chosen one at the right. It waits for the agent in threads, and never freezes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QListWidget,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from agent.people.dialog.labels import make_label
from agent.people.panel.deeds import do_deed
from agent.people.panel.pages import PAGES, load_steps, page_title
from agent.people.panel.sections import Button, Context, Deed, Section
from agent.people.panel.view import SectionView

NAMES: Final = tuple(PAGES)


class PanelWindow(QWidget):
    """One window; show_page() and reload() are slots of the thread of windows."""

    loaded = Signal(str, object)
    failed = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__(None)
        self._context = context
        self._sections: tuple[Section, ...] | None = None
        self._view = self._next_view = ""
        self._words = context.words
        self._program = self._words.gettext("CPS agent")
        self.setWindowTitle(self._program)
        self._list = self._make_list()
        self._heading = make_label("", self, bold=True, scale=1.4)
        self._area = self._make_area()
        self._lay_out()
        self._connect()

    def show_page(self, target: str) -> None:
        """Show a page, or a view of it (`page#view`), and come to the front."""
        name, _, self._next_view = target.partition("#")
        if name in NAMES and name != self._page:
            self._list.setCurrentRow(NAMES.index(name))
        elif name in NAMES and self._next_view != self._view:
            self._change_page()
        self._next_view = ""
        self.show()
        self.raise_()
        self.activateWindow()

    def reload(self) -> None:
        """Ask the agent again for what is shown."""
        name, context = self._page, self._context_now()
        self._begin(lambda: self._load(name, context))

    @property
    def _page(self) -> str:
        """The page that is shown; none before the first."""
        row = self._list.currentRow()
        return NAMES[row] if row >= 0 else ""

    def _context_now(self) -> Context:
        return replace(self._context, now=datetime.now(UTC), view=self._view)

    def _begin(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="ask the agent", daemon=True).start()

    def _load(self, name: str, context: Context) -> None:
        for sections in load_steps(name, context):
            self.loaded.emit(f"{name}#{context.view}", sections)

    def _make_list(self) -> QListWidget:
        pages = QListWidget(self)
        pages.setAccessibleName(self._words.gettext("Pages"))
        pages.addItems([page_title(name, self._words) for name in NAMES])
        pages.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        pages.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        unit = self.fontMetrics().height()
        pages.setSpacing(unit // 6)
        pages.setFixedWidth(pages.sizeHintForColumn(0) + 2 * pages.frameWidth() + unit)
        return pages

    def _make_area(self) -> QScrollArea:
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # so that the keyboard scrolls
        return area

    def _lay_out(self) -> None:
        unit = self.fontMetrics().height()
        right = QVBoxLayout()
        right.addWidget(self._heading)
        right.addWidget(self._area, 1)
        right.addLayout(self._make_buttons())
        row = QHBoxLayout(self)
        row.setContentsMargins(unit, unit, unit, unit)
        row.setSpacing(unit)
        row.addWidget(self._list)
        row.addLayout(right, 1)
        screen = self.screen().availableSize()
        self.resize(min(unit * 56, screen.width()), min(unit * 40, screen.height() - 2 * unit))

    def _make_buttons(self) -> QHBoxLayout:
        self._again = QPushButton(self._words.gettext("Look again"), self)
        self._again.clicked.connect(self.reload)
        close = QPushButton(self._words.gettext("Close"), self)
        close.clicked.connect(self.close)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._again)
        row.addWidget(close)
        return row

    def _connect(self) -> None:
        self.loaded.connect(self._show_sections)
        self.failed.connect(self._tell_failure)
        self._list.currentRowChanged.connect(self._change_page)
        QShortcut(QKeySequence.StandardKey.Refresh, self, self.reload)
        QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.close)

    def _change_page(self) -> None:
        self._view = self._next_view
        title = page_title(self._page, self._words)
        self.setWindowTitle(f"{title} — {self._program}")
        self._heading.setText(title)
        self._heading.setAccessibleName(title)
        self._sections = None
        self._area.setWidget(make_label(self._words.gettext("Asking the agent…"), self))
        self.reload()

    def _show_sections(self, target: str, sections: tuple[Section, ...]) -> None:
        """Show them, unless another page or view was chosen meanwhile, or they are shown already."""
        if target != f"{self._page}#{self._view}" or sections == self._sections:
            return
        place = self._area.verticalScrollBar().value() if self._sections is not None else 0
        self._sections = sections
        content = QWidget(self)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, self.fontMetrics().height() // 2, 0)
        for section in sections:
            column.addWidget(SectionView(section, self._press, content))
        column.addStretch(1)
        self._area.setWidget(content)
        self._order_tabs(content)
        self._area.verticalScrollBar().setValue(place)

    def _order_tabs(self, content: QWidget) -> None:
        """Let the Tab key meet the buttons of the page after the page, before those below it."""
        last: QWidget = self._area
        for button in (*content.findChildren(QPushButton), self._again):
            QWidget.setTabOrder(last, button)
            last = button

    def _press(self, button: Button) -> None:
        if button.deed is Deed.SHOW:
            QTimer.singleShot(0, lambda: self._go(button.target))  # the button goes with its page, after its click
        elif button.deed is Deed.IMPORT_CERTIFICATE and not button.target:
            self._choose_file(button)
        elif button.question is None or self._confirms(button):
            name, context = self._page, self._context_now()
            self._begin(lambda: self._do(button, name, context))

    def _choose_file(self, button: Button) -> None:
        words = self._words
        kinds = words.gettext("Certificates with their key") + " (*.p12 *.pfx *.pem *.key)"
        anything = words.gettext("All files") + " (*)"
        path, _ = QFileDialog.getOpenFileName(self, button.label, "", f"{kinds};;{anything}")
        if path:
            self._press(replace(button, target=path))

    def _go(self, target: str) -> None:
        self.show_page(target)
        self._area.setFocus()

    def _confirms(self, button: Button) -> bool:
        """Ask; no is what Return and Escape say."""
        box = QMessageBox(QMessageBox.Icon.Question, self.windowTitle(), button.question or "", parent=self)
        box.setTextFormat(Qt.TextFormat.PlainText)
        yes = box.addButton(button.label, QMessageBox.ButtonRole.AcceptRole)
        no = box.addButton(self._words.gettext("Leave as it is"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(no)
        box.setEscapeButton(no)
        box.exec()
        return box.clickedButton() is yes

    def _do(self, button: Button, name: str, context: Context) -> None:
        failure = do_deed(button, context)
        if failure is not None:
            self.failed.emit(failure)
        self._load(name, context)

    def _tell_failure(self, sentence: str) -> None:
        box = QMessageBox(QMessageBox.Icon.Warning, self.windowTitle(), sentence, parent=self)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.addButton(self._words.gettext("Close"), QMessageBox.ButtonRole.RejectRole)
        box.exec()
