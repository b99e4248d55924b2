"""Data objects read from the card itself: how many exchanges, in which slices, and from cards that lie."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from card_fakes import FakeSlot, FileCard, octets, path, pin, seq, tlv
from test_card_slices import SlowSlot

from drivers.base import Deadline
from drivers.card import objects
from drivers.card.activity import activity_number, parse_activities
from drivers.card.cps3 import open_cps3
from drivers.card.cps4 import open_cps4
from drivers.card.objects import MAX_CODED_EXCHANGES, MAX_OBJECT, MAX_OBJECTS
from drivers.card.tlv import encode_tlv
from drivers.errors import CardBusyError, CardError, CardRemovedError, DriverError, PinBlockedError, PinWrongError
from drivers.pin import ON_PAD
from drivers.virtual.kinds import open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad

SLOWEST_S = 0.26
LONGEST_S = 2.0


def is_activity(label):
    return activity_number(label) is not None


def is_name(label):
    return label == "CPS_NAME_PS"


def situations(found):
    return parse_activities((item.label, item.value) for item in found)


def count(slot, work):
    before = slot.exchanges
    work()
    return slot.exchanges - before


def entry(label, fid, *, private=True, modifiable=False):
    flags = tlv(0x03, b"\x06", bytes([0x80 * private | 0x40 * modifiable]))
    common = seq(tlv(0x0C, label.encode()), flags, octets(b"\x01") if private else b"")
    return seq(common, seq(tlv(0x0C, b"CPS")), tlv(0xA1, path(f"3F000001{fid}")))


class ObjectCard(FileCard):
    """A FileCard with data objects; the private ones are read after the code alone."""

    def __init__(self, layout, keys, contents, public=(), *, says_so=True):
        super().__init__(layout, keys)
        self.private = {}
        directory = b""
        for number, (label, content) in enumerate(contents.items()):
            fid, private = f"D{0x100 + number:03X}", label not in public
            directory += entry(label, fid, private=private and says_so)
            name = bytes.fromhex("3F000001" + fid)
            self.files[name], self.private[name] = content, private
        self.files[bytes.fromhex("3F0000017006")] = directory

    def read(self, apdu):
        if self.private.get(self.current) and 1 not in self.verified:
            return b"\x69\x82"
        return super().read(apdu)


def make_activity(number, size=40):
    return encode_tlv(0xEE, encode_tlv(0x84, b"N" * size), encode_tlv(0x86, b"SA%02d" % number))


SIXTEEN = {f"CPS_ACTIVITY_{number:02}_PS": make_activity(number) for number in range(1, 17)}


@pytest.fixture
def open_object_card(layout, keys, store):
    def make(contents, slot_type=FakeSlot, **options):
        card = ObjectCard(layout(), keys, contents, options.pop("public", ()), says_so=options.pop("says_so", True))
        slot = slot_type(card.process, card.reset, **options)
        return open_cps3(slot, store, Deadline(60)), card, slot

    return make


@pytest.mark.parametrize(
    ("kind", "numbers", "exchanges"),
    [("cps3", [1, 3], 12), ("cps3-situations", [1, 3, 4, 7, 16], 21), ("cps4", [1, 3], 13)],
)
def test_how_much_is_said_to_hear_of_situations(cps4_folder, store, kind, numbers, exchanges):
    """The directory: 4 or 5; then MF and VERIFY: 2; and three for each situation, whose length is not known."""
    with open_card_of_kind(cps4_folder, kind) as card:
        slot = VirtualReaders([card]).open_slot("CPS virtuel 00 00")
        token = (open_cps4 if kind == "cps4" else open_cps3)(slot, store, Deadline(10))
        for _ in range(2):
            found = []
            read = lambda: found.extend(token.read_data_objects(pin(), Deadline(10), is_activity))  # noqa: E731, B023
            assert count(slot, read) == exchanges
            assert [each.number for each in situations(found)] == numbers


def test_an_update_that_adds_a_situation_is_noticed_and_nothing_older_is_trusted(open_object_card):
    contents = {"CPS_ACTIVITY_01_PS": make_activity(1), "CPS_NAME_PS": b"\xe9\x03\x80\x01A"}
    token, card, _ = open_object_card(contents, public=("CPS_NAME_PS",))
    everything = lambda: {item.label: item.value for item in token.read_data_objects(pin(), Deadline(10))}  # noqa: E731
    assert everything() == contents
    card.files[bytes.fromhex("3F000001D101")] = b"\xe9\x03\x80\x01B"
    assert everything() == contents, "a public object is read once"
    updated = ObjectCard(card.layout, {"sign": None, "authenticate": None}, contents | {"CPS_ACTIVITY_05_PS": make_activity(5)}, ("CPS_NAME_PS",))  # fmt: skip
    card.files |= updated.files | {bytes.fromhex("3F000001D101"): b"\xe9\x03\x80\x01B"}
    card.private |= updated.private
    assert everything() == contents | {"CPS_ACTIVITY_05_PS": make_activity(5), "CPS_NAME_PS": b"\xe9\x03\x80\x01B"}


def test_the_directory_and_public_objects_are_asked_for_once(slot, token, store):
    first = count(slot, lambda: token.read_data_objects(None, Deadline(10), is_name))
    assert 0 < first <= 10
    assert count(slot, lambda: token.read_data_objects(None, Deadline(10), is_name)) == 0
    again = open_cps3(slot, store, Deadline(10))
    assert count(slot, lambda: again.read_data_objects(None, Deadline(10), is_name)) == 0
    (found,) = again.read_data_objects(None, Deadline(10), is_name)
    assert b"VIRTUEL" in found.value


def test_what_terminals_may_write_is_read_each_time(slot, token):
    def read():
        return token.read_data_objects(None, Deadline(10), lambda label: label == "CPS_DATA")

    assert read()
    assert count(slot, read) == 3


def test_nothing_private_is_remembered(token, store):
    token.read_data_objects(pin(), Deadline(10))
    listed = {item.label: item for item in store.load(token.number).objects}
    assert listed["CPS_INFO_PS"].value is not None
    assert listed["CPS_ACTIVITY_03_PS"].value is None
    assert "CENTRE" not in store.texts[token.number]


def test_situations_that_a_directory_does_not_call_private_are(open_object_card, store):
    """Whether genuine directories do is not known; and another program may have left the card open."""
    token, card, _ = open_object_card({**SIXTEEN, "CPS_SIT_FACT": make_activity(17)}, says_so=False)
    card.verified.add(1)
    assert token.read_data_objects(None, Deadline(10)) == ()
    found = token.read_data_objects(pin(), Deadline(10))
    assert len(situations(found)) == 16
    assert {item.private for item in found} == {True}
    assert all(item.value is None for item in store.load(token.number).objects)


def test_what_was_forgotten_meanwhile_is_not_remembered_again(token, store):
    store.forget(token.number)
    assert token.read_data_objects(None, Deadline(10))
    assert not store.texts


def test_a_wrong_code_costs_one_try_and_a_blocked_one_nothing(token):
    with pytest.raises(PinWrongError):
        token.read_data_objects(pin("0000"), Deadline(10))
    assert token.read_pin_status(Deadline(10)).tries_left == 2
    for _ in range(2):
        with pytest.raises((PinWrongError, PinBlockedError)):
            token.read_data_objects(pin("0000"), Deadline(10))
    with pytest.raises(PinBlockedError):
        token.read_data_objects(pin(), Deadline(10))


def test_the_card_is_left_closed(open_object_card):
    token, card, slot = open_object_card(SIXTEEN)
    slot.endings.clear()
    assert len(situations(token.read_data_objects(pin(), Deadline(10), is_activity))) == 16
    assert slot.endings == [False, True]
    assert not card.verified


@pytest.mark.parametrize("exchange_s", [0.001, 0.03, 0.1, 0.2, SLOWEST_S])
def test_no_stretch_is_long_and_all_of_it_arrives(open_object_card, monkeypatch, exchange_s):
    token, card, slot = open_object_card(SIXTEEN, SlowSlot, exchange_s=exchange_s)
    clock = SimpleNamespace(monotonic=lambda: slot.now_s)
    for module in ("files", "objects", "token"):
        monkeypatch.setattr(f"drivers.card.{module}.time", clock)
    slot.held_s.clear()
    assert len(situations(token.read_data_objects(pin(), Deadline(60), is_activity))) == 16
    assert max(slot.held_s) < LONGEST_S
    codes = sum(apdu[1] == 0x20 for apdu in card.sent)
    assert codes == slot.endings.count(True), "the code goes first in each stretch, and each ends with the card closed"


def test_a_card_slower_than_any_gets_on(open_object_card, monkeypatch):
    token, _, slot = open_object_card(SIXTEEN, SlowSlot, exchange_s=1.0)
    monkeypatch.setattr("drivers.card.files.time", SimpleNamespace(monotonic=lambda: slot.now_s))
    assert len(situations(token.read_data_objects(pin(), Deadline(60), is_activity))) == 16


def test_on_a_pad_a_person_types_once_for_what_an_ordinary_card_has(card, store):
    pad = VirtualPad()
    slot = VirtualReaders([card], pad=pad).open_slot("CPS virtuel 00 00")
    token = open_cps3(slot, store, Deadline(10))
    pad.type("1234")
    assert len(situations(token.read_data_objects(ON_PAD, Deadline(20), is_activity))) == 2


def test_on_a_pad_more_than_fits_is_typed_for_again(card, store, monkeypatch):
    monkeypatch.setattr(objects, "PAD_SLICE_S", 0.0)
    pad = VirtualPad()
    slot = VirtualReaders([card], pad=pad).open_slot("CPS virtuel 00 00")
    token = open_cps3(slot, store, Deadline(10))
    for _ in range(6):
        pad.type("1234")
    assert len(situations(token.read_data_objects(ON_PAD, Deadline(20), is_activity))) == 2


def test_a_card_exchanged_between_two_stretches_is_noticed(open_object_card, monkeypatch):
    token, card, slot = open_object_card(SIXTEEN)
    monkeypatch.setattr(objects, "CODED_SLICE_S", 0.0)

    def exchange_after_the_code(apdu):
        slot.events += apdu[1] == 0x20
        return card.process(apdu)

    slot.process = exchange_after_the_code
    with pytest.raises(CardRemovedError):
        token.read_data_objects(pin(), Deadline(10), is_activity)
    assert sum(apdu[1] == 0x20 for apdu in card.sent) == 1


def test_one_object_that_the_card_does_not_show_keeps_nobody_from_the_others(open_object_card):
    token, card, _ = open_object_card(SIXTEEN)
    del card.files[bytes.fromhex("3F000001D104")]
    found = situations(token.read_data_objects(pin(), Deadline(10), is_activity))
    assert [each.number for each in found] == [1, 2, 3, 4, *range(6, 17)]


def test_a_code_that_the_card_answers_with_nonsense_is_sent_once(open_object_card):
    token, card, slot = open_object_card(SIXTEEN)
    slot.process = lambda apdu: b"\x6f\x00" if apdu[1] == 0x20 else card.process(apdu)
    with pytest.raises(CardError):
        token.read_data_objects(pin(), Deadline(10), is_activity)
    assert slot.endings[-2:] == [False, True]
    assert len([ending for ending in slot.endings if ending]) == 1


def test_sixteen_objects_of_64_kilobytes_are_cut(open_object_card):
    """Nothing of them is read but what a situation may need."""
    huge = {label: b"\xee\x83\x00\xff\xf0" + make_activity(7)[2:] + bytes(65_000) for label in SIXTEEN}
    token, _, slot = open_object_card(huge)
    found = []
    exchanges = count(slot, lambda: found.extend(token.read_data_objects(pin(), Deadline(10), is_activity)))
    assert exchanges < MAX_CODED_EXCHANGES
    assert {len(item.value) for item in found} == {MAX_OBJECT}
    assert {each.sector for each in situations(found)} == {"SA07"}


def test_a_directory_without_end_and_one_object_a_thousand_times_are_bounded(open_object_card):
    token, card, slot = open_object_card({"CPS_ACTIVITY_01_PS": bytes(65_000)})
    directory = bytes.fromhex("3F0000017006")
    card.files[directory] = entry("CPS_ACTIVITY_01_PS", "D100") * 140
    with pytest.raises(CardError):
        token.read_data_objects(pin(), Deadline(10), is_activity)
    assert slot.exchanges < 2 * MAX_CODED_EXCHANGES
    card.files[directory] = entry("CPS_ACTIVITY_01_PS", "D100") * 2000
    with pytest.raises(CardError):
        open_cps3(slot, SimpleNamespace(load=lambda _: replace(token.profile, objects=None)), Deadline(5)).read_data_objects(None, Deadline(10))  # fmt: skip
    assert len(token.profile.objects) <= MAX_OBJECTS


def test_a_card_that_is_slow_for_good_ends_with_the_deadline(open_object_card):
    token, _, slot = open_object_card(SIXTEEN)
    deadline = Deadline(10)
    process = slot.process

    def tire(apdu):
        if apdu[1] == 0x20:
            deadline.cancel()
        return process(apdu)

    slot.process = tire
    with pytest.raises(CardBusyError):
        token.read_data_objects(pin(), deadline, is_activity)
    assert slot.endings[-1] is True


@pytest.mark.parametrize("answer", ["", "90", "6F00", "6100", "6C00", "FFFF", "9000", "00" * 256 + "9000", "6A82"])
def test_any_answer_to_any_command(open_object_card, answer):
    """From a card that was honest until it had the code."""
    token, card, slot = open_object_card(SIXTEEN)
    slot.process = lambda apdu: bytes.fromhex(answer) if card.verified else card.process(apdu)
    slot.exchanges = 0
    try:
        found = token.read_data_objects(pin(), Deadline(10), is_activity)
    except DriverError:
        found = ()
    assert all(len(item.value) <= MAX_OBJECT for item in found)
    assert slot.exchanges < 2 * MAX_CODED_EXCHANGES
    assert not card.verified
