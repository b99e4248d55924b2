"""Files of the person: read with a cap, written whole or not at all, in folders that are remembered when made here."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from agent.modules.record import Record
from agent.modules.values import ModulesError, Trouble
from drivers.atomic import write_atomically

MAX_FILE: Final = 1 << 20  # bytes; policies and settings of ssh are far smaller
NEW_FILE: Final = 0o644


def read_file(path: Path) -> bytes | None:
    """The content, None where there is no file. Raises ModulesError for what is no plain file, too long or closed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait for its writer
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModulesError(Trouble.UNREADABLE, f"{path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ModulesError(Trouble.DAMAGED, f"{path} is no file")
        content = os.read(descriptor, MAX_FILE + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_FILE:
        raise ModulesError(Trouble.DAMAGED, f"{path} is larger than such files are")
    return content


def read_text(path: Path) -> str | None:
    """The same as text. Raises ModulesError where it is none."""
    content = read_file(path)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError as error:
        raise ModulesError(Trouble.DAMAGED, f"{path} is no text in UTF-8") from error


def write_file(path: Path, content: str, record: Record) -> None:
    """Replace the file as a whole, with the rights it had; a link to a file of one's own is written through."""
    try:
        record.make_folders(path.parent)
        target = _own_target(path)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else NEW_FILE
        write_atomically(target, content.encode())
        target.chmod(mode)
    except OSError as error:
        raise ModulesError(Trouble.UNWRITABLE, f"{path}: {error.strerror}") from error


def remove_file(path: Path, record: Record) -> None:
    """Remove the file, and the folders that were made for it as far as they are empty."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ModulesError(Trouble.UNWRITABLE, f"{path}: {error.strerror}") from error
    record.remove_folders()


def _own_target(path: Path) -> Path:
    """Where a write goes. Somebody else's file is not written, wherever a link leads."""
    target = path.resolve() if path.is_symlink() else path
    if target.exists() and (not target.is_file() or target.stat().st_uid != os.geteuid()):
        raise ModulesError(Trouble.FOREIGN, f"{path} is not a file of this user")
    return target
