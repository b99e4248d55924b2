"""Open the SQLite file: closed to others, of the present schema, and set aside when it is damaged."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from agent.access.errors import StoreError
from agent.access.folder import require_own, secure_folder
from agent.access.schema import MIGRATIONS

BUSY_TIMEOUT_S = 5.0
MAX_VERSION = 1000  # no agent will write more: the header is damaged

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_logger = logging.getLogger(__name__)


class DamagedError(StoreError):
    """The file is no SQLite database, or a broken one."""


def open_store(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open or make the database; True when a damaged one was moved aside, so that grants and cache start empty."""
    secure_folder(path.parent)
    try:
        return _open_checked(path), False
    except DamagedError:
        aside = set_aside(path)
        _logger.warning("the database was damaged: a new one is used, the old one is kept as %s", aside.name)
        return _open_checked(path), True


def set_aside(path: Path) -> Path:
    """Rename the file and its write-ahead log, for whoever wants to look into them."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    try:
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            _move_if_there(Path(f"{path}{suffix}"), Path(f"{aside}{suffix}"))
    except OSError as error:
        raise StoreError(f"the damaged database {path} cannot be moved: {error.strerror}") from error
    return aside


def explain(error: sqlite3.Error) -> StoreError:
    """Turn SQLite's own errors into ours; the code is absent from errors that Python's module raises itself."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    return DamagedError(str(error)) if code in _DAMAGED else StoreError(str(error))


def _move_if_there(source: Path, target: Path) -> None:
    if source.exists():
        source.replace(target)


def _open_checked(path: Path) -> sqlite3.Connection:
    """Open, and close again if anything is wrong with what is inside."""
    _close_file_to_others(path)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        _prepare(connection)
    except sqlite3.Error as error:
        connection.close()
        raise explain(error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def _close_file_to_others(path: Path) -> None:
    """Make the file before SQLite does: its log and index files take the mode of the database."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"the database {path} cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb"):
        status = os.fstat(descriptor)
        require_own(status, path)
    if stat.S_IMODE(status.st_mode) & 0o077:
        path.chmod(0o600)


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a revoked grant stays revoked after a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
    connection.execute("PRAGMA trusted_schema = OFF")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedError(str(verdict))
    _migrate(connection)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date, each step whole or not at all; refuse a file that a later agent has changed."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if not 0 <= version <= MAX_VERSION:
        raise DamagedError(f"version {version}")
    if version > len(MIGRATIONS):
        raise StoreError("the database was made by a newer version of the agent")
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        with closing(connection.cursor()) as cursor:
            cursor.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
