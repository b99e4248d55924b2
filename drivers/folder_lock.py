"""One holder at a time for a folder, on every system; the system lets go when the process ends, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from drivers.errors import DriverError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_FILE = "lock"


class FolderInUseError(DriverError):
    """Another process, or this one, already holds the folder."""


class FolderLock:
    """Hold a folder until release(). Raises FolderInUseError at once when somebody else holds it."""

    def __init__(self, folder: Path) -> None:
        self._file: BinaryIO = (folder / LOCK_FILE).open("ab")
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise FolderInUseError(f"{folder} is in use by another process") from error

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()


def _lock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
