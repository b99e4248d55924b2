"""A folder as it stands: every path with its kind, rights and content; databases by what they hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

Tree = dict[str, tuple[object, ...]]


def read_tree(folder: Path) -> Tree:
    """Everything below the folder. SQLite lays free pages out as it likes: of such a file the rows count."""
    return {str(path.relative_to(folder)): _read(path) for path in sorted(folder.rglob("*"))}


def _read(path: Path) -> tuple[object, ...]:
    if path.is_symlink():
        return "link", path.readlink()
    mode = path.stat().st_mode
    if not path.is_file():
        return "folder", mode
    return "file", mode, _rows(path) if path.suffix == ".db" else path.read_bytes()


def _rows(path: Path) -> object:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            return tuple(connection.iterdump())
    except sqlite3.DatabaseError:
        return path.read_bytes()
