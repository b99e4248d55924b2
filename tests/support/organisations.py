"""Keys of structures, certified by the test PKI of a data folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from drivers.pin import Passphrase
from drivers.software.entries import SoftwareEntry
from drivers.software.keys import PrivateKey
from drivers.software.store import SoftwareStore
from drivers.virtual.organisations import Offer
from drivers.virtual.pki import TestPki
from drivers.virtual.store import pki_folder


@dataclass(frozen=True)
class OrganisationKey:
    """A private key and, once certified, its certificate with those of its authorities."""

    offer: Offer
    private: rsa.RSAPrivateKey = field(repr=False)
    certificate_der: bytes = b""
    chain_der: tuple[bytes, ...] = ()

    @classmethod
    def make(cls, product: str, **changes: object) -> OrganisationKey:
        return cls(replace(Offer(product), **changes), rsa.generate_private_key(65537, 2048))

    def again(self, product: str, **changes: object) -> OrganisationKey:
        """The same key for another certificate: making keys takes a while."""
        return OrganisationKey(replace(Offer(product), **changes), self.private)

    def pem(self, password: str | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
        encryption = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
        return self.private.private_bytes(Encoding.PEM, form, encryption)

    def key(self) -> PrivateKey:
        der = self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return PrivateKey(bytearray(der))


def certify(data_dir: Path, key: OrganisationKey) -> OrganisationKey:
    pki = TestPki.open(pki_folder(data_dir))
    der = pki.issue_to_organisation(key.offer, key.private.public_key())
    *_, issuing, root = pki.chain_der()
    return replace(key, certificate_der=der, chain_der=(issuing, root))


def phrase(text: str) -> Passphrase:
    return Passphrase(bytearray(text.encode()))


def add_key(store: SoftwareStore, key: OrganisationKey, passphrase: str | None = None) -> SoftwareEntry:
    with key.key() as private:
        words = None if passphrase is None else phrase(passphrase)
        return store.add(private, key.certificate_der, key.chain_der, words)
