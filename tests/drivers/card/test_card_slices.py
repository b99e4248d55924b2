"""How long we hold a card at a stretch, by the clock of a card that is as slow as one wants."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from card_fakes import FakeSlot, FileCard, digest_of, pin, verify_signature

from drivers.base import Deadline, KeyRole
from drivers.card.cps3 import open_cps3
from drivers.errors import CardRemovedError, NotSupportedError

LONGEST_S = 2.0
SLOWEST_S = 0.26  # an exchange of a real CPS3 takes 0.03 to 0.26 s


class SlowSlot(FakeSlot):
    """Every exchange takes `exchange_s` on a clock that nothing else moves; `held_s`: how long each transaction was."""

    def __init__(self, process, reset, exchange_s):
        super().__init__(self._take_time(process), reset)
        self.now_s = 1000.0
        self.exchange_s = exchange_s
        self.held_s = []

    def _take_time(self, process):
        def slow(apdu):
            self.now_s += self.exchange_s
            return process(apdu)

        return slow

    @contextmanager
    def transaction(self, deadline):
        began = self.now_s
        with super().transaction(deadline) as connection:
            yield connection
        self.held_s.append(self.now_s - began)


@pytest.fixture
def slow_token(layout, keys, store, monkeypatch):
    def make(exchange_s):
        card = FileCard(layout(), keys)
        slot = SlowSlot(card.process, card.reset, exchange_s)
        clock = SimpleNamespace(monotonic=lambda: slot.now_s)
        monkeypatch.setattr("drivers.card.files.time", clock)
        monkeypatch.setattr("drivers.card.token.time", clock)
        return open_cps3(slot, store, Deadline(60)), slot

    return make


SPEEDS = [0.001, 0.03, 0.1, 0.2, SLOWEST_S]


@pytest.mark.parametrize("exchange_s", SPEEDS)
def test_no_stretch_of_a_first_read_is_long(slow_token, exchange_s):
    _, slot = slow_token(exchange_s)
    assert max(slot.held_s) < LONGEST_S


@pytest.mark.parametrize("exchange_s", SPEEDS)
@pytest.mark.parametrize("role", list(KeyRole))
def test_no_stretch_of_a_batch_is_long(slow_token, exchange_s, role):
    token, slot = slow_token(exchange_s)
    key = next(key for key in token.keys if key.role is role)
    digests = [digest_of(str(number).encode()) for number in range(30)]
    slot.held_s.clear()
    done = []
    while len(done) < len(digests):
        made = token.sign(key, digests[len(done) :], pin(), Deadline(60))
        assert made, "at least one"
        done += made
    for number, signature in enumerate(done):
        verify_signature(key, str(number).encode(), signature)
    assert max(slot.held_s) < LONGEST_S
    assert slot.endings[-len(slot.held_s) :] == [True] * len(slot.held_s), "each stretch ends with the card closed"


@pytest.mark.parametrize("exchange_s", SPEEDS)
def test_no_other_call_is_long(slow_token, exchange_s):
    token, slot = slow_token(exchange_s)
    token.read_pin_status(Deadline(60))
    token.verify_pin(pin(), Deadline(60))
    assert max(slot.held_s) < LONGEST_S


def test_a_quick_card_signs_many_in_one_stretch(slow_token):
    token, slot = slow_token(0.03)
    slot.held_s.clear()
    assert len(token.sign(token.keys[0], [digest_of(b"x")] * 30, pin(), Deadline(60))) > 10
    assert len(slot.held_s) == 1


def test_a_card_that_is_slower_than_any_signs_one_at_a_time(slow_token):
    token, _ = slow_token(1.0)
    assert len(token.sign(token.keys[0], [digest_of(b"x")] * 3, pin(), Deadline(60))) == 1


def test_nothing_to_sign_is_nothing_said(slow_token):
    token, slot = slow_token(0.03)
    before = slot.exchanges
    assert token.sign(token.keys[0], [], pin(), Deadline(60)) == []
    assert slot.exchanges == before


def test_one_that_the_key_does_not_sign_stops_all_before_the_code_is_sent(slow_token):
    token, slot = slow_token(0.03)
    before = slot.exchanges
    with pytest.raises(NotSupportedError):
        token.sign(token.keys[0], [digest_of(b"x"), digest_of(b"x", "sha512")], pin(), Deadline(60))
    assert slot.exchanges == before


def test_a_card_exchanged_between_two_stretches_is_noticed(slow_token):
    token, slot = slow_token(SLOWEST_S)
    digests = [digest_of(b"x")] * 5
    assert len(token.sign(token.keys[0], digests, pin(), Deadline(60))) < 5
    slot.events += 1
    with pytest.raises(CardRemovedError):
        token.sign(token.keys[0], digests, pin(), Deadline(60))
