"""The agent's side of its hidden child `_keeper`, which keeps the programs' sockets open when the agent ends.

It is started for the first program that stays, and ends after the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from agent.children import child_command, clean_environment

log = logging.getLogger(__name__)


def keeper_command() -> list[str]:
    """By its path and without `site`, where Python is not frozen in: a third of the memory."""
    if getattr(sys, "frozen", False):
        return child_command("_keeper")
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("bystander.py"))]


class Guest(Protocol):
    """A program's connection."""

    @property
    def socket(self) -> socket.socket:
        """The agent's end."""


class Keeper:
    """Holds a duplicate of each socket that is given to it, for as long as the program has its own side open."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._kept: set[Guest] = set()
        self._pid = 0
        self._pidfd = -1

    @property
    def state(self) -> tuple[int, int] | None:
        """Its process, and a duplicate of the line to it, for the run after this one."""
        return (self._pid, os.dup(self._line.fileno())) if self._line is not None else None

    def adopt(self, pid: int, line: int) -> None:
        """Take over from the run before."""
        self._line = socket.socket(fileno=line)
        self._watch(pid)

    def keep(self, guests: Iterable[Guest]) -> None:
        """Have those kept that are not yet; without a keeper their sockets end with the agent, no worse."""
        try:
            if self._line is None:
                self._start()
            for guest in guests:
                self._send(guest)
        except OSError as error:
            log.warning("the door: programs' sockets are not kept for the end of the agent: %s", error)
            self.release()

    def note(self, guest: Guest) -> None:
        """It is kept since the run before."""
        self._kept.add(guest)

    def forget(self, guest: Guest) -> None:
        """It is gone. After the last one the keeper ends by itself."""
        self._kept.discard(guest)
        if not self._kept:
            self.release()

    def detach(self) -> None:
        """End with this run: nobody listens for the keeper's own end any more."""
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self.release()

    def release(self) -> None:
        """Let it end once the sockets are closed that it still holds."""
        self._kept.clear()
        if self._line is not None:
            self._line.close()
            self._line = None

    def _send(self, guest: Guest) -> None:
        if guest not in self._kept:
            assert self._line is not None
            socket.send_fds(self._line, [b"+"], [guest.socket.fileno()])
            self._kept.add(guest)

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
