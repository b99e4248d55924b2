"""PKCS#11 return values (CKR_) and the errors they mean, by the names that python-pkcs11 gives them."""

from __future__ import annotations

from drivers.errors import (
    CardError,
    CardRemovedError,
    DriverError,
    ModuleAbsentError,
    NotSupportedError,
    PinBlockedError,
    PinFormatError,
    PinWrongError,
)
from drivers.pkcs11.wire import Failed, TokenStatus

CKR_GENERAL_ERROR = 0x05
CKR_PIN_LOCKED = 0xA4

CODES = {
    "SlotIDInvalid": 0x03,
    "GeneralError": CKR_GENERAL_ERROR,
    "FunctionFailed": 0x06,
    "DataInvalid": 0x20,
    "DataLenRange": 0x21,
    "DeviceError": 0x30,
    "DeviceMemory": 0x31,
    "DeviceRemoved": 0x32,
    "FunctionNotSupported": 0x54,
    "KeyTypeInconsistent": 0x63,
    "KeyFunctionNotPermitted": 0x68,
    "MechanismInvalid": 0x70,
    "MechanismParamInvalid": 0x71,
    "PinIncorrect": 0xA0,
    "PinInvalid": 0xA1,
    "PinLenRange": 0xA2,
    "PinExpired": 0xA3,
    "PinLocked": CKR_PIN_LOCKED,
    "SessionClosed": 0xB0,
    "SessionHandleInvalid": 0xB3,
    "TokenNotPresent": 0xE0,
    "TokenNotRecognised": 0xE1,
    "UserNotLoggedIn": 0x101,
    "UserPinNotInitialized": 0x102,
}

MODULE_UNLOADABLE = "ModuleUnloadable"
"""Ours: the library cannot be loaded or initialised."""

KEY_ABSENT = "KeyAbsent"
"""Ours: no private key has that CKA_ID, also after the code was given."""

ERRORS: dict[str, type[DriverError]] = {
    **dict.fromkeys(
        ("SlotIDInvalid", "DeviceRemoved", "SessionClosed", "SessionHandleInvalid", "TokenNotPresent"), CardRemovedError
    ),
    **dict.fromkeys(("PinInvalid", "PinLenRange"), PinFormatError),
    **dict.fromkeys(
        (
            "FunctionNotSupported", "KeyTypeInconsistent", "KeyFunctionNotPermitted", "MechanismInvalid",
            "MechanismParamInvalid", "DataInvalid", "DataLenRange", "UserPinNotInitialized", KEY_ABSENT,
        ),
        NotSupportedError,
    ),
    "PinLocked": PinBlockedError,
    MODULE_UNLOADABLE: ModuleAbsentError,
}  # fmt: skip


def error_of(failed: Failed, module: str) -> DriverError:
    """The error that a refusal of `module` means; `native` is the CKR_ number where it is known."""
    text = f"{module}: {failed.step or 'call'}: {failed.error}"
    error = _refused_code(failed.status, text) if failed.error == "PinIncorrect" else _plain(failed.error, text)
    error.native = CODES.get(failed.error)
    return error


def _plain(name: str, text: str) -> DriverError:
    return ERRORS.get(name, CardError)(text)


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
