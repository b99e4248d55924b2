"""Who is at the other end of a socket of the door: the kernel's answer (unix(7), pidfd_open(2), proc_pid_exe(5))."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from pathlib import Path
from typing import Final

from agent.access.errors import PeerRefusedError
from agent.access.peer import Peer
from agent.access.procfs import read_program
from agent.door.identity import NOBODY, Identity
from agent.door.program import Program

SO_PEERPIDFD: Final = 77  # Linux 6.5: the process that connected, though its number may be another's by now
_CREDENTIALS: Final = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_STARTED: Final = 19  # field 22 of proc_pid_stat(5), counted behind the name in parentheses


class LocalProgram(Program):
    """A process of this user. What shares its socket with a child, or has become another program, has no name."""

    def __init__(self, pid: int, identity: Identity, pidfd: int) -> None:
        self.pid = pid
        self.user = _user_name(os.geteuid())
        self.identity = identity
        self._pidfd = pidfd

    @classmethod
    def of(cls, connection: socket.socket, known: Identity | None = None) -> LocalProgram:
        """Look at the peer of an accepted socket; `known`: as the run before this one found it.

        Raises PeerRefusedError for another user, root included.
        """
        pid, uid = _read_credentials(connection)
        Peer(uid, pid).require_same_user()
        pidfd = _open_pidfd(connection, pid)
        found = _look(pid, pidfd)
        return cls(pid, found if known in (None, found) else NOBODY, pidfd)

    def name(self) -> str:
        """See Program: "" as well once the process has ended, whoever holds its socket now."""
        now = _look(self.pid, self._pidfd)
        return now.executable if now == self.identity else ""

    def close(self) -> None:
        """Let go of the process."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


def hold_peer(connection: socket.socket) -> int:
    """A descriptor of the process at the other end, which for a client is the one that listens.

    Raises PeerRefusedError when it is another user's or has ended.
    """
    pid, uid = _read_credentials(connection)
    Peer(uid, pid).require_same_user()
    pidfd = _open_pidfd(connection, pid)
    if pidfd < 0:
        raise PeerRefusedError("the process at the other end has ended")
    return pidfd


def _read_credentials(connection: socket.socket) -> tuple[int, int]:
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError as error:
        raise PeerRefusedError("the system does not tell who has connected") from error
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    return pid, uid


def _open_pidfd(connection: socket.socket, pid: int) -> int:
    """A hold on the process, -1 when it has ended."""
    try:
        return connection.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:  # the process has ended, and its number may be another's
            return -1
    try:
        return os.pidfd_open(pid)
    except OSError:
        return -1


def _look(pid: int, pidfd: int) -> Identity:
    """Read by number, then make sure that the number was still that process's."""
    process = Path("/proc") / str(pid)
    try:
        executable = read_program(process)
        started = int((process / "stat").read_bytes().rpartition(b")")[2].split()[_STARTED])
    except (OSError, ValueError, IndexError):
        return NOBODY
    if pidfd < 0 or _has_ended(pidfd):
        return NOBODY
    return Identity(pid, started, executable)


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _user_name(uid: int) -> str:
    import pwd  # noqa: PLC0415 - POSIX only

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a user whom a directory no longer knows
        return str(uid)
