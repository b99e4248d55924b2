"""What goes wrong in the agent, as return values of PKCS#11 (PKCS #11 v2.40 §5.1)."""

from __future__ import annotations

from agent.access.errors import AccessError, StoreError
from agent.cards.errors import CardUseError
from agent.door.cryptoki import (
    CKR_DEVICE_ERROR,
    CKR_DEVICE_REMOVED,
    CKR_FUNCTION_CANCELED,
    CKR_FUNCTION_FAILED,
    CKR_FUNCTION_REJECTED,
    CKR_GENERAL_ERROR,
    CKR_KEY_FUNCTION_NOT_PERMITTED,
    CKR_PIN_INCORRECT,
    CKR_PIN_LOCKED,
    CKR_TOKEN_NOT_PRESENT,
)
from agent.door.values import CryptokiError
from agent.people.prompt import PromptError, PromptRefusedError, PromptTimeoutError
from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardMuteError,
    CardRemovedError,
    DriverError,
    NotSupportedError,
    PadRefusedError,
    PinBlockedError,
    PinError,
    ReaderAbsentError,
    ReaderExclusiveError,
    ReaderRemovedError,
    RetriableError,
)

KNOWN = (CryptokiError, DriverError, PromptError, AccessError, CardUseError, StoreError)
"""Everything else is a defect of ours."""

TABLE: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int], ...] = (
    (PinBlockedError, CKR_PIN_LOCKED),
    (PinError, CKR_PIN_INCORRECT),
    (PadRefusedError, CKR_FUNCTION_REJECTED),
    ((CardRemovedError, ReaderRemovedError), CKR_DEVICE_REMOVED),
    ((CardAbsentError, ReaderAbsentError), CKR_TOKEN_NOT_PRESENT),
    # "not possible now": programs show an error and let the person try again, and keep their session
    ((CardBusyError, ReaderExclusiveError), CKR_FUNCTION_FAILED),
    (CardMuteError, CKR_DEVICE_ERROR),
    (RetriableError, CKR_FUNCTION_FAILED),
    (NotSupportedError, CKR_KEY_FUNCTION_NOT_PERMITTED),
    (DriverError, CKR_DEVICE_ERROR),
    (PromptTimeoutError, CKR_FUNCTION_CANCELED),
    (PromptRefusedError, CKR_FUNCTION_REJECTED),
    (PromptError, CKR_FUNCTION_FAILED),
    (AccessError, CKR_FUNCTION_REJECTED),
    # of a certificate that has expired or was revoked, of a key that is not lent: no way to sign with it
    (CardUseError, CKR_KEY_FUNCTION_NOT_PERMITTED),
    (StoreError, CKR_FUNCTION_FAILED),
)


def to_cryptoki(error: Exception) -> CryptokiError:
    """The return value for what KeyUses, the cards, the person or the data folder raise."""
    if isinstance(error, CryptokiError):
        return error
    found = (rv for kinds, rv in TABLE if isinstance(error, kinds))
    return CryptokiError(next(found, CKR_GENERAL_ERROR), str(error))
