"""The folder of software keys: one entry, whole or absent, per certificate; each key encrypted, always."""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.atomic import sync_folder, write_atomically
from drivers.base import Deadline
from drivers.errors import DriverError, PinWrongError
from drivers.pin import Code, Passphrase
from drivers.software.certificates import read_key_certificate
from drivers.software.entries import (
    CERTIFICATE,
    ENTRY_ID,
    INDEX,
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
from drivers.software.errors import (
    EntryDamagedError,
    EntryGoneError,
    KeyMismatchError,
    StoreError,
    WrappingUnavailableError,
)
from drivers.software.files import explained, fresh_name, is_own_folder, secure_folder, write_new
from drivers.software.keys import PrivateKey
from drivers.software.patience import Patience
from drivers.software.vault import SealedKey, Vault, WrappingKeys, require_code_of, sealed_of

MAX_ENTRIES = 256
WORKSHOP, BIN = ".new-", ".gone-"
STALE_S = 3600.0
"""After this long what a killed process left is swept away: nobody can be at work on it any more."""

_logger = logging.getLogger(__name__)


class SoftwareStore:
    """Keep keys with their certificates. Any process of the user may use the folder at the same time.

    Each change is one rename: of a new entry's folder, or of an entry's index. Raises StoreError when the folder
    cannot be used.
    """

    def __init__(self, folder: Path, wrapping: WrappingKeys) -> None:
        self._folder = folder
        self._vault = Vault(wrapping)
        self._patience = Patience()

    def list_entries(self) -> tuple[SoftwareEntry, ...]:
        """All that can be read, in the order of their ids; a damaged one costs itself alone, and is logged."""
        return tuple(entry for entry in map(self._read_or_none, self._entry_folders()) if entry is not None)

    def list_damaged(self) -> tuple[str, ...]:
        """The ids of the entries that cannot be read; remove() takes them."""
        return tuple(folder.name for folder in self._entry_folders() if _damage_of(folder) is not None)

    def find_entry(self, entry: str) -> SoftwareEntry:
        """One entry by its id. Raises EntryGoneError, EntryDamagedError."""
        return read_entry(self._entry_folder(entry))

    def add(
        self, key: PrivateKey, certificate_der: bytes, chain_der: Sequence[bytes], passphrase: Passphrase | None
    ) -> SoftwareEntry:
        """Keep a key under a passphrase, or with None under a secret of the key store; the key stays the caller's.

        A certificate that is here already gets the new protection. Raises KeyMismatchError, KeyFileError, KeyKindError
        and what Vault.seal raises.
        """
        if read_key_certificate(certificate_der).public_key_der != key.public_der():
            raise KeyMismatchError
        secure_folder(self._folder)
        return self.adopt(self._vault.seal(key, passphrase), certificate_der, chain_der)

    def adopt(self, sealed: SealedKey, certificate_der: bytes, chain_der: Sequence[bytes]) -> SoftwareEntry:
        """Keep a key that was sealed before, and was then shown to be the certificate's.

        When it cannot be kept its secret is deleted. Raises StoreError, KeyFileError.
        """
        try:
            read_key_certificate(certificate_der)
            secure_folder(self._folder)
            self.sweep()
            self._require_room()
            self._keep(sealed, certificate_der, tuple(chain_der)[:MAX_CHAIN])
        except BaseException:
            with contextlib.suppress(WrappingUnavailableError):
                self._vault.discard(sealed)
            raise
        return self.find_entry(entry_id(certificate_der))

    def remove(self, entry: str) -> None:
        """Forget a key for good, damaged or not. Raises EntryGoneError, StoreError."""
        self._throw_away(self._entry_folder(entry))

    @contextlib.contextmanager
    def open_key(self, entry: str, code: Code | None, deadline: Deadline) -> Iterator[PrivateKey]:
        """Decrypt a key for one use; it is wiped at the end of the block.

        Raises what Vault.open raises, EntryGoneError, and CardBusyError past the deadline: wrong passphrases make
        the next try wait.
        """
        require_code_of(self.find_entry(entry).protection, code)
        with self._patience.one_try(entry, deadline):
            key = self._vault.open(self._read_sealed(entry), code)
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
                    self._replace_key(self._entry_folder(entry), self._vault.seal(key, new))
            except PinWrongError as error:
                wrong = error
            else:
                changed.append(entry)
        if wrong is not None and not changed:
            raise wrong
        return tuple(changed)

    def sweep(self) -> None:
        """Delete what killed processes have left: half-made entries with their secrets, half-removed ones."""
        for pattern in (f"{WORKSHOP}*", f"{BIN}*"):
            for folder in self._folder.glob(pattern):
                with contextlib.suppress(OSError):
                    if time.time() - folder.lstat().st_mtime > STALE_S and is_own_folder(folder):
                        self._empty(folder)

    def _throw_away(self, folder: Path) -> None:
        """Take an entry out in one step, then delete it."""
        gone = self._folder / f"{BIN}{fresh_name()}"
        with explained(f"the software key {folder.name} cannot be removed"):
            folder.rename(gone)
            sync_folder(self._folder)
        self._empty(gone)

    def _empty(self, folder: Path) -> None:
        """Delete a folder and its key's secret; one that stays in the key store opens nothing any more."""
        with contextlib.suppress(EntryDamagedError, WrappingUnavailableError):
            index = read_index(folder)
            self._vault.forget(index.key, index.protection)
        shutil.rmtree(folder, ignore_errors=True)

    def _require_room(self) -> None:
        if len(self._entry_folders()) >= MAX_ENTRIES:
            raise StoreError(f"there are {MAX_ENTRIES} software keys already")

    def _keep(self, sealed: SealedKey, certificate_der: bytes, chain_der: tuple[bytes, ...]) -> None:
        folder = self._folder / entry_id(certificate_der)
        workshop = self._folder / f"{WORKSHOP}{fresh_name()}"
        with explained("the software key cannot be written"):
            try:
                workshop.mkdir(mode=0o700)
                _write_entry(workshop, sealed, certificate_der, chain_der)
                if not _moved(workshop, folder):
                    self._keep_over(folder, workshop, sealed)
                sync_folder(self._folder)
            finally:
                shutil.rmtree(workshop, ignore_errors=True)

    def _keep_over(self, folder: Path, workshop: Path, sealed: SealedKey) -> None:
        """There is an entry already: it gets the new key file, or gives way if it is damaged."""
        if _damage_of(folder) is None:
            self._replace_key(folder, sealed)
        else:
            self._throw_away(folder)
            workshop.rename(folder)

    def _replace_key(self, folder: Path, sealed: SealedKey) -> None:
        """Put another key file in the place of an entry's: the index, replaced in one step, says which one counts."""
        old = read_index(folder)
        with explained("the software key cannot be written"):
            write_new(key_file(folder, sealed.name), sealed.content)
            write_atomically(folder / INDEX, encode_index(_index(sealed, old.chain)))
            key_file(folder, old.key).unlink(missing_ok=True)
        with contextlib.suppress(WrappingUnavailableError):
            self._vault.forget(old.key, old.protection)

    def _read_sealed(self, entry: str) -> SealedKey:
        """Read a key's file; once more if it was replaced while we looked."""
        folder = self._entry_folder(entry)
        index = read_index(folder)
        try:
            return sealed_of(index, read_key(folder, index))
        except EntryDamagedError:
            if (again := read_index(folder)) == index:
                raise
            return sealed_of(again, read_key(folder, again))

    def _entry_folder(self, entry: str) -> Path:
        folder = self._folder / entry
        if not ENTRY_ID.fullmatch(entry) or not is_own_folder(folder):
            raise EntryGoneError
        return folder

    def _entry_folders(self) -> list[Path]:
        """The folders of entries, no more of them than may be; none where there is no folder yet."""
        if not self._folder.exists():
            return []
        secure_folder(self._folder)
        with explained(f"the folder {self._folder} cannot be read"):
            names = sorted(path.name for path in self._folder.iterdir() if ENTRY_ID.fullmatch(path.name))
        return [folder for name in names[:MAX_ENTRIES] if is_own_folder(folder := self._folder / name)]

    def _read_or_none(self, folder: Path) -> SoftwareEntry | None:
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


def _write_entry(folder: Path, sealed: SealedKey, certificate_der: bytes, chain_der: tuple[bytes, ...]) -> None:
    chain = {digest(der): der for der in chain_der}
    write_new(folder / INDEX, encode_index(_index(sealed, tuple(chain))))  # first: it names the secret to sweep
    write_new(key_file(folder, sealed.name), sealed.content)
    for name, der in chain.items():
        write_new(chain_file(folder, name), der)
    write_new(folder / CERTIFICATE, certificate_der)
    sync_folder(folder)


def _moved(workshop: Path, folder: Path) -> bool:
    """Give the new folder its name; False when there is an entry of that name."""
    try:
        workshop.rename(folder)
    except OSError:
        if not is_own_folder(folder):
            raise
        return False
    return True
