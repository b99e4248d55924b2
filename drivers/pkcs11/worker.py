"""The worker process: load one module and answer requests from standard input until it ends."""

from __future__ import annotations

import io
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from drivers.errors import DriverError
from drivers.pkcs11 import wire
from drivers.pkcs11.results import MODULE_UNLOADABLE

if TYPE_CHECKING:
    from drivers.pkcs11.module import Module

EXIT_CALLER_GONE = 3
EXIT_PROTOCOL = 4
GRACE_S = 1.0
LOAD_LIMIT_S = 60
"""More than any call may take: a library that hangs while it is loaded stops every thread of the interpreter."""


def main(arguments: Sequence[str]) -> int:
    """Serve the module of that path."""
    requests, answers = _take_streams()
    _end_with_the_caller()
    worker = Worker(arguments[0])
    try:
        while (read := wire.read_request(requests)) is not None:
            answers.write(wire.write_frame(worker.answer(*read)))
    except (DriverError, BrokenPipeError):
        return EXIT_PROTOCOL
    return _end(0)  # no C_Finalize: what a module does at its end must not look like a crash of ours


class Worker:
    """One module, loaded at the first request so that a failure to load it is an answer like any other."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._module: Module | None = None

    def answer(self, request: wire.Request, codes: list[bytearray]) -> wire.Answer:
        """Answer one request and wipe its codes."""
        try:
            return self._answer(request, codes)
        finally:
            for code in codes:
                code[:] = bytes(len(code))

    def _answer(self, request: wire.Request, codes: list[bytearray]) -> wire.Answer:
        if self._module is None:
            with _time_limit():
                loaded = _load(self._path)
            if isinstance(loaded, wire.Failed):
                return loaded
            self._module = loaded
        return self._module.answer(request, codes)


@contextmanager
def _time_limit() -> Iterator[None]:
    """End the process at the limit, by a signal that needs no interpreter (POSIX only)."""
    if sys.platform == "win32":
        yield
        return
    signal.alarm(LOAD_LIMIT_S)
    yield
    signal.alarm(0)


def _load(path: str) -> Module | wire.Failed:
    try:
        from drivers.pkcs11.module import load  # noqa: PLC0415 - needs python-pkcs11, whose absence is an answer
    except ImportError as error:
        return wire.Failed(MODULE_UNLOADABLE, str(error)[: wire.MAX_REASON])
    return load(path)


def _take_streams() -> tuple[io.FileIO, io.FileIO]:
    """Keep standard output for answers: what a library prints goes nowhere."""
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return io.FileIO(0, closefd=False), io.FileIO(answers, "wb")


def _end_with_the_caller() -> None:
    """End also in the middle of a call that does not return, once nobody can take its answer (POSIX only)."""
    if sys.platform != "win32":
        threading.Thread(target=_watch_caller, name="caller", daemon=True).start()


def _watch_caller() -> None:
    poll = select.poll()
    poll.register(0, 0)  # hang-up is told without being asked for
    poll.poll()
    time.sleep(GRACE_S)
    _end(EXIT_CALLER_GONE)


def _end(code: int) -> NoReturn:
    """End at once, with all that the module has started."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
