"""The data folder: this user's alone. On Windows the folder's access list does that work, and modes mean nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from agent.access.errors import StoreError


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


def _close_to_others(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(f"the data folder {folder} is a link")
    require_own(status, folder)
    if status.st_mode & stat.S_ISVTX:
        raise StoreError(f"the data folder {folder} is shared by design (as /tmp is): name a folder inside it")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
