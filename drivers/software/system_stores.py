"""Certificates in the stores of the system and of browsers, whose private keys stay out of reach from here.

Windows' CNG, macOS' Keychain and NSS use their keys themselves, behind their own questions; whoever wants one of them
here exports it as PKCS#12 first. So what is found is named, with its store, and nothing more is promised.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from drivers.errors import DriverError, RetriableError
from drivers.software.certificates import read_key_certificate
from drivers.software.errors import KeyFileError, KeyKindError
from drivers.software.pem import read_blocks

TIMEOUT_S = 10.0
MAX_FOUND = 256
SECURITY = "/usr/bin/security"
IDENTITY = re.compile(rb"^\s*\d+\) ([0-9A-F]{40}) ", re.MULTILINE)
CLASS_CERTIFICATE, CLASS_PRIVATE_KEY = b"\0\0\0\1", b"\0\0\0\3"  # CKO_CERTIFICATE, CKO_PRIVATE_KEY
PROFILES = {
    "linux": (".pki/nssdb", ".mozilla/firefox/*", "snap/firefox/common/.mozilla/firefox/*", ".thunderbird/*"),
    "darwin": ("Library/Application Support/Firefox/Profiles/*", "Library/Thunderbird/Profiles/*"),
    "win32": ("AppData/Roaming/Mozilla/Firefox/Profiles/*", "AppData/Roaming/Thunderbird/Profiles/*"),
}
"""Where programs with NSS keep their certificates, below the home folder."""


class StoreKind(StrEnum):
    """Whose store it is."""

    WINDOWS = "windows"
    KEYCHAIN = "keychain"
    NSS = "nss"


class StoreUnreadableError(RetriableError):
    """The store does not answer, or its file is in another form than known."""


@dataclass(frozen=True, slots=True)
class FoundCertificate:
    """A certificate of a key that stands elsewhere. `place`: the store's own name or folder.

    `has_key`: whether the store has the private key, None where it does not tell.
    """

    kind: StoreKind
    place: str
    certificate_der: bytes
    has_key: bool | None


class SystemStore(ABC):
    """One store, read without a question to anybody."""

    @abstractmethod
    def list_certificates(self) -> Iterator[FoundCertificate]:
        """All of them. Raises StoreUnreadableError."""


class WindowsStore(SystemStore):
    """The certificates of the current user's store "MY", through what Python has: it does not tell of keys."""

    def __init__(self, enumerate_store: Callable[[str], list[tuple[bytes, str, object]]] | None = None) -> None:
        self._enumerate = enumerate_store

    def list_certificates(self) -> Iterator[FoundCertificate]:
        """See SystemStore."""
        try:
            found = (self._enumerate or _windows_certificates)("MY")
        except OSError as error:
            raise StoreUnreadableError(f"the store MY cannot be read: {error}") from error
        for content, encoding, _ in found:
            if encoding == "x509_asn":
                yield FoundCertificate(StoreKind.WINDOWS, "MY", content, None)


class Keychain(SystemStore):
    """The keychains of macOS, through its own program, which lists certificates without asking anybody."""

    def __init__(self, run: Callable[[list[str]], bytes] | None = None) -> None:
        self._run = run or _run

    def list_certificates(self) -> Iterator[FoundCertificate]:
        """See SystemStore. Identities are told by the SHA-1 of their certificates."""
        import hashlib  # noqa: PLC0415 - for this system alone

        identities = set(IDENTITY.findall(self._run([SECURITY, "find-identity"])))
        try:
            blocks = list(read_blocks(self._run([SECURITY, "find-certificate", "-a", "-p"])))
        except KeyFileError as error:
            raise StoreUnreadableError(f"the keychain's list cannot be read: {error}") from error
        for block in blocks:
            name = hashlib.sha1(block.content, usedforsecurity=False).hexdigest().upper().encode()
            yield FoundCertificate(StoreKind.KEYCHAIN, "keychain", block.content, name in identities)


class NssStore(SystemStore):
    """The database of one profile (cert9.db, key4.db), read as it stands; the program may be running."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list_certificates(self) -> Iterator[FoundCertificate]:
        """See SystemStore. A key has the CKA_ID of its certificate; what the key is stays encrypted."""
        keys = {row[0] for row in self._query("key4.db", "select a102 from nssPrivate where a0 = ?", CLASS_PRIVATE_KEY)}
        for content, key_id in self._query(
            "cert9.db", "select a11, a102 from nssPublic where a0 = ?", CLASS_CERTIFICATE
        ):
            if isinstance(content, bytes):
                yield FoundCertificate(StoreKind.NSS, str(self._folder), content, key_id in keys)

    def _query(self, file: str, statement: str, object_class: bytes) -> list[tuple[object, ...]]:
        path = self._folder / file
        if not path.is_file():
            return []
        try:
            with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                return connection.execute(f"{statement} limit {MAX_FOUND}", (object_class,)).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnreadableError(f"{path}: {error}") from error


def list_stores(
    platform: str = sys.platform, home: Path | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[SystemStore, ...]:
    """The stores that this system may have; nothing is read yet."""
    root = home or Path(environment.get("USERPROFILE" if platform == "win32" else "HOME", "/nonexistent"))
    found: list[SystemStore] = []
    if platform == "win32":
        found.append(WindowsStore())
    if platform == "darwin":
        found.append(Keychain())
    for pattern in PROFILES.get(platform, ()):
        found += [NssStore(path.parent) for path in sorted(root.glob(f"{pattern}/cert9.db"))]
    return tuple(found)


def list_found(stores: tuple[SystemStore, ...]) -> tuple[FoundCertificate, ...]:
    """Certificates of keys that could be brought here, each once a store; a store that cannot be read is left out."""
    found: list[FoundCertificate] = []
    for store in stores:
        try:
            found += [each for each in store.list_certificates() if each.has_key is not False and _is_ours(each)]
        except DriverError:
            continue
    return tuple(dict.fromkeys(found))[:MAX_FOUND]


def _is_ours(found: FoundCertificate) -> bool:
    """Whether it is the certificate of an RSA key with a role that is known here."""
    try:
        return read_key_certificate(found.certificate_der).role is not None
    except (KeyFileError, KeyKindError):
        return False


def _windows_certificates(store: str) -> list[tuple[bytes, str, object]]:
    import ssl  # noqa: PLC0415 - heavy, and for this system alone

    certificates: list[tuple[bytes, str, object]] = getattr(ssl, "enum_certificates", lambda _: [])(store)
    return certificates


def _run(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreUnreadableError(f"{command[0]} does not answer: {error}") from error
