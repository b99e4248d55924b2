"""What software keys add to the tree of errors."""

from __future__ import annotations

from drivers.errors import CardRemovedError, DriverError, NotSupportedError, RetriableError


class KeyFileError(DriverError):
    """The file holds no key and certificate that can be read."""


class PassphraseNeededError(KeyFileError):
    """The file opens with a passphrase only, and none was given."""


class TooCostlyError(KeyFileError):
    """Opening the file would take more computing than any honest file asks for."""


class KeyMismatchError(KeyFileError):
    """The private key belongs to none of the certificates given."""


class KeyKindError(NotSupportedError):
    """The key is of a kind that is not used here: anything but RSA of 2048 to 8192 bits."""


class StoreError(DriverError):
    """The folder of the software keys cannot be used: full, shared, somebody else's, or in the way."""


class EntryDamagedError(StoreError):
    """What is kept of one key is damaged; the others are not concerned."""


class EntryGoneError(CardRemovedError):
    """The key was removed, here or by another process."""


class SecretGoneError(DriverError):
    """The system's key store no longer has the secret that opens this key: import it again."""


class WrappingUnavailableError(RetriableError):
    """The system's key store cannot be used now."""
