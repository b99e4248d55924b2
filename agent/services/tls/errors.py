"""Why there is no TLS line to a service, told apart by who can do something about it.

What a key raises while it signs (a card that was removed, a wrong code) comes out as it was raised.
"""

from __future__ import annotations

from enum import StrEnum


class TlsError(Exception):
    """There is no line; the message says why, for the journal and the log."""


class TlsUnavailableError(TlsError):
    """Here Python and its OpenSSL can use no key that lies elsewhere; `reason` says why. Nothing was tried."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ServerUnreachableError(TlsError):
    """No connection, a proxy that refuses, an answer that is no TLS, or none in time."""


class CertificateFault(StrEnum):
    """What is wrong with a server's certificate."""

    NAME = "name"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """Nobody who is believed has issued it."""
    REVOKED = "revoked"
    OTHER = "other"


class ServerCertificateError(TlsError):
    """The server does not prove to be the one that was meant: nothing was sent to it."""

    def __init__(self, reason: CertificateFault, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ClientRefusedError(TlsError):
    """The server does not accept our certificate, or wants one where none is to be shown.

    `alert`: its word for it, as RFC 8446 §6.2 has it.
    """

    def __init__(self, alert: str) -> None:
        super().__init__(f"the server answered {alert}")
        self.alert = alert


class TlsVersionError(TlsError):
    """The two sides have no version or kind of signature in common: a CPS3 can do no TLS 1.3 and no RSA-PSS."""


class NotResumedError(TlsError):
    """The server wants the key to sign once more, where an earlier session was to be resumed."""


class KeyFaultError(TlsError):
    """The key gave something that is no signature of it."""
