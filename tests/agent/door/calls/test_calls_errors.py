"""What goes wrong, in the words of PKCS#11; and mechanisms as values."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.door_desk import Caller, DoorDesk

from agent.access.errors import AbilityRefusedError, GrantRefusedError, GrantRequiredError, StoreError
from agent.cards.errors import (
    CertificateExpiredError,
    CertificateRevokedError,
    KeyBusyError,
    KeyRefusedError,
    PassphraseWrongError,
)
from agent.cards.slots import CardStuckError
from agent.door import cryptoki as ck
from agent.door.errors import KNOWN, to_cryptoki
from agent.door.interruption import Interruption
from agent.door.values import CryptokiError, Mechanism
from agent.people.prompt import DeskBusyError, PromptRefusedError, PromptTimeoutError, PromptUnavailableError
from drivers import errors
from drivers.software.errors import SecretGoneError, WrappingUnavailableError

CASES: list[tuple[Exception, int]] = [
    (CryptokiError(ck.CKR_NO_EVENT), ck.CKR_NO_EVENT),
    (PromptRefusedError(), ck.CKR_FUNCTION_REJECTED),
    (PromptTimeoutError(), ck.CKR_FUNCTION_CANCELED),
    (PromptUnavailableError(), ck.CKR_FUNCTION_FAILED),
    (DeskBusyError(), ck.CKR_FUNCTION_FAILED),
    (GrantRefusedError(), ck.CKR_FUNCTION_REJECTED),
    (GrantRequiredError("use-signature-key"), ck.CKR_FUNCTION_REJECTED),
    (AbilityRefusedError(), ck.CKR_FUNCTION_REJECTED),
    (errors.PinWrongError(tries_left=2), ck.CKR_PIN_INCORRECT),
    (PassphraseWrongError(), ck.CKR_PIN_INCORRECT),
    (errors.PinBlockedError(), ck.CKR_PIN_LOCKED),
    (errors.PadCancelledError(), ck.CKR_FUNCTION_REJECTED),
    (errors.CardRemovedError(), ck.CKR_DEVICE_REMOVED),
    (errors.ReaderRemovedError(), ck.CKR_DEVICE_REMOVED),
    (errors.CardAbsentError(), ck.CKR_TOKEN_NOT_PRESENT),
    (errors.CardBusyError(), ck.CKR_FUNCTION_FAILED),
    (CardStuckError(), ck.CKR_FUNCTION_FAILED),
    (KeyBusyError(), ck.CKR_FUNCTION_FAILED),
    (errors.ServiceStoppedError(), ck.CKR_FUNCTION_FAILED),
    (WrappingUnavailableError(), ck.CKR_FUNCTION_FAILED),
    (errors.CardMuteError(), ck.CKR_DEVICE_ERROR),
    (errors.CardError(sw=0x6F00), ck.CKR_DEVICE_ERROR),
    (SecretGoneError(), ck.CKR_DEVICE_ERROR),
    (errors.KeyUnusableError(), ck.CKR_KEY_FUNCTION_NOT_PERMITTED),
    (errors.ContactlessError(), ck.CKR_KEY_FUNCTION_NOT_PERMITTED),
    (CertificateExpiredError(), ck.CKR_KEY_FUNCTION_NOT_PERMITTED),
    (CertificateRevokedError(), ck.CKR_KEY_FUNCTION_NOT_PERMITTED),
    (KeyRefusedError(), ck.CKR_KEY_FUNCTION_NOT_PERMITTED),
    (StoreError(), ck.CKR_FUNCTION_FAILED),
    (ValueError(), ck.CKR_GENERAL_ERROR),
]


@pytest.mark.parametrize(("error", "rv"), CASES, ids=lambda value: type(value).__name__)
def test_each_error_has_its_return_value(error: Exception, rv: int) -> None:
    assert to_cryptoki(error).rv == rv
    assert isinstance(error, KNOWN) or rv == ck.CKR_GENERAL_ERROR


def all_of(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(all_of(sub) for sub in kind.__subclasses__()))


def test_no_error_of_the_drivers_is_a_defect() -> None:
    told = {type(error) for error, _ in CASES}
    assert told & all_of(errors.DriverError)
    for kind in all_of(errors.DriverError):
        error = kind.__new__(kind)
        Exception.__init__(error, "")
        assert to_cryptoki(error).rv not in (ck.CKR_OK, ck.CKR_GENERAL_ERROR)


async def test_what_the_agent_cannot_do_is_told_and_what_is_a_defect_is_not_hidden(
    desk: DoorDesk, guest: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await guest.session()
    key = await guest.private_key(session)

    async def sign(raised: Exception) -> Any:
        raise raised

    async def attempt(raised: Exception) -> int:
        monkeypatch.setattr(type(desk.served.keys), "sign", lambda *_: sign(raised))
        await guest.call("SignInit", session, Mechanism(ck.CKM_SHA256_RSA_PKCS), key)
        return await guest.refusal("Sign", session, b"text", 256)

    assert await attempt(errors.CardBusyError()) == ck.CKR_FUNCTION_FAILED
    with pytest.raises(ZeroDivisionError):
        await attempt(ZeroDivisionError())
    assert await attempt(errors.PinBlockedError()) == ck.CKR_PIN_LOCKED
    assert await guest.refusal("GetSessionInfo", session) == ck.CKR_OK


async def test_work_that_others_give_up_is_answered() -> None:
    """A client waits for ever for an answer that does not come."""

    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(CryptokiError) as caught:
        await Interruption().run(give_up())
    assert caught.value.rv == ck.CKR_FUNCTION_CANCELED
