"""One question in, one answer out: JSON on stdin, a binary frame on the pipe that came as stdout."""

from __future__ import annotations

import os
import sys
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from agent.people.dialog.window import PageWindow
from agent.people.frame import Verdict, write_frame
from agent.people.hardening import forbid_core_dumps
from agent.people.prompt import PROMPT_TIMEOUT_S
from agent.people.translations import load_words
from agent.people.wire import MAX_QUESTION, Envelope, WireError, read_envelope
from agent.people.wording import write_page

EXIT_BAD_QUESTION: Final = 2
EXIT_NO_DISPLAY: Final = 3
ORPHAN_MS: Final = int(PROMPT_TIMEOUT_S * 1000) + 30_000  # the daemon would have closed the window: it is gone


def main() -> int:
    """Show the question and end the process; returns only when there is nothing to show."""
    answer_fd = _take_answer_pipe()
    forbid_core_dumps()
    try:
        envelope = read_envelope(sys.stdin.buffer.read(MAX_QUESTION + 1))
    except WireError:
        return EXIT_BAD_QUESTION
    if not _has_display():
        return EXIT_NO_DISPLAY
    _write(answer_fd, ask(envelope))
    os._exit(0)  # taking a window system down may crash, and there is nothing left to save


def ask(envelope: Envelope) -> bytearray:
    """Show the window and give the frame of its answer."""
    application = QApplication([sys.argv[0]])
    application.setDesktopFileName("cps-agent")
    words = load_words(envelope.language)
    window = PageWindow(write_page(envelope.question, words), words)
    QTimer.singleShot(ORPHAN_MS, window.reject)
    window.show()
    application.alert(window)  # asks for attention in the task bar; takes no focus
    if not window.wait():
        return write_frame(Verdict.REFUSED)
    codes = window.take_codes()
    if not codes:
        return write_frame(Verdict.ACCEPTED)
    return write_frame(Verdict.CODES_AND_SESSION if window.session_wanted else Verdict.CODES, *codes[:2])


def _take_answer_pipe() -> int:
    """Move the pipe away from stdout, where a chatty library could write into it."""
    answer_fd = os.dup(1)
    null_fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_fd, 1)
    os.close(null_fd)
    return answer_fd


def _has_display() -> bool:
    """Without one Qt aborts; say it with an exit code instead."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform != "linux" or any(os.environ.get(name) for name in names)


def _write(answer_fd: int, frame: bytearray) -> None:
    os.write(answer_fd, frame)
    frame[:] = bytes(len(frame))
