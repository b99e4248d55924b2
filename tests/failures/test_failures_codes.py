"""The cases in which somebody could lose a try, a code or a good signature: what is said must be what happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from failure_cards import NEW_PIN, PIN, PIN_TRIES, PUK_TRIES, Moment, Plan
from failure_desk import REQUESTS, FaultyDesk, Request
from failure_faults import FAULTS, Fault
from failure_operations import OPERATIONS, Operation, fresh_session
from support.agent import Answer
from test_failures_agent import Talk, faulty_desk

from drivers.errors import CardMuteError, CardRemovedError, CardUnknownError, DriverError
from drivers.virtual.memory import Code, Codes

OPERATION = {operation.name: operation for operation in OPERATIONS}
REQUEST = {request.name: request for request in REQUESTS}
FAULT = {fault.name: fault for fault in FAULTS}
ANSWER_LOST = (
    "card pulled, late", "card exchanged, late", "taken over by another program, late", "card mute, late",
    "reader gone, late", "service stopped, late", "unlisted PC-SC result, late", "no answer", "one byte", "6F00", "6581",
    "64 KB",
)  # fmt: skip
SETS_CODE = {"pin change": "CHANGE", "pin unblock": "RESET RETRY"}


def index_of(operation: Operation, exchange: str) -> int:
    return operation.exchanges.index(exchange)


@pytest.mark.parametrize("bit", range(0, 8 * 256, 97))
def test_a_signature_with_one_wrong_bit_never_leaves_and_what_was_known_is_forgotten(bit: int) -> None:
    operation = OPERATION["sign signature sha256"]
    session = fresh_session(operation)

    def flip(moment: Moment) -> bytes:
        answer = bytearray(moment.do())
        answer[bit // 8] ^= 1 << bit % 8
        return bytes(answer)

    session.readers.begin(Plan(index_of(operation, "GET RESPONSE"), flip))
    with pytest.raises(CardUnknownError, match="does not match"):
        operation.run(session)
    assert session.store.texts == {}
    session.readers.begin(None)
    with pytest.raises(CardRemovedError):  # until the card is read anew
        operation.run(session)
    assert session.reader.sent == []
    session.open()
    operation.check(session, operation.run(session))


@pytest.mark.parametrize("name", ["verify", "sign signature sha256", "sign authentication sha256", "change"])
def test_a_card_that_loses_power_while_it_compares_has_spent_a_try_and_the_next_right_code_gives_it_back(
    name: str,
) -> None:
    """A card takes the try off before it looks (ISO 7816-4 leaves it to the card; CPS3 cards and ours do)."""
    operation = OPERATION[name]
    session = fresh_session(operation)
    codes = session.card.memory.codes

    def lose_power(moment: Moment) -> bytes:
        session.card.memory.codes = Codes(Code(PIN, PIN_TRIES - 1, PIN_TRIES), codes.puk)
        session.card.reset()
        raise CardMuteError

    session.readers.begin(Plan(index_of(operation, "VERIFY PIN"), lose_power))
    with pytest.raises(CardMuteError):
        operation.run(session)
    session.readers.begin(None)
    assert OPERATION["read tries"].run(session).tries_left == PIN_TRIES - 1  # what the next dialog shows
    operation.check(session, operation.run(session))
    assert session.card.tries == (PIN_TRIES, PUK_TRIES)


@pytest.mark.parametrize("fault", ANSWER_LOST)
@pytest.mark.parametrize("name", ["change", "unblock"])
def test_after_a_lost_answer_exactly_one_of_both_codes_opens_the_card(name: str, fault: str) -> None:
    operation = OPERATION[name]
    session = fresh_session(operation)
    at = index_of(operation, "CHANGE" if name == "change" else "RESET RETRY")
    session.readers.begin(Plan(at, FAULT[fault].happen, FAULT[fault].times))
    with pytest.raises(DriverError):
        operation.run(session)
    assert session.card.memory.codes.pin == Code(NEW_PIN, PIN_TRIES, PIN_TRIES)
    assert not session.card.verified


async def fail_at(desk: FaultyDesk, request: Request, exchange: str, fault: Fault) -> Answer:
    talk = Talk(desk, request)
    await talk.succeed()
    exchanges = [name for part in request.parts for name in OPERATION[part].exchanges]
    talk.begin(Plan(exchanges.index(exchange), fault.happen, fault.times))
    return await talk.ask()


@pytest.mark.parametrize("fault", ANSWER_LOST)
@pytest.mark.parametrize("name", SETS_CODE)
async def test_a_new_code_whose_answer_was_lost_is_said_to_be_uncertain(tmp_path: Path, name: str, fault: str) -> None:
    """The card has the new code. "Try again" would cost the tries of the old one."""
    async with faulty_desk(tmp_path / "data") as desk:
        answer = await fail_at(desk, REQUEST[name], SETS_CODE[name], FAULT[fault])
    assert answer.code == "pin-uncertain"
    assert "new code" in answer.body["detail"]
    assert "nouveau code" in answer.body["detailFr"]


@pytest.mark.parametrize("fault", ["6A80", "6700", "6982", "6985", "63C2"])
@pytest.mark.parametrize("name", SETS_CODE)
async def test_a_new_code_that_the_card_refuses_is_not_uncertain(tmp_path: Path, name: str, fault: str) -> None:
    """ISO 7816-4 §5.6: with 64xx, 67xx to 6Exx the state of the card's memory is unchanged."""

    def refuse(moment: Moment) -> bytes:
        return bytes.fromhex(fault)

    async with faulty_desk(tmp_path / "data") as desk:
        answer = await fail_at(desk, REQUEST[name], SETS_CODE[name], Fault(fault, refuse, frozenset()))
        assert desk.card.memory.codes.pin.digits == PIN
    assert answer.code == ("pin-wrong" if fault == "63C2" else "card-unknown")


@pytest.mark.parametrize("fault", ["card pulled", "card mute, late", "taken over by another program, late", "6F00"])
@pytest.mark.parametrize(
    ("name", "operation"), [("pin change", "change"), ("pin unblock", "unblock"), ("pin verify", "verify")]
)
async def test_a_code_that_was_set_is_told_though_the_card_cannot_be_looked_at_afterwards(
    tmp_path: Path, name: str, operation: str, fault: str
) -> None:
    """Else the person sets it again, with the old code, and loses tries."""
    request = REQUEST[name]
    async with faulty_desk(tmp_path / "data") as desk:
        talk = Talk(desk, request)
        await talk.succeed()
        at = sum(len(OPERATION[part].exchanges) for part in request.parts[:2])
        talk.begin(Plan(at, FAULT[fault].happen))
        answer = await talk.ask()
        assert desk.card.memory.codes.pin.digits == (PIN if operation == "verify" else NEW_PIN)
    assert answer.status == 200
    assert answer.body["pin"]["triesLeft"] is None
