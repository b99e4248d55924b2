"""Another program on the same screen that fills the clipboard and the primary selection, and later reads them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

from support.display import Display

PROGRAM = """
import json, os, sys
from PySide6.QtCore import QSocketNotifier, QTimer
from PySide6.QtGui import QClipboard, QGuiApplication
application = QGuiApplication(["clipboard"])
clipboard = application.clipboard()
modes = (QClipboard.Mode.Clipboard, QClipboard.Mode.Selection)
for mode in modes:
    clipboard.setText(sys.argv[1], mode)
def say(what):
    print(json.dumps(what), flush=True)
def listen():
    if os.read(0, 1):
        say([clipboard.text(mode) for mode in modes])
    else:
        application.quit()
asked = QSocketNotifier(0, QSocketNotifier.Type.Read)
asked.activated.connect(listen)
QTimer.singleShot(0, lambda: say("filled"))
application.exec()
"""


@contextlib.contextmanager
def filled_clipboard(screen: Display, text: str) -> Iterator[Callable[[], list[str]]]:
    """Hold the text in both places; gives a function that reads what they hold now."""
    with subprocess.Popen(
        (sys.executable, "-c", PROGRAM, text),
        env=screen.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        assert json.loads(process.stdout.readline()) == "filled"

        def read() -> list[str]:
            assert process.stdin
            assert process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            contents: list[str] = json.loads(process.stdout.readline())
            return contents

        try:
            yield read
        finally:
            process.stdin.close()
            process.wait(20)
