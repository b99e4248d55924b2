"""Sockets with a name in the file system: taken without robbing a server that lives, given back if still ours."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.access.folder import secure_folder
from agent.door.address import MAX_PATH_BYTES
from agent.door.visits import FileId, LeftListener

log = logging.getLogger(__name__)

BACKLOG: Final = 64
_TRIES: Final = 4
_LOCK_TRIES: Final = 50
_LOCK_S: Final = 0.01


class AddressTakenError(Exception):
    """Something else than a dead socket of this user stands there; it was left alone."""


class Listener:
    """A listening socket, its path and the file there; None where somebody else made it and will take it away."""

    def __init__(self, path: Path, listening: socket.socket, file: FileId | None) -> None:
        self.path = path
        self.socket = listening
        self._file = file

    @classmethod
    def claim(cls, path: Path) -> Listener:
        """Listen at `path`, in a folder closed to others. Raises AddressTakenError, StoreError, OSError."""
        secure_folder(path.parent)
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise AddressTakenError(f"{path} is longer than a socket's path can be")
        listening, aside = _listen_aside(path)
        try:
            with _alone_in(path.parent):
                _publish(aside, path)
        except BaseException:
            listening.close()
            raise
        finally:
            aside.unlink()
        return cls(path, listening, _identify(path))

    @classmethod
    def inherit(cls, left: LeftListener) -> Listener | None:
        """Take over from the run before; None when its file is gone, so that nobody would find it."""
        listening = socket.socket(fileno=left.fd)
        if left.file is not None and _identify(left.path) != left.file:
            listening.close()
            return None
        return cls(left.path, listening, left.file)

    def leave(self) -> LeftListener:
        """A duplicate for the next run: whoever connects meanwhile waits for it."""
        return LeftListener(os.dup(self.socket.fileno()), self.path, self._file)

    def close(self) -> None:
        """Stop listening, and take the file away unless somebody else's stands there now."""
        self.socket.close()
        if self._file is not None and _identify(self.path) == self._file:
            with contextlib.suppress(OSError):
                self.path.unlink()


def _listen_aside(path: Path) -> tuple[socket.socket, Path]:
    """A socket that listens under a name nobody looks for: whoever finds the real name finds it alive."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        os.fchmod(listening.fileno(), 0o600)  # Linux gives the file this mode from its first moment
        aside = path.with_name(f".{secrets.token_hex(2)}")
        listening.bind(os.fspath(aside))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening, aside


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One agent at a time: of two that find the same dead socket, the second finds the first.

    Raises AddressTakenError.
    """
    import fcntl  # noqa: PLC0415 - POSIX only

    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(_LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(_LOCK_S)
        else:
            raise AddressTakenError(f"another program keeps {folder} locked")
        yield
    finally:
        os.close(descriptor)


def _publish(aside: Path, path: Path) -> None:
    """Give the socket its name, which a link takes only if it is free. Raises AddressTakenError."""
    for _ in range(_TRIES):
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            _clear_dead(path)
        else:
            return
    raise AddressTakenError(f"{path} is taken again and again")


def _clear_dead(path: Path) -> None:
    """Take a dead socket away, moved aside and asked again: p11-kit's own server may have come meanwhile."""
    _require_dead(path)
    aside = path.with_name(f".{secrets.token_hex(2)}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    try:
        _require_dead(aside)
    except AddressTakenError:
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(aside)
        raise
    finally:
        aside.unlink(missing_ok=True)


def _require_dead(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise AddressTakenError(f"{path} is not a socket of this user")
    if is_alive(path):
        raise AddressTakenError(f"another program serves {path}")


def is_alive(path: Path) -> bool:
    """Whether somebody listens there: only a refusal says no, since a busy server answers later."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(os.fspath(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def _identify(path: Path) -> FileId | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
