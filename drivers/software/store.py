"""The folder of software keys: one entry, whole or absent, per certificate; each key encrypted, always."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.atomic import write_atomically
from drivers.base import Deadline
from drivers.errors import DriverError, PinWrongError
from drivers.pin import Code, Passphrase
from drivers.software.certificates import read_key_certificate
from drivers.software.entries import (
    CERTIFICATE,
    ENTRY_ID,
    INDEX,
    KEY_SUFFIX,
    MAX_CHAIN,
    Index,
    SoftwareEntry,
    chain_file,
    digest,
    encode_index,
    entry_id,
    key_file,
    now,
    read_entry,
    read_index,
    read_key,
)
from drivers.software.errors import EntryDamagedError, KeyMismatchError, WrappingUnavailableError
from drivers.software.files import explained, write_new
from drivers.software.keys import PrivateKey
from drivers.software.patience import Patience
from drivers.software.shelf import Shelf, list_stale
from drivers.software.vault import SealedKey, Vault, WrappingKeys, require_code_of, sealed_of

MAX_ENTRIES = 256

_logger = logging.getLogger(__name__)


class SoftwareStore:
    """Keep keys with their certificates. Any process of the user may use the folder at the same time.

    Each change is one rename: of a new entry's folder, or of an entry's index. Raises StoreError when the folder
    cannot be used.
    """

    def __init__(self, folder: Path, wrapping: WrappingKeys) -> None:
        self.vault = Vault(wrapping)
        self._shelf = Shelf(folder, ENTRY_ID, MAX_ENTRIES, self._forget_secret)
        self._patience = Patience()

    def list_entries(self) -> tuple[SoftwareEntry, ...]:
        """All that can be read, in the order of their ids; a damaged one costs itself alone, and is logged."""
        folders = self._shelf.list_folders()
        return tuple(entry for entry in map(_read_or_none, folders) if entry is not None)

    def list_damaged(self) -> tuple[str, ...]:
        """The ids of the entries that cannot be read; remove() takes them."""
        return tuple(folder.name for folder in self._shelf.list_folders() if _damage_of(folder) is not None)

    def find_entry(self, entry: str) -> SoftwareEntry:
        """One entry by its id. Raises EntryGoneError, EntryDamagedError."""
        return read_entry(self._shelf.find(entry))

    def uses_key(self, name: str) -> bool:
        """Whether an entry has the key that was sealed under this name."""
        return any(key_file(folder, name).exists() for folder in self._shelf.list_folders())

    def add(
        self, key: PrivateKey, certificate_der: bytes, chain_der: Sequence[bytes], passphrase: Passphrase | None
    ) -> SoftwareEntry:
        """Keep a key under a passphrase, or with None under a secret of the key store; the key stays the caller's.

        A certificate that is here already gets the new protection. Raises KeyMismatchError, KeyFileError, KeyKindError
        and what Vault.seal raises.
        """
        if read_key_certificate(certificate_der).public_key_der != key.public_der():
            raise KeyMismatchError
        self._shelf.list_folders()  # before a secret is made for a folder that cannot be used
        sealed = self.vault.seal(key, passphrase)
        try:
            return self.adopt(sealed, certificate_der, chain_der)
        except BaseException:
            with contextlib.suppress(WrappingUnavailableError):
                if not self.uses_key(sealed.name):  # kept after all: what failed came later
                    self.vault.discard(sealed)
            raise

    def adopt(self, sealed: SealedKey, certificate_der: bytes, chain_der: Sequence[bytes]) -> SoftwareEntry:
        """Keep a key that was sealed before, and was then shown to be the certificate's.

        Nothing is decrypted, and no secret deleted when it fails. Raises StoreError, KeyFileError, KeyKindError.
        """
        read_key_certificate(certificate_der)
        self.sweep()
        entry = entry_id(certificate_der)
        files = _entry_files(sealed, certificate_der, tuple(chain_der)[:MAX_CHAIN])
        if not self._shelf.put(entry, files):
            self._keep_over(entry, sealed, files)
        return self.find_entry(entry)

    def remove(self, entry: str) -> None:
        """Forget a key for good, damaged or not. Raises EntryGoneError, StoreError."""
        self._shelf.remove(entry)

    @contextlib.contextmanager
    def open_key(self, entry: str, code: Code | None, deadline: Deadline) -> Iterator[PrivateKey]:
        """Decrypt a key for one use; it is wiped at the end of the block.

        Raises what Vault.open raises, EntryGoneError, and CardBusyError past the deadline: wrong passphrases make
        the next try wait.
        """
        require_code_of(self.find_entry(entry).protection, code)
        with self._patience.one_try(entry, deadline):
            key = self.vault.open(self._read_sealed(entry), code)
        with key:
            yield key

    def change_passphrase(
        self, entries: Sequence[str], old: Passphrase, new: Passphrase, deadline: Deadline
    ) -> tuple[str, ...]:
        """Give a new passphrase to those of the entries that the old one opens, and say which.

        Raises PinWrongError when it opens none, and what open_key raises.
        """
        changed: list[str] = []
        wrong: PinWrongError | None = None
        for entry in entries:
            try:
                with self.open_key(entry, old, deadline) as key:
                    self._replace_key(self._shelf.find(entry), self.vault.seal(key, new))
            except PinWrongError as error:
                wrong = error
            else:
                changed.append(entry)
        if wrong is not None and not changed:
            raise wrong
        return tuple(changed)

    def sweep(self) -> None:
        """Delete what killed processes have left: half-made entries, half-removed ones, and keys in old protections."""
        self._shelf.sweep()
        for folder in self._shelf.list_folders():
            with contextlib.suppress(DriverError, OSError):
                index = read_index(folder)
                for left in list_stale(folder, f"*{KEY_SUFFIX}"):
                    if left != key_file(folder, index.key):
                        left.unlink()
                        self.vault.forget(left.stem)

    def _forget_secret(self, folder: Path) -> None:
        """One that stays in the key store opens nothing any more."""
        with contextlib.suppress(EntryDamagedError, WrappingUnavailableError):
            index = read_index(folder)
            self.vault.discard(sealed_of(index, b""))

    def _keep_over(self, entry: str, sealed: SealedKey, files: dict[str, bytes]) -> None:
        """There is an entry already: it gets the new key file, or gives way if it is damaged."""
        folder = self._shelf.find(entry)
        if _damage_of(folder) is None:
            self._replace_key(folder, sealed)
        else:
            self._shelf.remove(entry)
            self._shelf.put(entry, files)

    def _replace_key(self, folder: Path, sealed: SealedKey) -> None:
        """Put another key file in the place of an entry's: the index, replaced in one step, says which one counts."""
        old = read_index(folder)
        if old.key == sealed.name:
            return
        with explained("the software key cannot be written"):
            write_new(key_file(folder, sealed.name), sealed.content)
            write_atomically(folder / INDEX, encode_index(_index(sealed, old.chain)))
            key_file(folder, old.key).unlink(missing_ok=True)
        with contextlib.suppress(WrappingUnavailableError):
            self.vault.discard(sealed_of(old, b""))

    def _read_sealed(self, entry: str) -> SealedKey:
        """Read a key's file; once more if it was replaced while we looked."""
        folder = self._shelf.find(entry)
        index = read_index(folder)
        try:
            return sealed_of(index, read_key(folder, index))
        except EntryDamagedError:
            if (again := read_index(folder)) == index:
                raise
            return sealed_of(again, read_key(folder, again))


def _read_or_none(folder: Path) -> SoftwareEntry | None:
    damage = _damage_of(folder)
    if damage is None:
        return read_entry(folder)
    _logger.warning("a software key is left out: %s", damage)
    return None


def _damage_of(folder: Path) -> EntryDamagedError | None:
    try:
        read_key_certificate(read_entry(folder).certificate_der)
    except EntryDamagedError as error:
        return error
    except DriverError as error:
        return EntryDamagedError(str(error))
    return None


def _index(sealed: SealedKey, chain: tuple[str, ...]) -> Index:
    return Index(key=sealed.name, key_digest=sealed.digest, protection=sealed.protection, added_at=now(), chain=chain)


def _entry_files(sealed: SealedKey, certificate_der: bytes, chain_der: tuple[bytes, ...]) -> dict[str, bytes]:
    """In the order of writing; the index first, since it names the secret that a sweep deletes."""
    chain = {digest(der): der for der in chain_der}
    index = {INDEX: encode_index(_index(sealed, tuple(chain)))}
    certificates = {chain_file(name): der for name, der in chain.items()} | {CERTIFICATE: certificate_der}
    return index | {f"{sealed.name}{KEY_SUFFIX}": sealed.content} | certificates
