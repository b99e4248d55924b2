"""Attacks on what a person is told about codes: wrong advice costs tries of the right code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pkcs11 import TokenFlag
from support.faulty import FaultyModule
from support.waiting import wait_until

from drivers.base import Deadline
from drivers.errors import (
    CardBusyError,
    CardError,
    NotSupportedError,
    PinFormatError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pin import Pin
from drivers.pkcs11.module import officer_status, user_status
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.reader import CardReader
from drivers.pkcs11.results import error_of, tries_left
from drivers.pkcs11.token import Pkcs11Token
from drivers.pkcs11.wire import Failed


def pin(digits: str = "1234") -> Pin:
    return Pin(bytearray(digits.encode()))


@pytest.fixture
def token(faulty: FaultyModule) -> Iterator[Pkcs11Token]:
    tokens = ModuleTokens(faulty.workers())
    (state,) = tokens.list_states()
    token = tokens.open_slot(state.name).open_token(Deadline(10))
    yield token
    token.close()
    wait_until(lambda: not faulty.processes(), "the end of the worker")


@pytest.mark.parametrize(("function", "error"), [("C_SetPIN", PinUncertainError), ("C_Login", CardError)])
def test_attack_module_that_fails_while_it_changes_a_code_leaves_a_doubt(
    function: str, error: type[Exception], token: Pkcs11Token, faulty: FaultyModule
) -> None:
    """CKR_GENERAL_ERROR is what OpenSC says when the card's answer was lost: "try again" would cost a try."""
    faulty.fail(function, "refuse")
    with pytest.raises(error):
        token.change_pin(pin(), pin("4321"), Deadline(10))


def test_attack_module_that_fails_while_it_unblocks_a_code_leaves_a_doubt(
    token: Pkcs11Token, faulty: FaultyModule
) -> None:
    faulty.fail("C_InitPIN", "refuse")
    with pytest.raises(PinUncertainError):
        token.unblock_pin(pin("12345678"), pin(), Deadline(10))


class KeptReader(CardReader):
    """A reader whose card another program takes while the module works."""

    def __init__(self) -> None:
        self.name = "reader"

    def look(self, deadline: Deadline) -> tuple[bytes, int]:
        return b"", 1

    def reset(self, events: int | None) -> None:
        raise CardBusyError


def test_attack_new_code_is_not_called_busy_when_another_program_keeps_the_card_from_its_reset(
    token: Pkcs11Token,
) -> None:
    """Who is told to try again gives the old code, which is wrong by now."""
    token._reader, token._events = KeptReader(), 1
    with pytest.raises(CardBusyError):
        token.verify_pin(pin(), Deadline(10))
    token.change_pin(pin(), pin("4321"), Deadline(10))
    token.unblock_pin(pin("12345678"), pin("5678"), Deadline(10))
    token._reader = None
    token.verify_pin(pin("5678"), Deadline(10))


@pytest.mark.parametrize(
    ("name", "error"),
    [("PinIncorrect", PinWrongError), ("PinLenRange", PinFormatError), ("FunctionNotSupported", NotSupportedError)],
)
def test_a_new_code_that_was_refused_leaves_no_doubt(name: str, error: type[Exception]) -> None:
    assert type(error_of(Failed(name, "C_SetPIN"), "some.so")) is error


def test_attack_wrong_puk_of_a_blocked_card_is_not_called_a_blocked_puk() -> None:
    flags = TokenFlag.USER_PIN_LOCKED | TokenFlag.USER_PIN_FINAL_TRY
    assert tries_left(user_status(flags)) == 0
    assert tries_left(officer_status(flags)) is None
    assert tries_left(officer_status(flags | TokenFlag.SO_PIN_FINAL_TRY)) == 1
    assert tries_left(officer_status(flags | TokenFlag.SO_PIN_LOCKED)) == 0
