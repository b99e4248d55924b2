"""Files and folders of this user alone: nothing is read through a link, nor from what belongs to somebody else."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.software.errors import EntryDamagedError, StoreError

MAX_FILE = 65_536
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe in the place of a file


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn OSError into StoreError."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}", native=error.errno) from error


def secure_folder(folder: Path) -> None:
    """Make the folder if need be, closed to others (0700). Raises StoreError if it is a link, or not ours."""
    with explained(f"the folder {folder} cannot be used"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":  # there the access list that the folder inherits does that work
            _close_to_others(folder)


def _close_to_others(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(f"the folder {folder} is a link")
    require_own(status, folder)
    if status.st_mode & 0o077:
        folder.chmod(0o700)


def require_own(status: os.stat_result, path: Path) -> None:
    """Raise StoreError for what somebody else put there: its owner can change it under us."""
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to another user")


def is_own_folder(folder: Path) -> bool:
    """Whether it is a folder of ours: no link, no file."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (sys.platform == "win32" or status.st_uid == os.geteuid())


def read_own(path: Path) -> bytes:
    """Read a small file of ours. Raises EntryDamagedError for a link, another user's, a larger one or none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW | _BINARY | _NO_WAIT)
        try:
            content = _read_small(descriptor, path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise EntryDamagedError(f"{path} cannot be read: {error.strerror}", native=error.errno) from error
    if len(content) > MAX_FILE:
        raise EntryDamagedError(f"{path} is too large")
    return content


def _read_small(descriptor: int, path: Path) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or (sys.platform != "win32" and status.st_uid != os.geteuid()):
        raise EntryDamagedError(f"{path} is no file of this user's")
    content = b""
    while len(content) <= MAX_FILE and (read := os.read(descriptor, MAX_FILE + 1)):
        content += read
    return content


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet (0600), and have it on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def fresh_name() -> str:
    """16 hex digits that no other file has."""
    return secrets.token_hex(8)
