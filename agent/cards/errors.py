"""What keeps a card from being used although it works."""

from __future__ import annotations

from drivers.errors import CardBusyError, PinWrongError


class CardUseError(Exception):
    """A card, key or certificate cannot be used for what was asked."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class SeveralCardsError(CardUseError):
    """Several cards are present: say which one by `cardNumber`."""


class CardNotFoundError(CardUseError):
    """No card of that number is in a reader."""


class CertificateNotFoundError(CardUseError):
    """No software certificate of that id or number is kept here."""


class OrderNotFoundError(CardUseError):
    """There is no such order: it was given up, or its certificate has come."""


class OrderRefusedError(CardUseError):
    """No certificate of that product can be for such a subject."""


class CertificateMismatchError(CardUseError):
    """The file holds no certificate of the order's key."""


class KeyRefusedError(CardUseError):
    """The key or the card is not lent for that."""


class CertificateExpiredError(CardUseError):
    """The certificate of the card has expired, or is not valid yet."""


class PassphraseWrongError(PinWrongError):
    """The passphrase does not open the key: nothing is blocked by that, the next try waits a little longer."""

    def __init__(self) -> None:
        super().__init__(tries_left=None)


class CertificateRevokedError(CardUseError):
    """The certificate is known to be revoked."""


class KeyBusyError(CardBusyError):
    """The key of a software certificate was not opened in time: after wrong passphrases it waits."""
