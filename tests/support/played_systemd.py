"""The part of systemd that the agent's unit uses, played: a socket that it listens on, a store of descriptors, a service.

sd_listen_fds(3) and sd_notify(3): FDSTORE, FDSTOREREMOVE, FDNAME and BARRIER. What has hung up leaves the store.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

START = """
import os, sys
count, words = int(sys.argv[1]), sys.argv[2:]
for place in range(count):
    os.dup2(int(words[place]), 1000 + place)
for place in range(count):
    os.dup2(1000 + place, 3 + place)
    os.close(1000 + place)
os.environ["LISTEN_PID"] = os.environ["SYSTEMD_EXEC_PID"] = str(os.getpid())
os.execv(words[count], words[count:])
"""
"""Puts descriptors where sd_listen_fds(3) has them, and becomes the service."""


class PlayedSystemd:
    """One unit. `stored`: names and descriptors, as FDSTORE brought them."""

    def __init__(self, folder: Path, address: Path) -> None:
        self.stored: list[tuple[str, int]] = []
        self.notify_path = folder / "notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.notify_path))
        address.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(address))
        self.listening.listen()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def start(self, *words: str, env: dict[str, str]) -> subprocess.Popen[str]:
        """A run of the service."""
        with self._lock:
            passed = [("door", self.listening.fileno()), *self.stored]
        given = {
            **env,
            "NOTIFY_SOCKET": str(self.notify_path),
            "LISTEN_FDS": str(len(passed)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in passed),
        }
        numbers = [str(number) for _, number in passed]
        command = [sys.executable, "-I", "-c", START, str(len(passed)), *numbers, *words]
        return subprocess.Popen(
            command, env=given, pass_fds=[number for _, number in passed], stdout=subprocess.DEVNULL, text=True
        )

    def names(self) -> list[str]:
        """What is in the store now."""
        with self._lock:
            self._forget_ended()
            return sorted(name for name, _ in self.stored)

    def release_store(self) -> None:
        """As when the unit is stopped for good."""
        with self._lock:
            for _, number in self.stored:
                os.close(number)
            self.stored.clear()

    def close(self) -> None:
        self._ended.set()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", str(self.notify_path))
        self._thread.join()
        self.release_store()
        self._notify.close()
        self.listening.close()

    def _listen(self) -> None:
        while not self._ended.is_set():
            data, numbers, _, _ = socket.recv_fds(self._notify, 4096, 253)
            fields = dict(line.split("=", 1) for line in data.decode().splitlines())
            with self._lock:
                self._take(fields, numbers)

    def _take(self, fields: dict[str, str], numbers: list[int]) -> None:
        name = fields.get("FDNAME", "stored")
        if "FDSTORE" in fields:
            known = {os.fstat(number).st_ino for _, number in self.stored}
            for number in numbers:
                if os.fstat(number).st_ino in known:
                    os.close(number)
                else:
                    self.stored.append((name, number))
        else:
            for number in numbers:  # BARRIER
                os.close(number)
        if "FDSTOREREMOVE" in fields:
            for number in [number for kept, number in self.stored if kept == name]:
                os.close(number)
            self.stored = [(kept, number) for kept, number in self.stored if kept != name]

    def _forget_ended(self) -> None:
        poll = select.poll()
        for _, number in self.stored:
            poll.register(number, 0)
        ended = {number for number, events in poll.poll(0) if events & select.POLLHUP}
        for number in ended:
            os.close(number)
        self.stored = [(name, number) for name, number in self.stored if number not in ended]


@contextlib.contextmanager
def played_systemd(folder: Path, address: Path) -> Iterator[PlayedSystemd]:
    played = PlayedSystemd(folder, address)
    try:
        yield played
    finally:
        played.close()
