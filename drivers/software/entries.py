"""One stored key: its folder, and the index that says which of the files in it count."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from drivers.software.errors import EntryDamagedError
from drivers.software.files import read_own

INDEX, CERTIFICATE, KEY_SUFFIX = "entry.json", "certificate.der", ".p8"
ENTRY_ID = re.compile(r"[0-9a-f]{32}")
KEY_NAME = re.compile(r"[0-9a-f]{16}")
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_CHAIN = 8


class Protection(StrEnum):
    """What opens the file of a key."""

    PASSPHRASE = "passphrase"  # noqa: S105 - a word of the API
    """Words that a person types for each use."""

    KEY_STORE = "key-store"
    """A random secret that the system's key store gives out while its user is signed in."""


class Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """entry.json. `key`: name of the key's file, and of its secret in the key store; chain: digests, issuer first."""

    key: str
    key_digest: str
    protection: Protection
    added_at: datetime
    chain: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        digests = (self.key_digest, *self.chain)
        if not KEY_NAME.fullmatch(self.key) or not all(map(DIGEST.fullmatch, digests)) or len(self.chain) > MAX_CHAIN:
            raise ValueError("not an index that was written here")
        if self.added_at.tzinfo is None:
            raise ValueError("a time without its zone")


@dataclass(frozen=True, slots=True)
class SoftwareEntry:
    """A certificate whose private key is kept. `id`: 32 hex digits of the SHA-256 of the certificate."""

    id: str
    certificate_der: bytes
    chain_der: tuple[bytes, ...]
    protection: Protection
    added_at: datetime

    @property
    def key_id(self) -> bytes:
        """What a KeyInfo calls the key."""
        return bytes.fromhex(self.id)


def entry_id(certificate_der: bytes) -> str:
    """The name of a certificate's entry."""
    return hashlib.sha256(certificate_der).hexdigest()[:32]


def digest(content: bytes) -> str:
    """What names a file of the chain, and tells that a key's file is whole."""
    return hashlib.sha256(content).hexdigest()


def key_file(folder: Path, name: str) -> Path:
    """Where the encrypted key is."""
    return folder / f"{name}{KEY_SUFFIX}"


def chain_file(name: str) -> str:
    """The file of a certificate of the chain."""
    return f"{name}.der"


def encode_index(index: Index) -> bytes:
    """The content of entry.json."""
    return msgspec.json.format(msgspec.json.encode(index))


def read_index(folder: Path) -> Index:
    """Read entry.json. Raises EntryDamagedError."""
    try:
        return msgspec.json.decode(read_own(folder / INDEX), type=Index)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise EntryDamagedError(f"{folder / INDEX} is damaged") from error


def read_entry(folder: Path) -> SoftwareEntry:
    """Read all but the key. Raises EntryDamagedError; a certificate of the chain that is damaged is left out."""
    index = read_index(folder)
    certificate = read_own(folder / CERTIFICATE)
    if entry_id(certificate) != folder.name:
        raise EntryDamagedError(f"{folder / CERTIFICATE} is damaged")
    return SoftwareEntry(folder.name, certificate, _read_chain(folder, index), index.protection, index.added_at)


def read_key(folder: Path, index: Index) -> bytes:
    """Read the encrypted key that the index names. Raises EntryDamagedError."""
    content = read_own(key_file(folder, index.key))
    if digest(content) != index.key_digest:
        raise EntryDamagedError(f"the key file in {folder} is damaged")
    return content


def now() -> datetime:
    """The time to write into an index: whole seconds, UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def _read_chain(folder: Path, index: Index) -> tuple[bytes, ...]:
    chain = []
    for name in index.chain:
        try:
            content = read_own(folder / chain_file(name))
        except EntryDamagedError:
            break
        if digest(content) != name:
            break
        chain.append(content)
    return tuple(chain)
