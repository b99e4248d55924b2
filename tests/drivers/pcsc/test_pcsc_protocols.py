"""A CPS4 behind pcscd, which offers T=0 and T=1: the service chooses, the token works with either."""

from __future__ import annotations

import hashlib

import pytest
from smartcard import scard
from support.pcsc_reader import empty_reader

from drivers.base import Deadline, Digest, KeyRole, Padding
from drivers.card.family import open_card
from drivers.card.signatures import is_signature_of
from drivers.errors import PinWrongError
from drivers.pcsc.slot import PcscSlot
from drivers.pin import Pin
from drivers.virtual.kinds import CPS4, open_card_of_kind
from drivers.virtual.trace import TracedCard


class Store(dict):
    """Remember cards as long as the test runs."""

    load = dict.get

    def save(self, profile):
        self[profile.number] = profile

    def forget(self, number):
        self.pop(number, None)


@pytest.fixture
def inserted(process_pcscd, cps4_folder, trace):
    with open_card_of_kind(cps4_folder, "cps4") as card, empty_reader(process_pcscd, 1) as reader:
        reader.insert(TracedCard(card, trace.append))
        yield reader


@pytest.fixture(params=["T=0", "T=1"])
def protocol(request, monkeypatch):
    if request.param == "T=0":  # a service that chooses the other of the two
        monkeypatch.setattr("drivers.pcsc.slot.PROTOCOLS", scard.SCARD_PROTOCOL_T0)
    return request.param


def pin(digits="1234"):
    return Pin(bytearray(digits.encode()))


def test_it_works_in_either_protocol(inserted, protocol, trace):
    slot = PcscSlot(inserted.name)
    with slot.transaction(Deadline(5)) as connection:
        assert connection.whole_apdus is (protocol == "T=1")
        atr = connection.atr
    token = open_card(slot, atr, Store(), Deadline(30))
    assert (token.number, token.generation) == (CPS4.serial, "CPS4")
    made = [
        Digest("sha256", hashlib.sha256(bytes([number])).digest(), scheme) for number in range(2) for scheme in Padding
    ]
    for role in KeyRole:
        key = next(key for key in token.keys if key.role is role)
        signatures = token.sign(key, made, pin(), Deadline(20))
        assert all(is_signature_of(key.certificate_der, *pair) for pair in zip(made, signatures, strict=True))
    with pytest.raises(PinWrongError):
        token.verify_pin(pin("0000"), Deadline(10))
    token.change_pin(pin(), pin("567890"), Deadline(10))
    token.unblock_pin(pin("12345678"), pin(), Deadline(10))
    token.verify_pin(pin(), Deadline(10))
    assert any(line.startswith("> 01 C0") for line in trace) is (protocol == "T=0")


def test_the_service_chooses_t1_of_two(inserted):
    with PcscSlot(inserted.name).transaction(Deadline(5)) as connection:
        assert connection.whole_apdus
