"""The data folder: this user's alone. On Windows the folder's access list does that work, and modes mean nothing."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from pathlib import Path

from agent.access.errors import StoreError

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def secure_folder(folder: Path) -> None:
    """Make the folder if need be, close it to others (0700); raise StoreError if it is a link, shared, or not ours."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":
            _close_to_others(folder)
    except OSError as error:
        raise StoreError(f"the data folder {folder} cannot be used: {error.strerror}") from error


def require_own(status: os.stat_result, path: Path) -> None:
    """Refuse a file or folder that somebody else put there: its owner can change it under us."""
    if sys.platform != "win32" and status.st_uid != os.geteuid():
        raise StoreError(f"{path} belongs to another user")


def write_private(path: Path, text: str) -> None:
    """Write aside, then rename: a reader sees the old text or the new one, and no link is ever written through.

    Raises StoreError.
    """
    aside = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        _write_new(aside, text)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def _write_new(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _close_to_others(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(f"the data folder {folder} is a link")
    require_own(status, folder)
    if status.st_mode & stat.S_ISVTX:
        raise StoreError(f"the data folder {folder} is shared by design (as /tmp is): name a folder inside it")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
