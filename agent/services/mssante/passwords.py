"""Passwords of the bridge: made here, shown once, and kept as hashes in a file of the data folder.

Each is long and random, so that a plain hash keeps it as well as a slow one would. It belongs to one mailbox of one
holder: a mailbox that the catalog gives another address or holder has none.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from agent.access.folder import write_private
from agent.services.catalog import Mailbox

FILE: Final = "mailboxes.json"
MAX_FILE: Final = 256 * 1024
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 5, 5  # 123 bits
_SALT_BYTES: Final = 16


class _Kept(msgspec.Struct, frozen=True):
    address: str
    holder: str
    salt: bytes
    hash: bytes


_NOBODY: Final = _Kept("", "", bytes(_SALT_BYTES), bytes(hashlib.sha256().digest_size))


class BridgePasswords:
    """One password for each mailbox, by the mailbox's name."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def make(self, name: str, mailbox: Mailbox) -> str:
        """Make a new one; the one before it opens nothing any more. Raises StoreError."""
        password = "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
        salt = secrets.token_bytes(_SALT_BYTES)
        kept = _Kept(mailbox.address, mailbox.holder, salt, _hash(salt, password))
        self._write({**self._read(), name: kept})
        return password

    def forget(self, name: str) -> None:
        """Have no password open the mailbox. Raises StoreError."""
        kept = self._read()
        if kept.pop(name, None) is not None:
            self._write(kept)

    def has(self, name: str, mailbox: Mailbox) -> bool:
        """Whether there is one."""
        return _belongs(self._read().get(name), mailbox)

    def find(self, names: Iterable[str], mailboxes: Mapping[str, Mailbox], password: str) -> str | None:
        """Which of these mailboxes it opens; as long for a name that is none as for one that is."""
        kept, found = self._read(), None
        for name in (*names, ""):
            own = kept.get(name, _NOBODY)
            right = hmac.compare_digest(_hash(own.salt, password), own.hash)
            if right and name in mailboxes and _belongs(own, mailboxes[name]):
                found = name
        return found

    def _read(self) -> dict[str, _Kept]:
        """A file that somebody damaged holds no password."""
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_FILE), type=dict[str, _Kept])
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}

    def _write(self, kept: Mapping[str, _Kept]) -> None:
        write_private(self._path, msgspec.json.encode(kept).decode())


def _belongs(kept: _Kept | None, mailbox: Mailbox) -> bool:
    return kept is not None and (kept.address, kept.holder) == (mailbox.address, mailbox.holder)


def _hash(salt: bytes, password: str) -> bytes:
    """As typed, but for the marks between the groups."""
    return hashlib.sha256(salt + password.replace("-", "").replace(" ", "").encode()).digest()
