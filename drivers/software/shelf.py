"""A folder of folders, each whole or absent: what is put there, or taken away, is renamed in one step."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from drivers.atomic import sync_folder
from drivers.software.errors import EntryGoneError, StoreError
from drivers.software.files import explained, fresh_name, is_own_folder, secure_folder, write_new

WORKSHOP, BIN = ".new-", ".gone-"
STALE_S = 3600.0
"""After this long what a killed process left is swept away: nobody can be at work on it any more."""


class Shelf:
    """The folders of `path` whose names match `names`, of this user alone, at most `room` of them.

    `empty` is called with a folder before its files are deleted. Any process of the user may use the shelf at the
    same time. Raises StoreError when it cannot be used.
    """

    def __init__(self, path: Path, names: re.Pattern[str], room: int, empty: Callable[[Path], None]) -> None:
        self.path = path
        self._names = names
        self._room = room
        self._empty = empty

    def list_folders(self) -> list[Path]:
        """Those that are there, by their names; none where there is no shelf yet."""
        if not self.path.exists():
            return []
        secure_folder(self.path)
        with explained(f"the folder {self.path} cannot be read"):
            names = sorted(path.name for path in self.path.iterdir() if self._names.fullmatch(path.name))
        return [folder for name in names[: self._room] if is_own_folder(folder := self.path / name)]

    def find(self, name: str) -> Path:
        """The folder of that name. Raises EntryGoneError, also for a name that none has."""
        folder = self.path / name
        if not self._names.fullmatch(name) or not is_own_folder(folder):
            raise EntryGoneError
        return folder

    def put(self, name: str, files: Mapping[str, bytes]) -> bool:
        """Put a folder there, its files written in their order; False when there is one of that name already."""
        secure_folder(self.path)
        self.sweep()
        if len(self.list_folders()) >= self._room:
            raise StoreError(f"there are {self._room} entries already in {self.path}")
        workshop = self.path / f"{WORKSHOP}{fresh_name()}"
        with explained(f"nothing can be written in {self.path}"):
            try:
                _write_folder(workshop, files)
                return self._move(workshop, self.path / name)
            finally:
                shutil.rmtree(workshop, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Take a folder away, then delete it. Raises EntryGoneError."""
        gone = self.path / f"{BIN}{fresh_name()}"
        with explained(f"{name} cannot be removed from {self.path}"):
            self.find(name).rename(gone)
            sync_folder(self.path)
        self._delete(gone)

    def sweep(self) -> None:
        """Delete what killed processes have left: folders half made, and folders half removed."""
        for pattern in (f"{WORKSHOP}*", f"{BIN}*"):
            for folder in self.path.glob(pattern):
                if is_stale(folder) and is_own_folder(folder):
                    self._delete(folder)

    def _delete(self, folder: Path) -> None:
        self._empty(folder)
        shutil.rmtree(folder, ignore_errors=True)

    def _move(self, workshop: Path, folder: Path) -> bool:
        try:
            workshop.rename(folder)
        except OSError:
            if not is_own_folder(folder):
                raise
            return False
        sync_folder(self.path)
        return True


def is_stale(path: Path) -> bool:
    """Whether nobody has written there for STALE_S; False when it is gone."""
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > STALE_S
    return False


def list_stale(folder: Path, pattern: str) -> Iterator[Path]:
    """The files of a folder that nobody has written to for STALE_S."""
    return (path for path in folder.glob(pattern) if is_stale(path))


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        write_new(folder / name, content)
    sync_folder(folder)
