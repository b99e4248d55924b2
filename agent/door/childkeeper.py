"""The agent's side of its hidden child `_keeper`, which keeps the programs' sockets open when the agent ends.

It is started for the first program that stays, and ends after the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from agent.children import child_command, clean_environment
from agent.door.keeper import Keeper


def keeper_command() -> list[str]:
    """By its path and without `site`, where Python is not frozen in: a third of the memory."""
    if getattr(sys, "frozen", False):
        return child_command("_keeper")
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("bystander.py"))]


class ChildKeeper(Keeper):
    """Starts the child when there is something to keep. What it holds outlives this process."""

    def __init__(self) -> None:
        super().__init__()
        self._line: socket.socket | None = None
        self._pid = 0
        self._pidfd = -1

    @property
    def state(self) -> tuple[int, int] | None:
        """See Keeper."""
        return (self._pid, os.dup(self._line.fileno())) if self._line is not None else None

    def adopt(self, pid: int, line: int) -> None:
        """See Keeper."""
        self._line = socket.socket(fileno=line)
        try:
            self._watch(pid)
        except OSError:  # it has ended meanwhile; another one is made when it is needed
            self.release()

    def release(self) -> None:
        """See Keeper."""
        super().release()
        if self._line is not None:
            self._line.close()
            self._line = None

    def detach(self) -> None:
        """See Keeper: the loop listens for its end no more; a process that goes on keeps no zombie of it."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
            threading.Thread(target=_wait_for, args=(self._pid,), name="keeper's end", daemon=True).start()
        super().detach()

    def _make_ready(self) -> None:
        if self._line is None:
            self._kept.clear()
            self._start()

    def _send(self, line: socket.socket) -> None:
        assert self._line is not None
        socket.send_fds(self._line, [b"+"], [line.fileno()])

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = subprocess.Popen(
                keeper_command(),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=clean_environment(os.environ, frozenset()),
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal ends the agent, and nothing else
            )
        process.returncode = 0  # it may outlive this process, and is waited for by its descriptor
        self._line = ours
        self._watch(process.pid)

    def _watch(self, pid: int) -> None:
        self._pid, self._pidfd = pid, os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._bury, pid, self._pidfd)

    def _bury(self, pid: int, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if pid == self._pid:
            self._pid, self._pidfd = 0, -1
            self.release()


def _wait_for(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
