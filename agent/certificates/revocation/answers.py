"""Raw OCSP answers and CRLs on disk, so that they serve until their nextUpdate without any network. The child's alone.

A file is only ever believed for what its signature says: whoever changes it gets it dropped.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

MAX_FILES = 64
MAX_BYTES = 64 * 1024 * 1024
MAX_ANSWER = 16 * 1024 * 1024
SUFFIX = ".answer"


class AnswerFiles:
    """The answers in one folder, by what was asked. A full disk keeps none: the next check fetches again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, *asked: bytes) -> bytes | None:
        """The answer kept for that question, if there is one of a possible size."""
        with contextlib.suppress(OSError), self._path(asked).open("rb") as file:
            content = file.read(MAX_ANSWER + 1)
            return content if 0 < len(content) <= MAX_ANSWER else None
        return None

    def save(self, answer: bytes, *asked: bytes) -> None:
        """Keep an answer, whole or not at all, for this user alone."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            _replace(self._path(asked), answer)
            self._prune()

    def drop(self, *asked: bytes) -> None:
        """Keep it no longer."""
        with contextlib.suppress(OSError):
            self._path(asked).unlink(missing_ok=True)

    def _path(self, asked: tuple[bytes, ...]) -> Path:
        return self._folder / (hashlib.sha256(b"\0".join(asked)).hexdigest() + SUFFIX)

    def _prune(self) -> None:
        """Leave the newest files, within number and size; what a killed child left half written goes too."""
        entries = [(file.stat(), file) for file in self._folder.iterdir() if SUFFIX in file.name]
        kept = size = 0
        for status, file in sorted(entries, key=lambda entry: entry[0].st_mtime, reverse=True):
            kept, size = kept + 1, size + status.st_size
            if kept > MAX_FILES or size > MAX_BYTES or file.name.startswith("."):
                file.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
