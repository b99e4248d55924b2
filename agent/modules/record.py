"""What was before: folders and databases that setting up made, and files that it changed, so that undoing is exact."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Final

from agent.modules.values import ModulesError, Trouble
from drivers.atomic import write_atomically

FILE: Final = "modules.json"
MAX_RECORD: Final = 16 << 20
MAX_PATHS: Final = 1024


class Record:
    """Paths in the order in which they were made, and first contents of changed files, in a file that goes with them.

    Each is written down before it is made: an interruption leaves a name too many, never one too few. A record that
    cannot be read counts as empty: then empty folders stay, which harms nobody.
    """

    def __init__(self, folder: Path, folder_mode: int = 0o700) -> None:
        self._file = folder / FILE
        self._folder_mode = folder_mode
        self._made, self._originals = self._read()

    def __contains__(self, path: Path) -> bool:
        return str(path) in self._made

    def add(self, path: Path) -> None:
        """Remember before it is made. Raises ModulesError."""
        for each in (*_missing(self._file.parent), path):
            if each not in self:
                self._made.append(str(each))
        self._save()

    def forget(self, path: Path) -> None:
        """Remember no more. Raises ModulesError."""
        if path in self:
            self._made.remove(str(path))
            self._save()

    def keep_original(self, path: Path, content: str) -> None:
        """Remember what a file was before it is changed for the first time. Raises ModulesError."""
        if str(path) not in self._originals:
            self._originals[str(path)] = content
            self._save()

    def original(self, path: Path) -> str | None:
        """What a file was before it was changed; None where there was none, or nobody remembers."""
        return self._originals.get(str(path))

    def forget_original(self, path: Path) -> None:
        """Remember it no more. Raises ModulesError."""
        if self._originals.pop(str(path), None) is not None:
            self._save()

    def make_folders(self, folder: Path) -> None:
        """Make a folder with its parents, and remember each. Raises OSError, ModulesError."""
        for each in _missing(folder):
            self.add(each)
            each.mkdir(mode=self._folder_mode, exist_ok=True)

    def remove_folders(self) -> None:
        """Remove what was made and is empty now; what holds anything stays, remembered for the next time."""
        for path in map(Path, reversed(self._made[:])):
            if path not in self._file.parents:
                _remove_empty(path)
                if not path.exists():
                    self.forget(path)
        if not self._originals and all(Path(path) in self._file.parents for path in self._made):
            self._end()

    def _read(self) -> tuple[list[str], dict[str, str]]:
        try:
            with self._file.open("rb") as file:
                content = json.loads(file.read(MAX_RECORD))
        except (OSError, ValueError, RecursionError):
            return [], {}
        made, originals = (
            (content.get(name) for name in ("made", "originals")) if isinstance(content, dict) else ((), ())
        )
        paths = made if isinstance(made, list) and len(made) <= MAX_PATHS and all(map(_is_path, made)) else []
        return paths, originals if isinstance(originals, dict) and all(map(_is_text, originals.values())) else {}

    def _save(self) -> None:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._file, self._text().encode())
        except OSError as error:
            raise ModulesError(Trouble.UNWRITABLE, f"{self._file}: {error.strerror}") from error

    def _text(self) -> str:
        return json.dumps({"made": self._made, "originals": self._originals}, indent=1)

    def _end(self) -> None:
        """Nothing is left but the folders of the record itself: it goes, and they with it as far as they are empty."""
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        for path in map(Path, reversed(self._made)):
            _remove_empty(path)
        self._made.clear()


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\0" not in value


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _missing(folder: Path) -> list[Path]:
    """The folder and its parents as far as they are not there, outermost first."""
    return [each for each in reversed((folder, *folder.parents)) if not each.exists()]


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
