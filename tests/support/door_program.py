"""A PKCS#11 program that p11-kit's own client library connects to the door: a C program as far as signals go.

Run as a program of its own (`module_program`): each line names a call, and is answered with its CKR_ in hexadecimal.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CLIENT = next(iter(sorted(Path("/usr").glob("lib*/*/pkcs11/p11-kit-client.so"))), None)
"""Debian's unmodified module; None where p11-kit-modules is not installed."""
INITIALIZE, FINALIZE, SLOTS, OPEN, INFO, WAIT = 0, 1, 4, 12, 15, 67
"""Places in CK_FUNCTION_LIST (PKCS #11 v2.40, pkcs11f.h)."""
SERIAL_SESSION = 4


class Module:
    """The client's functions, with one session."""

    def __init__(self) -> None:
        functions = ctypes.c_void_p()
        ctypes.CDLL(str(CLIENT)).C_GetFunctionList(ctypes.byref(functions))
        self._functions = (ctypes.c_void_p * 68).from_address(functions.value + 8)
        self._session, self._slot = ctypes.c_ulong(), ctypes.c_ulong()
        self._room = (ctypes.c_ulong * 64)()
        self.calls: dict[str, Callable[[], int]] = {
            "initialize": lambda: self._call(INITIALIZE, None),
            "finalize": lambda: self._call(FINALIZE, None),
            "open": self._open,
            "info": lambda: self._call(INFO, self._session, self._room),
            "wait": lambda: self._call(WAIT, ctypes.c_ulong(0), ctypes.byref(self._slot), None),
        }

    def _open(self) -> int:
        count = ctypes.c_ulong(64)
        rv = self._call(SLOTS, ctypes.c_ubyte(1), self._room, ctypes.byref(count))
        if rv or not count.value:
            return rv or 0xE0
        flags, slot = ctypes.c_ulong(SERIAL_SESSION), ctypes.c_ulong(self._room[0])
        return self._call(OPEN, slot, flags, None, None, ctypes.byref(self._session))

    def _call(self, place: int, *arguments: object) -> int:
        return ctypes.CFUNCTYPE(ctypes.c_ulong)(self._functions[place])(*arguments)


def main() -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, other programs are killed by it
    module = Module()
    for line in sys.stdin:
        sys.stdout.write(f"{module.calls[line.strip()]():x}\n")
        sys.stdout.flush()


class Program:
    """The other side, in the test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def begin(self, name: str) -> None:
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()

    def finish(self) -> int:
        """The CKR_; raises EOFError when the program was killed."""
        line = self.process.stdout.readline()
        if not line:
            raise EOFError(f"the program has ended: {self.process.wait(20)}")
        return int(line, 16)

    def call(self, name: str) -> int:
        self.begin(name)
        return self.finish()


@contextlib.contextmanager
def module_program(socket_path: Path | None, env: Mapping[str, str] = os.environ) -> Iterator[Program]:
    """A program that is told this address, or none: it then looks where every client does."""
    environment = {**env, "P11_KIT_SERVER_ADDRESS": f"unix:path={socket_path}"} if socket_path else dict(env)
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Program(process)


if __name__ == "__main__":
    main()
