"""Reading in slices, and telling a known card from a renewed or another one."""

import pytest
from card_fakes import FakeSlot, FileCard, digest_of, make_certificate, pin, verify_signature

from drivers.base import Deadline
from drivers.card import files
from drivers.card.cps3 import Cps3Token, open_cps3
from drivers.card.files import CardReading
from drivers.card.reading import read_number, read_whole
from drivers.errors import CardBusyError, CardRemovedError


class Clock:
    """A clock that only exchanges move forward, as a slow card does."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(files, "time", clock)
    return clock


def slow(process, clock, seconds):
    def answer(apdu):
        clock.now += seconds
        return process(apdu)

    return answer


def test_a_slow_card_is_read_in_short_transactions(layout, keys, store, clock):
    card = FileCard(layout(), keys)
    slot = FakeSlot(slow(card.process, clock, 0.26), card.reset)
    longest, began = [0.0], [0.0]
    transaction = slot.transaction

    def timed(deadline):
        longest[0] = max(longest[0], clock.now - began[0])
        began[0] = clock.now
        card.current = b"\x3f\x00"  # another program had the card in between
        return transaction(deadline)

    slot.transaction = timed
    token = open_cps3(slot, store, Deadline(60))
    assert len(slot.endings) > 5
    assert not any(slot.endings)
    assert longest[0] <= 2.0
    for key in token.keys:
        verify_signature(key, b"x", *token.sign(key, [digest_of(b"x")], pin(), Deadline(10)))


def test_the_pieces_of_a_file_may_come_from_several_transactions(layout, keys, store, clock):
    made = {name: make_certificate(key, signs=name == "sign", size=4096) for name, key in keys.items()}
    card = FileCard(layout(certificates=made), keys)
    slot = FakeSlot(slow(card.process, clock, 0.7), card.reset)
    token = open_cps3(slot, store, Deadline(60))
    assert [key.certificate_der for key in token.keys] == [made["sign"], made["authenticate"]]
    reads = sum(apdu[1] == 0xB0 for apdu in card.sent)
    selects = sum(apdu[1] == 0xA4 for apdu in card.sent)
    assert selects > reads // 2, "each slice selects the file anew"


@pytest.mark.parametrize("after", range(1, 9))
def test_a_card_changed_between_slices_is_not_read_on(layout, keys, store, after):
    card = FileCard(layout(), keys)
    slot = FakeSlot(card.process, card.reset)

    def process(apdu):
        if slot.exchanges > 3 * after:
            slot.events = 2
        return card.process(apdu)

    slot.process = process
    with pytest.raises(CardRemovedError), CardReading(slot, Cps3Token.dialect, Deadline(10), slice_s=0.0) as reading:
        read_whole(reading, read_number(reading))
    assert not store.texts


def test_a_cancelled_reading_ends(layout, keys, store):
    card = FileCard(layout(), keys)
    deadline = Deadline(10)

    def process(apdu):
        if len(card.sent) == 10:
            deadline.cancel()
        return card.process(apdu)

    slot = FakeSlot(process, card.reset)
    with pytest.raises(CardBusyError):
        open_cps3(slot, store, deadline)
    assert slot.exchanges <= 12
    assert not store.texts


def test_a_renewed_card_of_the_same_number_is_read_again(layout, keys, certificates, store):
    first = FileCard(layout(), keys)
    slot = FakeSlot(first.process, first.reset)
    old = open_cps3(slot, store, Deadline(10))
    renewed = {name: make_certificate(key, signs=name == "sign", size=1500) for name, key in keys.items()}
    second = FileCard(layout(certificates=renewed), keys)
    slot.process, slot.reset, slot.events = second.process, second.reset, 3
    new = open_cps3(slot, store, Deadline(10))
    assert new.number == old.number
    assert {len(key.certificate_der) for key in new.keys} == {1500}
    assert store.calls == ["save", "save"]
    with pytest.raises(CardRemovedError):
        old.verify_pin(pin(), Deadline(10))
    verify_signature(new.keys[0], b"x", *new.sign(new.keys[0], [digest_of(b"x")], pin(), Deadline(10)))


def test_a_known_card_whose_certificate_moved_is_read_again(layout, keys, store):
    slot = FakeSlot(FileCard(layout(), keys).process)
    open_cps3(slot, store, Deadline(10))
    moved = FileCard(layout(application="3F000009"), keys)
    slot.process = moved.process
    assert open_cps3(slot, store, Deadline(10)).profile.application_path.hex() == "3f000009"


def test_another_number_is_another_card(layout, keys, store):
    card = FileCard(layout(), keys)
    slot = FakeSlot(card.process)
    open_cps3(slot, store, Deadline(10))
    card.files[bytes.fromhex("3F00D003")] = bytes.fromhex("5A0A8025000001123456780F")
    assert open_cps3(slot, store, Deadline(10)).number == "12345678"
    assert sorted(store.texts) == ["12345678", "99213845"]
