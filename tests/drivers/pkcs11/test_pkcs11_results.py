"""PKCS#11 return values: the errors they mean, and the names that python-pkcs11 gives to their numbers."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pkcs11
import pytest

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
    PinWrongError,
)
from drivers.pkcs11.results import CODES, KEY_ABSENT, MODULE_UNLOADABLE, error_of, tries_left
from drivers.pkcs11.wire import Failed, TokenStatus

MEANINGS = {
    "SlotIDInvalid": (0x03, CardRemovedError),
    "GeneralError": (0x05, CardError),
    "FunctionFailed": (0x06, CardError),
    "DataInvalid": (0x20, NotSupportedError),
    "DataLenRange": (0x21, NotSupportedError),
    "DeviceError": (0x30, CardError),
    "DeviceMemory": (0x31, CardError),
    "DeviceRemoved": (0x32, CardRemovedError),
    "FunctionNotSupported": (0x54, NotSupportedError),
    "KeyTypeInconsistent": (0x63, NotSupportedError),
    "0x68": (0x68, NotSupportedError),  # CKR_KEY_FUNCTION_NOT_PERMITTED, which python-pkcs11 does not know
    "MechanismInvalid": (0x70, NotSupportedError),
    "MechanismParamInvalid": (0x71, NotSupportedError),
    "PinInvalid": (0xA1, PinFormatError),
    "PinLenRange": (0xA2, PinFormatError),
    "PinExpired": (0xA3, CardError),
    "PinLocked": (0xA4, PinBlockedError),
    "SessionClosed": (0xB0, CardRemovedError),
    "SessionHandleInvalid": (0xB3, CardRemovedError),
    "TokenNotPresent": (0xE0, CardRemovedError),
    "TokenNotRecognised": (0xE1, CardUnknownError),
    "TokenWriteProtected": (0xE2, NotSupportedError),
    "UserNotLoggedIn": (0x101, CardError),
    "UserPinNotInitialized": (0x102, NotSupportedError),
    "PinTooWeak": (0x1B8, PinFormatError),
    "0xdeadbeef": (0xDEADBEEF, CardError),
    "0x80000001": (0x80000001, CardError),
    "PKCS11Error": (None, CardError),
    KEY_ABSENT: (None, NotSupportedError),
    MODULE_UNLOADABLE: (None, ModuleAbsentError),
}


def status(**flags: bool) -> TokenStatus:
    return TokenStatus(**{"count_low": False, "final_try": False, "locked": False, "initialized": True, **flags})


@pytest.mark.parametrize("name", MEANINGS)
def test_meanings(name):
    number, kind = MEANINGS[name]
    error = error_of(Failed(name, "C_Sign"), "some.so")
    assert type(error) is kind
    assert error.native == number
    assert str(error).startswith("some.so: C_Sign: ")


@pytest.mark.parametrize(
    ("given", "kind", "tries"),
    [
        (None, PinWrongError, None),
        (status(), PinWrongError, None),
        (status(count_low=True), PinWrongError, None),
        (status(count_low=True, final_try=True), PinWrongError, 1),
        (status(locked=True), PinBlockedError, 0),
        (status(locked=True, final_try=True), PinBlockedError, 0),
    ],
)
def test_a_refused_code_with_what_the_flags_tell(given, kind, tries):
    error = error_of(Failed("PinIncorrect", "C_Login", given), "some.so")
    assert type(error) is kind
    assert isinstance(error, PinError)
    assert (error.tries_left, error.native) == (tries, 0xA0)
    assert tries_left(given) == tries


def test_the_ans_library_tells_of_an_update_that_was_interrupted():
    error = error_of(Failed("0x80000001", "C_OpenSession"), "libcps3_pkcs11_lux.so")
    assert isinstance(error, CardUpdateUnfinishedError)
    assert error.native == 0x80000001


@pytest.mark.parametrize("name", ["0x", "0xzz", "0x" + "f" * 60, "", "0x68 ", "__class__", "PinIncorrect\n"])
def test_a_name_that_nobody_knows_is_an_error_of_the_card(name):
    error = error_of(Failed(name), "some.so")
    assert type(error) is CardError
    assert error.native is None


def test_every_name_of_the_library_means_something():
    names = {
        name for name, kind in vars(pkcs11).items() if inspect.isclass(kind) and issubclass(kind, pkcs11.PKCS11Error)
    }
    for name in names:
        assert isinstance(error_of(Failed(name), "some.so"), DriverError)
    ours = {"KeyFunctionNotPermitted"}  # known to it by number only
    never_of_a_module = {
        "PKCS11Error", "MultipleObjectsReturned", "MultipleTokensReturned", "NoSuchKey", "NoSuchToken",
    }  # fmt: skip
    assert set(CODES) - ours == names - never_of_a_module


ASK = """
import json, sys
from drivers.pkcs11 import wire
from drivers.pkcs11.module import load
module, at = load(sys.argv[1]), sys.argv[2]
slot = module.answer(wire.ListSlots(), []).slots[0].slot
told = {}
for number in json.loads(sys.argv[3]):
    open(at, "w").write(f"C_GetTokenInfo {number:#x}")
    told[number] = module.answer(wire.ReadStatus(slot), []).error
print(json.dumps(told))
"""


def test_the_numbers_are_those_that_a_module_gives(faulty):
    """A module refuses with every number there is: the library's name for it, and ours, lead to that number again."""
    numbers = [*range(1, 0x201), 0x80000000, 0x80000001, 0xDEADBEEF, 2**64 - 1]
    ran = subprocess.run(
        [sys.executable, "-c", ASK, str(faulty.library), str(faulty.at), json.dumps(numbers)],
        env=faulty.token.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    told = {int(number): name for number, name in json.loads(ran.stdout).items()}
    assert list(told) == numbers
    for number, name in told.items():
        error = error_of(Failed(name), "some.so")
        assert error.native == number or name == "PKCS11Error"  # which says "should never see this"
        assert CODES.get(name, number) == number
