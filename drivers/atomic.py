"""Files that are whole or absent, and readable by their owner alone."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

OWNER_ONLY = 0o700


def make_private_folder(path: Path) -> None:
    """Create the folder and its parents for the owner alone; what exists stays as it is."""
    path.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file as a whole; once this returns, the new content survives a crash of the machine."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make a rename in this folder survive a crash; Windows does so by itself."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
