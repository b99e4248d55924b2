"""PKCS#11 return values (CKR_) and the errors they mean, by the names that python-pkcs11 gives them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from drivers.errors import (
    CardError,
    CardRemovedError,
    CardUnknownError,
    CardUpdateUnfinishedError,
    DriverError,
    ModuleAbsentError,
    NotSupportedError,
    PinBlockedError,
    PinError,
    PinFormatError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pkcs11.wire import Failed, TokenStatus

CODES = {
    "HostMemory": 0x02, "SlotIDInvalid": 0x03, "GeneralError": 0x05, "FunctionFailed": 0x06, "ArgumentsBad": 0x07,
    "NoEvent": 0x08, "AttributeReadOnly": 0x10, "AttributeSensitive": 0x11, "AttributeTypeInvalid": 0x12,
    "AttributeValueInvalid": 0x13, "DataInvalid": 0x20, "DataLenRange": 0x21, "DeviceError": 0x30,
    "DeviceMemory": 0x31, "DeviceRemoved": 0x32, "EncryptedDataInvalid": 0x40, "EncryptedDataLenRange": 0x41,
    "FunctionCancelled": 0x50, "FunctionNotSupported": 0x54, "KeyHandleInvalid": 0x60, "KeySizeRange": 0x62,
    "KeyTypeInconsistent": 0x63, "KeyNotNeeded": 0x64, "KeyNeeded": 0x66, "KeyIndigestible": 0x67,
    "KeyFunctionNotPermitted": 0x68, "KeyNotWrappable": 0x69, "KeyUnextractable": 0x6A, "MechanismInvalid": 0x70,
    "MechanismParamInvalid": 0x71, "ObjectHandleInvalid": 0x82, "OperationActive": 0x90,
    "OperationNotInitialized": 0x91, "PinIncorrect": 0xA0, "PinInvalid": 0xA1, "PinLenRange": 0xA2,
    "PinExpired": 0xA3, "PinLocked": 0xA4, "SessionClosed": 0xB0, "SessionCount": 0xB1, "SessionHandleInvalid": 0xB3,
    "SessionReadOnly": 0xB5, "SessionExists": 0xB6, "SessionReadOnlyExists": 0xB7, "SessionReadWriteSOExists": 0xB8,
    "SignatureInvalid": 0xC0, "SignatureLenRange": 0xC1, "TemplateIncomplete": 0xD0, "TemplateInconsistent": 0xD1,
    "TokenNotPresent": 0xE0, "TokenNotRecognised": 0xE1, "TokenWriteProtected": 0xE2,
    "UnwrappingKeyHandleInvalid": 0xF0, "UnwrappingKeySizeRange": 0xF1, "UnwrappingKeyTypeInconsistent": 0xF2,
    "UserAlreadyLoggedIn": 0x100, "UserNotLoggedIn": 0x101, "UserPinNotInitialized": 0x102,
    "AnotherUserAlreadyLoggedIn": 0x104, "UserTooManyTypes": 0x105, "WrappedKeyInvalid": 0x110,
    "WrappedKeyLenRange": 0x112, "WrappingKeyHandleInvalid": 0x113, "WrappingKeySizeRange": 0x114,
    "WrappingKeyTypeInconsistent": 0x115, "RandomSeedNotSupported": 0x120, "RandomNoRNG": 0x121,
    "DomainParamsInvalid": 0x130, "ExceededMaxIterations": 0x1B5, "PinTooWeak": 0x1B8, "PublicKeyInvalid": 0x1B9,
    "FunctionRejected": 0x200,
}  # fmt: skip
NAMES = {number: name for name, number in CODES.items()}

CKR_ASIP_BAD_EF_ACTUA = 0x8000_0001
"""CKR_VENDOR_DEFINED + 1 of the ANS library, at C_OpenSession: an update of the card was interrupted."""

ANS_LIBRARY = "cps3_pkcs11"

MODULE_UNLOADABLE = "ModuleUnloadable"
"""Ours: the library cannot be loaded or initialised."""

KEY_ABSENT = "KeyAbsent"
"""Ours: no private key has that CKA_ID, also after the code was given."""

ERRORS: dict[str, type[DriverError]] = {
    **dict.fromkeys(
        ("SlotIDInvalid", "DeviceRemoved", "SessionClosed", "SessionHandleInvalid", "TokenNotPresent"), CardRemovedError
    ),
    **dict.fromkeys(("PinInvalid", "PinLenRange", "PinTooWeak"), PinFormatError),
    **dict.fromkeys(
        (
            "FunctionNotSupported", "KeyTypeInconsistent", "KeyFunctionNotPermitted", "MechanismInvalid",
            "MechanismParamInvalid", "DataInvalid", "DataLenRange", "TokenWriteProtected", "UserPinNotInitialized",
            KEY_ABSENT,
        ),
        NotSupportedError,
    ),
    "PinLocked": PinBlockedError,
    "TokenNotRecognised": CardUnknownError,
    MODULE_UNLOADABLE: ModuleAbsentError,
}  # fmt: skip


SETTING_STEPS = ("C_SetPIN", "C_InitPIN")
"""After another refusal of these than of the code itself, the token may have the new code."""


def error_of(failed: Failed, module: str) -> DriverError:
    """The error that a refusal of `module` means; `native` is the CKR_ number where it is known."""
    number = int(failed.error, 16) if re.fullmatch("0x[0-9a-f]{1,16}", failed.error) else CODES.get(failed.error)
    name = failed.error if number is None else NAMES.get(number, failed.error)
    error = _error(name, number, failed.status, module)(f"{module}: {failed.step or 'call'}: {name}")
    if failed.step in SETTING_STEPS and not isinstance(error, PinError | PinFormatError | NotSupportedError):
        error = PinUncertainError(str(error))
    error.native = number
    return error


def _error(name: str, number: int | None, status: TokenStatus | None, module: str) -> Callable[[str], DriverError]:
    if name == "PinIncorrect":
        return functools.partial(_refused_code, status)
    if number == CKR_ASIP_BAD_EF_ACTUA and ANS_LIBRARY in module:
        return CardUpdateUnfinishedError
    return ERRORS.get(name, CardError)


def _refused_code(status: TokenStatus | None, text: str) -> DriverError:
    """OpenSC answers CKR_PIN_INCORRECT to the last wrong try; the token's flags tell that it is blocked now."""
    if status is not None and status.locked:
        return PinBlockedError(text)
    return PinWrongError(text, tries_left=tries_left(status))


def tries_left(status: TokenStatus | None) -> int | None:
    """PKCS#11 tells only of the last try and of none; anything else is unknown."""
    if status is None:
        return None
    if status.locked:
        return 0
    return 1 if status.final_try else None
