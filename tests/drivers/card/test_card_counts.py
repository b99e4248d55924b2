"""How little is said to a card: exchanges counted on the virtual CPS3, which announces every answer by 61xx."""

from dataclasses import replace

import pytest
from card_fakes import digest_of, pin, verify_signature

from drivers.base import Deadline, KeyRole
from drivers.card.cps3 import open_cps3
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.store import open_card


def count(slot, work):
    before = slot.exchanges
    work()
    return slot.exchanges - before


@pytest.mark.parametrize("role", list(KeyRole))
def test_a_signature_takes_six_exchanges(slot, token, role):
    key = next(key for key in token.keys if key.role is role)
    made = []
    exchanges = count(slot, lambda: made.extend(token.sign(key, [digest_of(b"x")], pin(), Deadline(10))))
    assert exchanges == 6
    verify_signature(key, b"x", made[0])


def test_with_the_tries_left_it_takes_eight(slot, token):
    def ask_then_sign():
        assert token.read_pin_status(Deadline(10)).tries_left == 3
        token.sign(token.keys[0], [digest_of(b"x")], pin(), Deadline(10))

    assert count(slot, ask_then_sign) == 8


def test_a_known_card_is_recognised_in_four(slot, token, store):
    assert count(slot, lambda: open_cps3(slot, store, Deadline(10))) == 4


def test_an_unknown_card_is_read_in_forty_eight(slot, store):
    token = []
    exchanges = count(slot, lambda: token.append(open_cps3(slot, store, Deadline(10))))
    assert all(len(key.certificate_der) > 2000 for key in token[0].keys)
    assert exchanges <= 48
    assert exchanges == 42, "the number changed: see whether it may"


def test_small_certificates_take_less(data_dir, store):
    with open_card(data_dir, replace(DEFAULT, certificate_extras=False)) as card:
        slot = VirtualReaders([card]).open_slot("CPS virtuel 00 00")
        token = open_cps3(slot, store, Deadline(10))
        assert all(len(key.certificate_der) < 1600 for key in token.keys)
        assert slot.exchanges <= 36


@pytest.mark.parametrize(("change", "exchanges"), [("verify", 2), ("change", 3), ("unblock", 3)])
def test_codes_take_two_or_three(slot, token, change, exchanges):
    work = {
        "verify": lambda: token.verify_pin(pin(), Deadline(10)),
        "change": lambda: token.change_pin(pin(), pin("4321"), Deadline(10)),
        "unblock": lambda: token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10)),
    }
    assert count(slot, work[change]) == exchanges
