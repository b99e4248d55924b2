"""Virtual cards on disk: made once, then the same card at each start, with the tries it has left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import rsa

from drivers.atomic import make_private_folder, write_atomically
from drivers.base import KeyRole
from drivers.errors import DriverError
from drivers.folder_lock import FolderLock
from drivers.virtual.authorities import load_key
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.certificates import Subject
from drivers.virtual.chip import ApduCard
from drivers.virtual.memory import Code, Codes, Memory
from drivers.virtual.personalisation import DEFAULT, Personalisation
from drivers.virtual.pkcs15 import MODULUS_BITS
from drivers.virtual.pki import TestPki, dump_key

C = TypeVar("C", bound=ApduCard)
Make = Callable[[Personalisation, dict[KeyRole, bytes], Memory, bytes | None], C]
"""What makes a card of its personalisation, certificates, memory, and what terminals have written."""


class CardFolderDamagedError(DriverError):
    """The folder of a virtual card holds something that no card wrote."""


class VirtualCardStore(Memory):
    """The memory of one card in one folder. Close it to let another process have the card."""

    def __init__(self, folder: Path, personalisation: Personalisation, lock: FolderLock) -> None:
        self._folder = folder
        self._personalisation = personalisation
        self._lock = lock
        self.keys = {role: self._key(role) for role in KeyRole}
        self.codes = self._codes()

    @classmethod
    def open(cls, folder: Path, personalisation: Personalisation = DEFAULT) -> VirtualCardStore:
        """Create or load the card of the folder. Raises FolderInUseError, CardFolderDamagedError."""
        make_private_folder(folder)
        lock = FolderLock(folder)
        try:
            return cls(folder, personalisation, lock)
        except (OSError, ValueError) as error:
            lock.release()
            raise CardFolderDamagedError(f"the virtual card in {folder} cannot be read: {error}") from error

    def card(self, pki: TestPki, make: Make[C]) -> C:
        """The card of this memory; its certificates are issued anew when PKI or personalisation changed."""
        certificates = {role: self._certificate(pki, role) for role in KeyRole}
        return make(self._personalisation, certificates, self, self._cps_data())

    def save_codes(self, codes: Codes) -> None:
        """Replace both codes and their counters."""
        write_atomically(self._folder / "codes.json", codes.to_json())
        self.codes = codes

    def save_cps_data(self, content: bytes) -> None:
        """Replace the content of CPS_DATA."""
        write_atomically(self._folder / "cps_data.bin", content)

    def close(self) -> None:
        """Give the folder back."""
        self._lock.release()

    def _codes(self) -> Codes:
        path = self._folder / "codes.json"
        if path.exists():
            return Codes.from_json(path.read_bytes())
        card = self._personalisation
        pin = Code(card.pin, card.pin_tries, card.pin_tries)
        self.save_codes(Codes(pin, Code(card.puk, card.puk_tries, card.puk_tries)))
        return self.codes

    def _key(self, role: KeyRole) -> rsa.RSAPrivateKey:
        path = self._folder / f"{role}.key.pem"
        if not path.exists():
            write_atomically(path, dump_key(rsa.generate_private_key(65537, MODULUS_BITS)))
        return load_key(path)

    def _certificate(self, pki: TestPki, role: KeyRole) -> bytes:
        """The stored certificate, which is named after all that it depends on."""
        card = self._personalisation
        subject = Subject(card.holder, card.card_number, role, card.certificate_extras)
        basis = hashlib.sha256(repr(subject).encode() + pki.issuing.certificate_der).hexdigest()[:16]
        path = self._folder / f"{role}-{basis}.der"
        if not path.exists():
            write_atomically(path, pki.issue(subject, self.keys[role].public_key()))
        return path.read_bytes()

    def _cps_data(self) -> bytes | None:
        path = self._folder / "cps_data.bin"
        return path.read_bytes() if path.exists() else None


def pki_folder(data_dir: Path) -> Path:
    """Where the test PKI of a data folder is."""
    return data_dir / "virtual" / "pki"


def open_card(data_dir: Path, personalisation: Personalisation = DEFAULT) -> VirtualCard:
    """Create or load a CPS3 of the data folder, in use until `close`; raises what open_made raises."""
    return open_made(data_dir, personalisation, VirtualCard.make)


def open_made(data_dir: Path, personalisation: Personalisation, make: Make[C]) -> C:
    """Create or load a card of the data folder, of the kind that `make` makes.

    Raises FolderInUseError, CardFolderDamagedError, PkiDamagedError.
    """
    pki = TestPki.open(pki_folder(data_dir))
    store = VirtualCardStore.open(data_dir / "virtual" / "cards" / personalisation.serial, personalisation)
    try:
        return store.card(pki, make)
    except BaseException:
        store.close()
        raise
