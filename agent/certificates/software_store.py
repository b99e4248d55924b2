"""The store of software keys, with the secrets that the system's key store keeps for it. Imported at first use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agent.keystore import KeyStore, KeyStoreUnavailableError, open_key_store
from drivers.software.errors import WrappingUnavailableError
from drivers.software.store import SoftwareStore
from drivers.software.vault import WrappingKeys

T = TypeVar("T")


class SystemWrapping(WrappingKeys):
    """Secrets in the system's key store, which is looked for anew while there was none: it may start later."""

    def __init__(self, open_store: Callable[[], KeyStore] = open_key_store) -> None:
        self._open_store = open_store

    def get(self, name: str) -> bytearray | None:
        """See WrappingKeys."""
        return self._call(lambda store: store.get(name))

    def set(self, name: str, secret: bytearray) -> None:
        """See WrappingKeys."""
        self._call(lambda store: store.set(name, secret))

    def delete(self, name: str) -> None:
        """See WrappingKeys."""
        self._call(lambda store: store.delete(name))

    def _call(self, work: Callable[[KeyStore], T]) -> T:
        try:
            return work(self._open_store())
        except KeyStoreUnavailableError as error:
            raise WrappingUnavailableError(str(error)) from error


def open_store(folder: Path) -> SoftwareStore:
    """The store of that folder; nothing is made or read yet."""
    return SoftwareStore(folder, SystemWrapping())


def has_key_store() -> bool:
    """Whether the system's key store answers now. Blocks."""
    try:
        open_key_store().get("is-there-one")
    except KeyStoreUnavailableError:
        return False
    return True
