"""The operating system's key store: Secret Service, Windows' credentials, macOS' Keychain, through `keyring`.

Its own choice of a backend is not asked: a file of the user's could make it one that keeps secrets in clear.
"""

from __future__ import annotations

import base64
import binascii
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from agent.patience import call_in_time

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

SERVICE: Final = "cps-agent"
TIMEOUT_S: Final = 60.0  # a locked store asks the person for its own password
MAX_SECRET: Final = 512  # bytes: Windows takes 2,560, and twice as many in its encoding of base64
BACKENDS: Final = {
    "linux": ("keyring.backends.SecretService", "Keyring"),
    "win32": ("keyring.backends.Windows", "WinVaultKeyring"),
    "darwin": ("keyring.backends.macOS", "Keyring"),
}


class KeyStoreUnavailableError(Exception):
    """No key store can be used on this workstation now; the message says why."""


class KeyStore(ABC):
    """Short secrets by name. Calls may last as long as a person takes to unlock the store: not for the event loop."""

    @abstractmethod
    def get(self, name: str) -> bytearray | None:
        """Give a secret, which the caller wipes, or None. Raises KeyStoreUnavailableError."""

    @abstractmethod
    def set(self, name: str, secret: bytes | bytearray) -> None:
        """Keep a secret of at most MAX_SECRET bytes. Raises KeyStoreUnavailableError, ValueError."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Forget a secret; one that is not there is no error. Raises KeyStoreUnavailableError."""


class UnavailableKeyStore(KeyStore):
    """Stand where there is none: every call gives the reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def get(self, name: str) -> bytearray | None:
        """Raise the reason."""
        raise KeyStoreUnavailableError(f"{name}: {self.reason}")

    def set(self, name: str, secret: bytes | bytearray) -> None:  # noqa: ARG002 - the seam
        """Raise the reason."""
        raise KeyStoreUnavailableError(f"{name}: {self.reason}")

    def delete(self, name: str) -> None:
        """Raise the reason."""
        raise KeyStoreUnavailableError(f"{name}: {self.reason}")


class SystemKeyStore(KeyStore):
    """One backend of `keyring`, which takes text: secrets stand in it as base64.

    A call that gets no answer in time is left behind in its thread: nothing can end it.
    """

    def __init__(self, backend: KeyringBackend, timeout_s: float = TIMEOUT_S) -> None:
        self._backend = backend
        self._timeout_s = timeout_s

    def get(self, name: str) -> bytearray | None:
        """See KeyStore."""
        text = self._call(lambda: self._backend.get_password(SERVICE, name))
        if text is None:
            return None
        try:
            return bytearray(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise KeyStoreUnavailableError(f"{name}: somebody else has changed this secret") from error

    def set(self, name: str, secret: bytes | bytearray) -> None:
        """See KeyStore."""
        if not 0 < len(secret) <= MAX_SECRET:
            raise ValueError(f"a secret is 1 to {MAX_SECRET} bytes")
        text = base64.b64encode(secret).decode()
        self._call(lambda: self._backend.set_password(SERVICE, name, text))

    def delete(self, name: str) -> None:
        """See KeyStore."""
        if self.get(name) is not None:
            self._call(lambda: self._backend.delete_password(SERVICE, name))

    def _call(self, work: Callable[[], T]) -> T:
        try:
            return call_in_time(work, self._timeout_s, "cps-agent-key-store")
        except TimeoutError as error:
            raise KeyStoreUnavailableError("the key store does not answer: it may wait to be unlocked") from error
        except Exception as error:  # the edge to backends, each with errors of its own libraries
            raise KeyStoreUnavailableError(f"the key store failed: {error}") from error


def open_key_store(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> KeyStore:
    """The key store of this system, or one that tells why there is none. Nothing is asked of it yet."""
    if platform == "linux" and not environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return UnavailableKeyStore("no session of a desktop: nothing answers for the Secret Service")
    module, name = BACKENDS.get(platform, ("", ""))
    try:
        backend: Any = getattr(import_module(module), name)
        backend.priority  # noqa: B018 - raises where the backend cannot be used
        return SystemKeyStore(backend())
    except Exception as error:  # noqa: BLE001 - the edge to backends: ImportError, RuntimeError, those of D-Bus
        return UnavailableKeyStore(f"no key store can be used on this system: {error}")
