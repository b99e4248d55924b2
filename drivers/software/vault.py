"""What opens key files: a person's passphrase, or a random secret that the system's key store keeps."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass

from drivers.errors import NotSupportedError, PinWrongError
from drivers.pin import Code, Passphrase
from drivers.software.entries import Index, Protection, digest
from drivers.software.errors import EntryDamagedError, SecretGoneError
from drivers.software.files import fresh_name
from drivers.software.keyfile import Cost, WrongSecretError, decrypt_key, encrypt_key
from drivers.software.keys import PrivateKey
from drivers.software.passwords import Password

SECRET_BYTES = 32
SECRET_NAME = "software-key-{}"  # noqa: S105 - a name, no secret


class WrappingKeys(ABC):
    """Small secrets in the system's key store. Each call may raise WrappingUnavailableError.

    Windows keeps no more than 2560 bytes under a name, less than an RSA key: so it keeps what opens the key's file.
    """

    @abstractmethod
    def get(self, name: str) -> bytearray | None:
        """The secret, which the caller wipes, or None."""

    @abstractmethod
    def set(self, name: str, secret: bytearray) -> None:
        """Keep the secret, which stays the caller's to wipe."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Forget the secret, if there is one."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """An encrypted key and what opens it. `name`: of its file and of its secret."""

    name: str
    content: bytes
    protection: Protection

    @property
    def digest(self) -> str:
        """What the index says of the file."""
        return digest(self.content)


class Vault:
    """Seal keys and open them."""

    def __init__(self, wrapping: WrappingKeys) -> None:
        self._wrapping = wrapping

    def seal(self, key: PrivateKey, passphrase: Passphrase | None) -> SealedKey:
        """Encrypt under the passphrase, or with None under a new secret of the key store.

        Raises WrappingUnavailableError, PinFormatError for a passphrase that was wiped.
        """
        name = fresh_name()
        if passphrase is not None:
            with Password(passphrase) as words:
                return SealedKey(name, encrypt_key(key, words.utf8, Cost.PASSPHRASE), Protection.PASSPHRASE)
        with Password.of_bytes(_new_secret()) as secret:
            content = encrypt_key(key, secret.utf8, Cost.RANDOM)
            self._wrapping.set(SECRET_NAME.format(name), secret.utf8)
        return SealedKey(name, content, Protection.KEY_STORE)

    def open(self, sealed: SealedKey, code: Code | None) -> PrivateKey:
        """Decrypt, with a Passphrase for what a passphrase protects, and None for what the key store does.

        Raises PinWrongError, SecretGoneError, WrappingUnavailableError, EntryDamagedError, NotSupportedError,
        PinFormatError.
        """
        require_code_of(sealed.protection, code)
        if isinstance(code, Passphrase):
            return _open_with_words(sealed.content, code)
        secret = self._wrapping.get(SECRET_NAME.format(sealed.name))
        if secret is None:
            raise SecretGoneError
        with Password.of_bytes(secret):
            try:
                return decrypt_key(sealed.content, secret)
            except WrongSecretError as error:
                raise EntryDamagedError("the key store's secret does not open this key") from error

    def forget(self, name: str) -> None:
        """Delete the secret of a key, if it has one. Raises WrappingUnavailableError."""
        self._wrapping.delete(SECRET_NAME.format(name))

    def discard(self, sealed: SealedKey) -> None:
        """Delete the secret of a key that is not kept. Raises WrappingUnavailableError."""
        if sealed.protection is Protection.KEY_STORE:
            self.forget(sealed.name)


def require_code_of(protection: Protection, code: Code | None) -> None:
    """Raise NotSupportedError for a code of another kind than opens the key."""
    if not isinstance(code, Passphrase if protection is Protection.PASSPHRASE else type(None)):
        raise NotSupportedError(f"this key is opened by its {protection}, and by nothing else")


def _open_with_words(content: bytes, passphrase: Passphrase) -> PrivateKey:
    with Password(passphrase) as words:
        try:
            return decrypt_key(content, words.utf8)
        except WrongSecretError as error:
            raise PinWrongError(tries_left=None) from error


def _new_secret() -> bytearray:
    """256 random bits in hexadecimal: every key store and every program takes them, `openssl pkcs8` for one."""
    return bytearray(secrets.token_hex(SECRET_BYTES).encode())


def sealed_of(index: Index, content: bytes) -> SealedKey:
    """The key of an entry as it was sealed."""
    return SealedKey(index.key, content, index.protection)
