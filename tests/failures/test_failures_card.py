"""The failure matrix of drivers.card: every fault at every exchange of every operation, as the operations' traces say.

Each case ends in an error that its fault allows, or in the right result where SUCCEEDS says so, and nowhere else. Then
the card is closed, has lost a try only to a wrong code, and does the same operation as if nothing had happened.
"""

from __future__ import annotations

import time

import pytest
from failure_cards import NEW_PIN, PIN, PIN_TRIES, PUK_TRIES, WRONG_PIN, WRONG_PUK, Plan
from failure_faults import FAULTS, LINK, UNCERTAIN, Fault
from failure_operations import OPERATIONS, Operation, Session, fresh_session
from failure_successes import SUCCESSES, find_success

from drivers.errors import CardRemovedError, CardUnknownError, DriverError
from drivers.virtual.pkcs15 import REF_PUK

PAIRS = [
    (operation, fault)
    for operation in OPERATIONS
    for fault in FAULTS
    if operation.name != "first read in slices" or fault in LINK  # slices differ where a transaction ends
]
CASE_S = 5.0
MOST_EXCHANGES = 700


def run_case(operation: Operation, fault: Fault, at: int) -> None:
    session = fresh_session(operation)
    before, began = session.card.memory.codes, time.monotonic()
    session.card.asked.clear()
    session.readers.begin(Plan(at, fault.happen, fault.times))
    row, error = find_success(operation, fault, operation.exchanges[at]), None
    try:
        result = operation.run(session)
    except DriverError as raised:
        error = raised
        sets_code = operation.exchanges[at] in ("CHANGE", "RESET RETRY")
        assert type(error) in (fault.errors | UNCERTAIN if sets_code else fault.errors), repr(error)
        assert row is None or row.either, f"this should do no harm ({row.why}), and ends in {error!r}"
    else:
        assert row is not None, f"success where none is expected: {result!r}"
        if not row.believed:
            operation.check(session, result)
    assert time.monotonic() - began < CASE_S
    assert len(session.reader.sent) <= MOST_EXCHANGES
    require_closed(session, operation)
    require_tries(session, blocked=before.pin.blocked)
    require_repeat(session, operation, fault, error, forget=row is not None and row.believed)


def require_closed(session: Session, operation: Operation) -> None:
    """The card itself says so; and one that came in its place was not spoken to."""
    assert REF_PUK not in session.card.verified
    if not operation.found_open:
        assert not session.card.verified
    other = session.reader.card
    if other is not None and other is not session.card:
        assert not other.asked


def require_tries(session: Session, *, blocked: bool) -> None:
    """A try is spent by nothing but a wrong code that the card has seen."""
    wrong_pins, wrong_puks = (
        sum(code.encode() in apdu for apdu in session.card.asked) for code in (WRONG_PIN, WRONG_PUK)
    )
    pin = session.card.memory.codes.pin
    assert session.card.tries[1] == PUK_TRIES - wrong_puks
    if pin.digits == NEW_PIN:
        assert any(NEW_PIN.encode() in apdu for apdu in session.card.asked)
        assert pin.tries_left == PIN_TRIES
    else:
        assert pin.digits == PIN
        assert pin.tries_left == (0 if blocked else PIN_TRIES - wrong_pins)


def require_repeat(
    session: Session, operation: Operation, fault: Fault, error: DriverError | None, *, forget: bool
) -> None:
    """The next one works, on the same token unless the card was moved or has proved what was read of it wrong."""
    session.renew()
    if forget:
        session.store.texts.clear()
    if fault.moves and not operation.opens:
        with pytest.raises(CardRemovedError):
            operation.run(session)
    if not operation.opens and (fault.moves or isinstance(error, CardUnknownError)):
        session.open()
    operation.prepare(session)
    operation.check(session, operation.run(session))


def test_every_harmless_fault_is_still_a_case() -> None:
    """A row that covers nothing any more is dropped."""
    cases = [(operation, fault, name) for operation, fault in PAIRS for name in operation.exchanges]
    assert len(cases) > 7_000
    rows = {find_success(*case) for case in cases}
    assert [row for row in SUCCESSES if row not in rows] == []


@pytest.mark.parametrize(("operation", "fault"), PAIRS, ids=lambda value: value.name)
def test_failure_at_each_exchange(operation: Operation, fault: Fault) -> None:
    failures = []
    for at, name in enumerate(operation.exchanges):
        try:
            run_case(operation, fault, at)
        except Exception as error:  # noqa: BLE001 - whatever it is, with the exchange where it happened
            failures.append(f"exchange {at} ({name}): {type(error).__name__}: {error}")
    assert not failures, "\n".join(failures)
