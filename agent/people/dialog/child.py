"""One question in, one answer out: a line of JSON on stdin, a binary frame on the pipe that came as stdout.

Stdin stays open as long as the daemon waits for the answer; its end ends this process, and its window with it.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from agent.people.dialog.style import use_visible_outlines
from agent.people.dialog.window import PageWindow
from agent.people.frame import Verdict, write_choice, write_frame
from agent.people.hardening import forbid_core_dumps
from agent.people.prompt import PROMPT_TIMEOUT_S, DeedRequest, PinRequest
from agent.people.translations import load_words
from agent.people.wire import MAX_QUESTION, Envelope, Question, WireError, read_envelope
from agent.people.wording import write_page

EXIT_BAD_QUESTION: Final = 2
EXIT_NO_DISPLAY: Final = 3
EXIT_ORPHANED: Final = 4
TOO_LONG_MS: Final = int(PROMPT_TIMEOUT_S * 1000) + 30_000  # the daemon would have closed the window: it is stuck


def main() -> int:
    """Show the question and end the process; returns only when there is nothing to show."""
    answer_fd = _take_answer_pipe()
    forbid_core_dumps()
    try:
        envelope = read_envelope(sys.stdin.buffer.readline(MAX_QUESTION + 1))
    except WireError:
        return EXIT_BAD_QUESTION
    if not _has_display():
        return EXIT_NO_DISPLAY
    threading.Thread(target=_end_with_the_daemon, name="daemon watch", daemon=True).start()
    _write(answer_fd, ask(envelope))
    os._exit(0)  # taking a window system down may crash, and there is nothing left to save


def ask(envelope: Envelope) -> bytearray:
    """Show the window and give the frame of its answer."""
    application = QApplication([sys.argv[0]])
    application.setDesktopFileName("cps-agent")
    use_visible_outlines(application)
    words = load_words(envelope.language)
    window = PageWindow(write_page(envelope.question, words), words)
    QTimer.singleShot(TOO_LONG_MS, window.reject)
    window.show()
    application.alert(window)  # asks for attention in the task bar; takes no focus
    return _frame_answer(envelope.question, window) if window.wait() else write_frame(Verdict.REFUSED)


def _frame_answer(question: Question, window: PageWindow) -> bytearray:
    """Say what the person agreed to; the codes are overwritten once they are in the frame."""
    if isinstance(question, PinRequest) and question.on_pad:
        return write_frame(Verdict.ON_PAD)
    if window.chosen is not None:
        return write_choice(window.chosen)
    codes = window.take_codes()
    if not codes:
        return write_frame(Verdict.ACCEPTED)
    shown = codes[:1] if isinstance(question, DeedRequest) else codes[:2]  # of a new one typed twice, one
    frame = write_frame(_find_verdict(question, session=window.session_wanted), *shown)
    for typed in codes:
        typed[:] = bytes(len(typed))
    return frame


def _find_verdict(question: Question, *, session: bool) -> Verdict:
    if isinstance(question, DeedRequest) or (isinstance(question, PinRequest) and question.passphrase):
        return Verdict.PASSPHRASES_AND_SESSION if session else Verdict.PASSPHRASES
    return Verdict.CODES_AND_SESSION if session else Verdict.CODES


def _end_with_the_daemon() -> None:
    """Wait for the end of stdin: the daemon died, whatever way, or nobody wants the answer any more."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(EXIT_ORPHANED)


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
