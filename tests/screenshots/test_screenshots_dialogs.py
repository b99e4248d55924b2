"""No dialog cuts a text, in either language, at 100 % or 200 %, in usual colours or high contrast."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.display import find_missing_tools

from agent.people import dialog
from screenshots.dialogs import CONTRASTS, SCALES, take_dialogs

MISSING = find_missing_tools()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
pytest.importorskip("PySide6", reason="needs the `desktop` extra")

TALL = (
    "sign-last-try", "batch", "change-last-try", "pad-change-last-try", "consent-program", "choose", "notice-no-tray",
    "hostile-sign", "hostile-choose", "software-change", "deed-import-new-passphrase", "deed-hostile",
)  # fmt: skip

SABOTAGE = """
import sys
from PySide6.QtWidgets import QApplication, QLabel
from screenshots.questions import QUESTIONS
from screenshots.windows import PageWindow, check, load_words, write_page
application = QApplication(["test", "-platform", "offscreen"])
words = load_words("fr")
window = PageWindow(write_page(QUESTIONS["sign"], words), words)
window.show()
application.processEvents()
before = check(window)
if sys.argv[1] == "label":
    label = next(label for label in window.findChildren(QLabel) if "Compte rendu" in label.text())
    label.setFixedSize(20, label.height())
elif sys.argv[1] == "button":
    window._refuse.setFixedWidth(10)
else:
    window._refuse.move(window.width() - 5, 0)
print(len(before), len(check(window)))
"""


def test_nothing_is_cut(tmp_path: Path) -> None:
    complaints = take_dialogs(tmp_path, TALL)
    assert {picture: found for picture, found in complaints.items() if found} == {}
    taken = sorted(path.stem for path in tmp_path.glob("*.png"))
    assert taken == sorted(complaints)
    assert len(taken) == len(TALL) * 2 * len(SCALES) * len(CONTRASTS)


@pytest.mark.parametrize("how", ["label", "button", "outside"])
def test_what_is_cut_is_found(how: str) -> None:
    done = subprocess.run(
        (sys.executable, "-c", SABOTAGE, how),
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    before, after = map(int, done.stdout.split())
    assert (before, after > 0) == (0, True)


SEEN = """
import json, sys
from PySide6.QtWidgets import QAbstractButton, QApplication, QLineEdit
from screenshots.questions import QUESTIONS
from screenshots.windows import PALETTES, PageWindow, load_words, use_visible_outlines, write_page
application = QApplication(["test", "-platform", "offscreen"])
use_visible_outlines(application)
if PALETTES[sys.argv[1]]:
    application.setPalette(PALETTES[sys.argv[1]]())
words = load_words("fr")

def pixels(widget):
    application.processEvents()
    image = widget.grab().toImage()
    return [image.pixelColor(x, y).lightness() for x in range(image.width()) for y in range(image.height())]

found = {}
for name in ("change-last-try", "choose", "consent-page"):
    window = PageWindow(write_page(QUESTIONS[name], words), words)
    window.show()
    window.activateWindow()
    background = window.palette().window().color().lightness()
    for kind in (QAbstractButton, QLineEdit):
        for widget in window.findChildren(kind):
            if not widget.isEnabled():
                continue
            window.setFocus()
            without = pixels(widget)
            widget.setFocus()
            focused = pixels(widget)
            edge = max(abs(pixel - background) for pixel in without[:widget.height() * 4])
            changed = sum(abs(one - other) > 40 for one, other in zip(without, focused))
            found[f"{name} {widget.accessibleName() or widget.text()}"] = edge, changed
print(json.dumps(found))
"""


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_what_is_operated_has_an_outline_and_shows_the_focus(contrast: str) -> None:
    done = subprocess.run(
        (sys.executable, "-c", SEEN, contrast),
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert len(found) >= 9
    for widget, (edge, changed) in found.items():
        assert edge > 80, widget  # of 255
        assert changed > 10, widget


def test_no_colour_is_written_down() -> None:
    folder = Path(dialog.__file__).parent
    for path in folder.glob("*.py"):
        assert not re.search(r"setStyleSheet|QColor\(|GlobalColor|#[0-9a-fA-F]{6}", path.read_text()), path
