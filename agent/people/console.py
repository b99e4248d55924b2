"""The controlling terminal, read key by key without echo; it is as before on every way out. POSIX only."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import time
from types import TracebackType
from typing import Final, Self

from agent.people.prompt import PromptRefusedError, PromptTimeoutError, PromptUnavailableError

LINE_LIMIT: Final = 64
PASSPHRASE_LIMIT: Final = 512  # 128 characters of four bytes
_ENTER: Final = b"\r\n"
_ERASE: Final = b"\x7f\x08"
_ERASE_LINE: Final = b"\x15"
_REFUSE: Final = b"\x03\x04"  # Ctrl-C and Ctrl-D: they close the question, not the program
_LOCAL_FLAGS: Final = 3  # index in the list of tcgetattr(3)


class Console:
    """Use in a `with` block. `stop_fd` becomes readable when nobody waits for the answer any more.

    Raises PromptUnavailableError when this process is not in the foreground of a terminal.
    """

    def __init__(self, path: str, stop_fd: int, timeout_s: float) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise PromptUnavailableError(f"no terminal: {error.strerror}") from error
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._poll.register(stop_fd, select.POLLIN)
        self._end = time.monotonic() + timeout_s

    def __enter__(self) -> Self:
        try:
            self._hide_keys()
        except (OSError, termios.error) as error:
            os.close(self._fd)
            raise PromptUnavailableError("not in the foreground of a terminal") from error
        return self

    def _hide_keys(self) -> None:
        _require_foreground(self._fd)
        self._saved = termios.tcgetattr(self._fd)
        keys = termios.tcgetattr(self._fd)
        keys[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        termios.tcsetattr(self._fd, termios.TCSAFLUSH, keys)  # forgets what was typed before

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(termios.error):  # a terminal that is gone needs no restoring
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._saved)
        os.close(self._fd)

    def write(self, text: str) -> None:
        """Show text."""
        os.write(self._fd, text.encode())

    def read_line(self, question: str, *, shown: bool = False, limit: int = LINE_LIMIT) -> bytearray:
        """Read a line of at most `limit` bytes; the caller wipes it.

        Raises PromptRefusedError on Ctrl-C and Ctrl-D, PromptTimeoutError, PromptUnavailableError.
        """
        self.write(question)
        keys = bytearray(limit)
        try:
            return keys[: self._fill_line(keys, shown=shown)]
        finally:
            keys[:] = bytes(limit)
            self.write("\n")

    def read_choice(self, question: str) -> str:
        """Read the first letter of a line, in lower case; empty for a bare Enter."""
        return self.read_line(question, shown=True)[:1].decode("ascii", "replace").lower()

    def _fill_line(self, keys: bytearray, *, shown: bool) -> int:
        length = 0
        while (key := self._read_key()) not in _ENTER:
            if key in _REFUSE:
                raise PromptRefusedError
            if key in _ERASE_LINE:
                length = 0
            elif key in _ERASE:
                length = _find_last_character(keys, length)
            elif length < len(keys):
                keys[length] = key[0]
                length += 1
                self.write(chr(key[0]) if shown and 0x20 < key[0] < 0x7F else "")
        return length

    def _read_key(self) -> bytearray:
        ready = [fd for fd, _ in self._poll.poll(max(0.0, self._end - time.monotonic()) * 1000)]
        if not ready:
            raise PromptTimeoutError
        if ready != [self._fd]:
            raise PromptRefusedError("nobody waits for the answer any more")
        key = bytearray(1)
        if not os.readv(self._fd, [key]):
            raise PromptUnavailableError("the terminal is gone")
        return key


def _find_last_character(keys: bytearray, length: int) -> int:
    """Where the last character of a line begins, all its bytes of UTF-8 counted in."""
    start = max(0, length - 1)
    while start and keys[start] & 0xC0 == 0x80:
        start -= 1
    return start


def write_beside(path: str, text: str) -> None:
    """Show text and leave the keys alone: another question may be open on this terminal.

    Raises PromptUnavailableError when this process is not in the foreground of a terminal.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOCTTY)
    except OSError as error:
        raise PromptUnavailableError(f"no terminal: {error.strerror}") from error
    try:
        _require_foreground(fd)
        os.write(fd, text.encode())
    except OSError as error:
        raise PromptUnavailableError("not in the foreground of a terminal") from error
    finally:
        os.close(fd)


def _require_foreground(fd: int) -> None:
    if os.tcgetpgrp(fd) != os.getpgrp():  # the system would stop a background job here (SIGTTOU)
        raise PermissionError("in the background")
