"""Programs that use the card without regard to others: our calls end in bounded time, and nothing is lost by it."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from support.waiting import wait_until

from agent.cards.slots import GRACE_S, SlotQueue
from drivers.base import Deadline, Digest, KeyRole
from drivers.card.cps3 import open_cps3
from drivers.errors import CardBusyError, ReaderExclusiveError
from drivers.pin import Pin
from drivers.registry import open_pcsc_readers

TIMEOUT_S = 1.0
LIMIT_S = 10.0
"""Far more than the timeout, far less than what a program without regard can take: it is no measurement."""

RESET = 0x80100068
SELECT_MF = "00A4090C023F00"


class Store(dict):
    """Remember cards as long as the test runs."""

    load = dict.get

    def save(self, profile):
        self[profile.number] = profile

    def forget(self, number):
        self.pop(number, None)


def pin():
    return Pin(bytearray(b"1234"))


@contextmanager
def tight_loop(other, *, reset=False):
    """Another program that ends and begins transactions without a gap, until the block ends."""
    stop, rounds = threading.Event(), []

    def work():
        while not stop.is_set():
            while other.begin() == RESET:
                other.reconnect()
            other.send(SELECT_MF)
            rounds.append(other.end(reset=reset))

    assert other.connect() == 0
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    wait_until(lambda: len(rounds) > 3, "the other program's transactions")
    try:
        yield rounds
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()
        other.disconnect()


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def token(slot, store):
    return open_cps3(slot, store, Deadline(30))


@pytest.mark.parametrize("reset", [False, True], ids=["left as it is", "reset each time"])
def test_a_program_that_transacts_in_a_loop_delays_a_call_by_no_more_than_its_timeout(
    inserted, token, other, store, reset
):
    """It gets the card or is told that it is busy, as the agent calls it; afterwards everything works."""

    async def call(queue):
        began = time.monotonic()
        with suppress(CardBusyError):
            await queue.run(
                lambda slot, deadline: open_cps3(slot, store, deadline).verify_pin(pin(), deadline), TIMEOUT_S
            )
        return time.monotonic() - began

    async def calls():
        queue = SlotQueue(inserted.name, lambda: open_pcsc_readers().open_slot(inserted.name), lambda: None)
        try:
            with tight_loop(other, reset=reset) as rounds:
                before = len(rounds)
                took = [await call(queue) for _ in range(3)]
                assert len(rounds) > before, "the other program goes on beside us"
            return took
        finally:
            queue.close()

    assert max(asyncio.run(calls())) < TIMEOUT_S + GRACE_S + LIMIT_S
    wait_until(lambda: works(token), "the card after the other program")
    assert token.read_pin_status(Deadline(10)).tries_left == 3


def works(token):
    try:
        token.verify_pin(pin(), Deadline(5))
    except CardBusyError:
        return False
    return True


def test_a_program_that_keeps_the_reader_is_named_at_once(token, other):
    assert other.connect(exclusive=True) == 0
    began = time.monotonic()
    key = next(key for key in token.keys if key.role is KeyRole.AUTHENTICATION)
    for call in (
        lambda: token.sign(key, [Digest("sha256", bytes(32))], pin(), Deadline(TIMEOUT_S)),
        lambda: token.read_pin_status(Deadline(TIMEOUT_S)),
    ):
        with pytest.raises(ReaderExclusiveError):
            call()
    assert time.monotonic() - began < LIMIT_S
    other.disconnect()
    assert works(token)


def test_another_program_gets_its_turn_between_the_stretches_of_a_batch(token, other, in_thread, monkeypatch):
    """A batch longer than a stretch: whoever waits for the card has it before the batch is done."""
    monkeypatch.setattr("drivers.card.token.HOLD_S", 0.0)  # one signature at a time, as on a slow card
    key, signed, turn = token.keys[0], [], []
    batch = [Digest("sha256", bytes([number]) * 32) for number in range(8)]
    assert other.connect() == 0

    def sign_all():
        while len(signed) < len(batch):
            made = token.sign(key, batch[len(signed) :], pin(), Deadline(20))
            assert len(made) == 1
            signed.extend(made)

    running = in_thread(sign_all)
    wait_until(lambda: signed, "the first signature")
    with other.transaction():
        turn.append(len(signed))
    assert running.get() is None
    other.disconnect()
    assert turn[0] < len(batch)
