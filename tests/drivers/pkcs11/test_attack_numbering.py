"""Attacks on who is meant by a slot: its number is the module's own, and a new worker may give it to another token."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from support.faulty import FaultyModule
from support.waiting import wait_until

from drivers.base import Deadline
from drivers.errors import CardRemovedError
from drivers.pin import Pin
from drivers.pkcs11.modules import ModuleTokens
from drivers.pkcs11.token import Pkcs11Token


@pytest.fixture
def renumbered(faulty: FaultyModule) -> Iterator[Pkcs11Token]:
    """An opened token whose slot number means another token since."""
    command = ["softhsm2-util", "--init-token", "--free", "--label", "other", "--pin", "1234", "--so-pin", "12345678"]
    subprocess.run(command, env=faulty.token.env, check=True, capture_output=True)
    tokens = ModuleTokens(faulty.workers())
    mine, other = sorted(tokens.list_states(), key=lambda state: "other" in state.name)
    token = tokens.open_slot(mine.name).open_token(Deadline(10))
    assert isinstance(token, Pkcs11Token)
    _, slot = (tokens._places or {})[other.name]
    assert slot is not None
    token._slot = slot
    faulty.calls()
    yield token
    token.close()
    wait_until(lambda: not faulty.processes(), "the end of the worker")


def code() -> Pin:
    return Pin(bytearray(b"1234"))


USES = {
    "verify": lambda token: token.verify_pin(code(), Deadline(10)),
    "change": lambda token: token.change_pin(code(), code(), Deadline(10)),
    "unblock": lambda token: token.unblock_pin(Pin(bytearray(b"12345678")), code(), Deadline(10)),
    "data": lambda token: token.read_data_objects(code(), Deadline(10)),
    "tries": lambda token: token.read_pin_status(Deadline(10)),
}


@pytest.mark.parametrize("use", USES)
def test_attack_no_code_goes_to_another_token_that_has_taken_the_slots_number(
    use: str, renumbered: Pkcs11Token, faulty: FaultyModule
) -> None:
    with pytest.raises(CardRemovedError):
        USES[use](renumbered)
    assert not {"C_Login", "C_SetPIN", "C_InitPIN"} & set(faulty.calls())
