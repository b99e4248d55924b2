"""The reader of a card that a module uses, while another program keeps the card for itself."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
from support.waiting import wait_until

from drivers.base import CardSlot, Connection, Deadline
from drivers.errors import CardAbsentError, CardBusyError, CardRemovedError
from drivers.pkcs11 import reader
from drivers.pkcs11.reader import CardReader

ATR = bytes.fromhex("3BAC00402A001225006480000310009000")


class FakeConnection(Connection):
    def __init__(self) -> None:
        self.atr, self.events, self.reset = ATR, 7, False

    def transmit(self, apdu):
        raise AssertionError(apdu)

    def reset_at_end(self, wanted):
        self.reset = wanted


class KeptSlot(CardSlot):
    """As PC/SC is: while another program has the card, whoever wants it waits, whatever his deadline."""

    def __init__(self) -> None:
        self.name = "reader"
        self.free = threading.Event()
        self.free.set()
        self.resets = 0
        self.inside = 0
        self.present = True

    @contextmanager
    def transaction(self, deadline):
        self.inside += 1
        assert self.inside == 1, "two threads in one slot"
        try:
            self.free.wait()
            deadline.check()
            if not self.present:
                raise CardAbsentError
            connection = FakeConnection()
            yield connection
            self.resets += connection.reset
        finally:
            self.inside -= 1


@pytest.fixture
def slot(monkeypatch):
    monkeypatch.setattr(reader, "WAIT_S", 0.1)
    slot = KeptSlot()
    yield slot
    slot.free.set()


def test_a_look_tells_atr_and_count(slot):
    assert CardReader(slot).look(Deadline(10)) == (ATR, 7)
    assert slot.resets == 0


def test_what_a_transaction_raises_is_raised(slot):
    slot.present = False
    with pytest.raises(CardAbsentError):
        CardReader(slot).look(Deadline(10))
    with pytest.raises(CardAbsentError):
        CardReader(slot).reset(7)


def test_nothing_is_begun_after_the_deadline(slot):
    late = Deadline(10)
    late.cancel()
    with pytest.raises(CardBusyError):
        CardReader(slot).look(late)


@pytest.mark.parametrize("timeout_s", [60, 0.02])
def test_a_card_that_is_kept_is_busy_soon_and_works_when_it_is_let_go(slot, timeout_s):
    slot.free.clear()
    looked_at = CardReader(slot)
    for _ in range(3):
        started = time.monotonic()
        with pytest.raises(CardBusyError):
            looked_at.look(Deadline(timeout_s))
        assert time.monotonic() - started < 2
    slot.free.set()
    wait_until(lambda: not slot.inside, "those who waited")
    assert looked_at.look(Deadline(10)) == (ATR, 7)


def test_a_reset_that_could_not_be_done_is_done_when_the_card_is_let_go(slot):
    slot.free.clear()
    with pytest.raises(CardBusyError):
        CardReader(slot).reset(7)
    assert slot.resets == 0
    slot.free.set()
    wait_until(lambda: slot.resets == 1, "the reset")


def test_another_card_is_not_reset(slot):
    with pytest.raises(CardRemovedError):
        CardReader(slot).reset(6)
    assert slot.resets == 0
