"""Orders of certificates: a key and its request, kept until the certificate comes back and is found to be the key's."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.certificates.products import Product, find_product
from agent.certificates.requests import OrderSubject, build_request
from drivers.errors import DriverError
from drivers.pin import Passphrase
from drivers.software.certificates import read_key_certificate
from drivers.software.entries import KEY_NAME, KEY_SUFFIX, Protection, SoftwareEntry, digest, now
from drivers.software.errors import (
    EntryDamagedError,
    EntryGoneError,
    KeyFileError,
    KeyKindError,
    WrappingUnavailableError,
)
from drivers.software.files import fresh_name, read_own
from drivers.software.importing import find_chain, read_certificates
from drivers.software.keys import PrivateKey
from drivers.software.shelf import Shelf
from drivers.software.vault import SealedKey

if TYPE_CHECKING:
    from drivers.software.store import SoftwareStore

INDEX, REQUEST = "order.json", "request.der"
ORDER_ID: Final = re.compile(r"[0-9a-f]{16}")
MAX_ORDERS: Final = 64


class OrderGoneError(DriverError):
    """There is no such order: it was cancelled, or its certificate has come."""


class NotTheOrdersError(DriverError):
    """The certificate belongs to another key than the order's."""


class _Index(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """order.json. `key`: name of the key's file, and of its secret in the key store; `scripted`: no person agreed."""

    key: str
    key_digest: str
    protection: Protection
    product: str
    subject: OrderSubject
    created_at: datetime
    request_digest: str
    replaces: str | None = None
    scripted: bool = False

    def __post_init__(self) -> None:
        if not KEY_NAME.fullmatch(self.key) or self.created_at.tzinfo is None:
            raise ValueError("not an index that was written here")


@dataclass(frozen=True, slots=True)
class Order:
    """A certificate that was asked for. `product_id`: of what; `replaces`: id of the entry that it renews.

    `scripted`: in unattended mode, where a script stands for the person.
    """

    id: str
    product_id: str
    subject: OrderSubject
    protection: Protection
    created_at: datetime
    request_der: bytes
    replaces: str | None
    scripted: bool

    @property
    def product(self) -> Product | None:
        """What was ordered; None for what is not sold any more."""
        return find_product(self.product_id)

    @property
    def request_pem(self) -> str:
        """The request as an authority's page takes it."""
        return x509.load_der_x509_csr(self.request_der).public_bytes(Encoding.PEM).decode()

    @property
    def public_key_der(self) -> bytes:
        """The key that the certificate must be for."""
        public = x509.load_der_x509_csr(self.request_der).public_key()
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class OrderBook:
    """Orders in a folder, each whole or absent; their keys are sealed as those of the store, where they go in the end.

    Raises what the store raises: StoreError, WrappingUnavailableError.
    """

    def __init__(self, folder: Path, store: SoftwareStore) -> None:
        self._store = store
        self._shelf = Shelf(folder, ORDER_ID, MAX_ORDERS, self._forget_secret)

    def place(
        self,
        product: Product,
        subject: OrderSubject,
        passphrase: Passphrase | None,
        replaces: str | None = None,
        *,
        scripted: bool = False,
    ) -> Order:
        """Make a key, protected as SoftwareStore.add does, and its request. Raises SubjectRefusedError."""
        subject.require_fit(product)  # before a key is made, which takes a while
        self._shelf.list_folders()
        with PrivateKey.generate() as key:
            request = build_request(product, subject, key.load(trusted=True))
            sealed = self._store.vault.seal(key, passphrase)
        index = _Index(
            key=sealed.name,
            key_digest=sealed.digest,
            protection=sealed.protection,
            product=product.id,
            subject=subject,
            created_at=now(),
            request_digest=digest(request),
            replaces=replaces,
            scripted=scripted,
        )
        order = fresh_name()
        try:
            content = msgspec.json.format(msgspec.json.encode(index))
            self._shelf.put(order, {INDEX: content, f"{sealed.name}{KEY_SUFFIX}": sealed.content, REQUEST: request})
        except BaseException:
            with contextlib.suppress(WrappingUnavailableError):
                self._store.vault.discard(sealed)
            raise
        return self.find_order(order)

    def list_orders(self) -> tuple[Order, ...]:
        """Those that wait for their certificate, oldest first; a damaged one costs itself alone."""
        self._settle()
        return tuple(sorted(self._readable(), key=lambda order: (order.created_at, order.id)))

    def list_damaged(self) -> tuple[str, ...]:
        """Ids of those that cannot be read; cancel() takes them."""
        readable = {order.id for order in self._readable()}
        return tuple(folder.name for folder in self._shelf.list_folders() if folder.name not in readable)

    def find_order(self, order: str) -> Order:
        """One order. Raises OrderGoneError, EntryDamagedError."""
        return _read_order(self._find(order))

    def deliver(self, order: str, content: bytes) -> SoftwareEntry:
        """Take the certificate in a file as an authority sends it, and make a software key of it and the order's key.

        Nothing is decrypted. Raises NotTheOrdersError, OrderGoneError, KeyFileError, EntryDamagedError.
        """
        folder = self._find(order)
        waiting, sealed = _read_order(folder), _read_sealed(folder)
        certificates = read_certificates(content)
        mine = next((each for each in certificates if _public_key(each) == waiting.public_key_der), None)
        if mine is None:
            raise NotTheOrdersError
        entry = self._store.adopt(sealed, mine, find_chain(mine, certificates))
        self._shelf.remove(order)
        return entry

    def cancel(self, order: str) -> None:
        """Forget an order and its key for good. Raises OrderGoneError."""
        try:
            self._shelf.remove(order)
        except EntryGoneError as error:
            raise OrderGoneError from error

    def _find(self, order: str) -> Path:
        try:
            return self._shelf.find(order)
        except EntryGoneError as error:
            raise OrderGoneError from error

    def _readable(self) -> Iterator[Order]:
        for folder in self._shelf.list_folders():
            with contextlib.suppress(EntryDamagedError):
                yield _read_order(folder)

    def _settle(self) -> None:
        """Remove orders whose key is an entry's already: a process was killed between the two."""
        for folder in self._shelf.list_folders():
            with contextlib.suppress(EntryDamagedError, EntryGoneError):
                if self._store.uses_key(_read_index(folder).key):
                    self._shelf.remove(folder.name)

    def _forget_secret(self, folder: Path) -> None:
        """Delete the secret of an order's key, unless the key has become an entry's."""
        with contextlib.suppress(EntryDamagedError, WrappingUnavailableError):
            index = _read_index(folder)
            if not self._store.uses_key(index.key):
                self._store.vault.discard(SealedKey(index.key, b"", index.protection))


def _read_index(folder: Path) -> _Index:
    try:
        return msgspec.json.decode(read_own(folder / INDEX), type=_Index)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise EntryDamagedError(f"{folder / INDEX} is damaged") from error


def _read_order(folder: Path) -> Order:
    index, request = _read_index(folder), read_own(folder / REQUEST)
    if digest(request) != index.request_digest:
        raise EntryDamagedError(f"{folder / REQUEST} is damaged")
    return Order(
        id=folder.name,
        product_id=index.product,
        subject=index.subject,
        protection=index.protection,
        created_at=index.created_at,
        request_der=request,
        replaces=index.replaces,
        scripted=index.scripted,
    )


def _read_sealed(folder: Path) -> SealedKey:
    index = _read_index(folder)
    content = read_own(folder / f"{index.key}{KEY_SUFFIX}")
    if digest(content) != index.key_digest:
        raise EntryDamagedError(f"the key file in {folder} is damaged")
    return SealedKey(index.key, content, index.protection)


def _public_key(certificate_der: bytes) -> bytes | None:
    try:
        return read_key_certificate(certificate_der).public_key_der
    except (KeyFileError, KeyKindError):
        return None
