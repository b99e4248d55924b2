"""A CPS3 over NFC: its technical key signs without a code, and no code is asked for nor sent."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from card_fakes import FakeSlot, digest_of, pin, verify_signature

from drivers.base import Deadline, KeyRole, Padding, PinKeeper, PinReader
from drivers.card.cps3 import Cps3ContactlessToken, open_cps3, open_cps3_contactless
from drivers.card.family import open_card as open_direct
from drivers.errors import CardAbsentError, CardError, CardRemovedError, CardUpdateUnfinishedError, NotSupportedError
from drivers.pin import ON_PAD
from drivers.virtual.contactless import VirtualContactlessCps3
from drivers.virtual.kinds import CPS3_CONTACTLESS, open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card, open_made
from drivers.virtual.trace import TracedCard

CODE_COMMANDS = ("20", "24", "2C")


@pytest.fixture(scope="module")
def contactless_dir(made_folder, tmp_path_factory):
    folder = shutil.copytree(made_folder, tmp_path_factory.mktemp("contactless") / "data")
    open_card_of_kind(folder, "cps3-contactless").close()
    return folder


@pytest.fixture
def folder(contactless_dir, tmp_path):
    return shutil.copytree(contactless_dir, tmp_path / "contactless")


@pytest.fixture
def chip(folder):
    with open_card_of_kind(folder, "cps3-contactless") as chip:
        assert isinstance(chip, VirtualContactlessCps3)
        yield chip


@pytest.fixture
def card(chip, trace):
    return TracedCard(chip, trace.append)


@pytest.fixture
def token(slot, store):
    return open_cps3_contactless(slot, store, Deadline(10))


def sign(token, code=None, **changes):
    made = replace(digest_of(b"x"), **changes)
    return token.sign(token.keys[0], [made], code, Deadline(10))


def test_it_is_opened_by_its_atr(slot, store, chip):
    token = open_direct(slot, chip.atr, store, Deadline(10))
    assert isinstance(token, Cps3ContactlessToken)
    assert (token.number, token.generation) == (CPS3_CONTACTLESS.serial, "CPS3-CL")
    (key,) = token.keys
    assert (key.label, key.role, key.needs_code) == ("CPS_PRIV_TECH_AUT", KeyRole.AUTHENTICATION, False)


def test_its_key_signs_without_a_code(token, chip):
    (signature,) = sign(token)
    verify_signature(token.keys[0], b"x", signature)
    assert chip.codes_sent == 0


@pytest.mark.parametrize("code", [pin(), ON_PAD])
def test_a_code_is_refused_before_a_word_is_said(token, slot, chip, code):
    before = slot.exchanges
    with pytest.raises(NotSupportedError):
        sign(token, code)
    assert (slot.exchanges, chip.codes_sent) == (before, 0)


def test_it_has_no_codes_to_ask_for(token):
    assert not isinstance(token, PinReader | PinKeeper)
    assert not token.on_pad


def test_no_code_is_asked_for_on_the_keys_of_the_reader(card, store, chip):
    pad = VirtualPad()
    readers = VirtualReaders([card], pad=pad)
    token = open_cps3_contactless(readers.open_slot(readers.list_states()[0].name), store, Deadline(10))
    assert not token.on_pad
    assert sign(token)
    assert not pad.waiting.is_set()
    assert chip.codes_sent == 0


def test_nothing_about_codes_is_ever_said(token, slot, store, trace):
    sign(token)
    open_cps3_contactless(slot, store, Deadline(10))
    sent = [line[2:] for line in trace if line.startswith("> ")]
    assert len(sent) > 20
    assert not [line for line in sent if line[3:5] in CODE_COMMANDS]


def test_nothing_is_reset_since_nothing_was_opened(slot, token, trace):
    trace.clear()
    sign(token)
    assert not [line for line in trace if line.startswith("#")]


def test_how_little_is_said(slot, store, token):
    before = slot.exchanges
    sign(token)
    assert slot.exchanges - before == 3
    before = slot.exchanges
    open_cps3_contactless(slot, store, Deadline(10))
    assert slot.exchanges - before == 4


def test_what_it_does_not_sign(token):
    with pytest.raises(NotSupportedError):
        sign(token, padding=Padding.PSS)


def test_a_pulled_card(token, readers):
    readers.remove()
    with pytest.raises((CardRemovedError, CardAbsentError)):
        sign(token)


def test_an_unfinished_update_is_named(folder, store):
    with open_made(folder, replace(CPS3_CONTACTLESS, update_record=b"\xec\x00"), VirtualContactlessCps3.make) as chip:
        readers = VirtualReaders([chip])
        with pytest.raises(CardUpdateUnfinishedError):
            open_cps3_contactless(readers.open_slot(readers.list_states()[0].name), store, Deadline(10))


def test_a_key_that_wants_a_code_after_all_is_an_error_and_gets_none(chip, store):
    refused = FakeSlot(lambda apdu: b"\x69\x82" if apdu[1] == 0x88 else chip.process(apdu), chip.reset)
    token = open_cps3_contactless(refused, store, Deadline(10))
    with pytest.raises(CardError) as raised:
        sign(token)
    assert (raised.value.sw, chip.codes_sent) == (0x6982, 0)


def test_one_card_seen_both_ways_is_read_anew_each_time(contactless_dir, tmp_path, slot, store):
    """In contact and over NFC it has one number, and other keys."""
    folder = shutil.copytree(contactless_dir, tmp_path / "in contact")
    by_nfc = open_cps3_contactless(slot, store, Deadline(10))
    with open_card(folder, replace(CPS3_CONTACTLESS, atr=DEFAULT.atr)) as card:
        readers = VirtualReaders([card])
        in_contact = open_cps3(readers.open_slot(readers.list_states()[0].name), store, Deadline(10))
    assert in_contact.number == by_nfc.number
    assert {key.label for key in in_contact.keys} == {"CPS_PRIV_SIG", "CPS_PRIV_AUT"}
    assert store.calls == ["save", "save"]
    again = open_cps3_contactless(slot, store, Deadline(10))
    assert again.keys == by_nfc.keys
