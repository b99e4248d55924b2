"""A reader with keys at the seam of SCardControl: its feature list, its control codes, and every way to fail."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from smartcard import scard

from drivers.base import Deadline, Digest, KeyRole, PinPad
from drivers.card.cps3 import open_cps3
from drivers.errors import (
    CardBusyError,
    CardError,
    CardRemovedError,
    NotSupportedError,
    PadRefusedError,
    PinUncertainError,
    PinWrongError,
    ReaderRemovedError,
    ServiceStoppedError,
)
from drivers.pcsc.features import PadFeatures, parse_features
from drivers.pcsc.slot import PcscSlot
from drivers.pin import ON_PAD
from drivers.virtual.pad import VirtualPad

NAME = "Reader with keys 00 00"
# As the CCID driver of pcsc-lite lists a reader with keys: verify, modify, PIN properties, TLV properties
CCID = bytes.fromhex("060442330006 070442330007 0A044233000A 120442330012")
# The same abilities in another order, with the control codes of a driver for Windows
WINDOWS = bytes.fromhex("0A0400313564 0704003135A0 06040031359C")
NOT_TRANSACTED, UNSUPPORTED, INVALID_PARAMETER = 0x80100016, 0x8010001F, 0x80100004


@pytest.mark.parametrize(
    ("answer", "features"),
    [
        (CCID, PadFeatures(0x42330006, 0x42330007)),
        (WINDOWS, PadFeatures(0x0031359C, 0x003135A0)),
        (CCID[:6], PadFeatures(0x42330006)),
        (CCID[6:], PadFeatures(None, 0x42330007)),
        (CCID[12:], PadFeatures()),
        (b"", PadFeatures()),
        (CCID[:5], PadFeatures()),
        (CCID[:8], PadFeatures(0x42330006)),
        (bytes.fromhex("0605 0042330006") + CCID, PadFeatures()),
        (CCID + bytes.fromhex("060411111111"), PadFeatures(0x42330006, 0x42330007)),
        (b"\x00" * 300, PadFeatures()),
    ],
)
def test_a_list_of_features(answer: bytes, features: PadFeatures) -> None:
    assert parse_features(answer) == features


class Store(dict):
    """Remember cards as long as the test runs."""

    load = dict.get

    def save(self, profile):
        self[profile.number] = profile

    def forget(self, number):
        self.pop(number, None)


class FakeScard(SimpleNamespace):
    """The calls of `smartcard.scard` that a slot makes, on a reader with a virtual card and keys.

    `features` is the list or the result with which it is refused; `refusal` the result of other controls.
    """

    def __init__(self, card, pad, features=CCID) -> None:
        super().__init__(**{name: getattr(scard, name) for name in dir(scard) if name.startswith("SCARD_")})
        self.card, self.pad, self.features = card, pad, features
        self.refusal = 0
        self.there, self.events = True, 1
        self.controls, self.log = [], []
        self.answer: bytes | None = None

    def SCardEstablishContext(self, _scope):  # noqa: N802
        self.log.append("context")
        return 0, 7

    def SCardReleaseContext(self, _context):  # noqa: N802
        return 0

    def SCardConnect(self, _context, _name, _share, _protocols):  # noqa: N802
        return 0, 8, self.SCARD_PROTOCOL_T0

    def SCardBeginTransaction(self, _handle):  # noqa: N802
        self.log.append("begin")
        return 0

    def SCardEndTransaction(self, _handle, disposition):  # noqa: N802
        self.log.append("end reset" if disposition == self.SCARD_RESET_CARD else "end")
        if disposition == self.SCARD_RESET_CARD:
            self.card.reset()
        return 0

    def SCardDisconnect(self, _handle, _disposition):  # noqa: N802
        return 0

    def SCardGetStatusChange(self, _context, _timeout, states):  # noqa: N802
        return 0, [(states[0][0], self.SCARD_STATE_PRESENT | self.events << 16, list(self.card.atr))]

    def SCardTransmit(self, _handle, _pci, apdu):  # noqa: N802
        return (0, list(self.card.process(bytes(apdu)))) if self.there else (NOT_TRANSACTED, [])

    def SCardControl(self, _handle, code, block):  # noqa: N802
        assert self.log[-1] == "begin", "a control outside a transaction meets whoever holds the card"
        assert all(isinstance(byte, int) for byte in block)
        self.controls.append(code)
        if code == self.SCARD_CTL_CODE(3400):
            return (self.features, []) if isinstance(self.features, int) else (0, list(self.features))
        if self.refusal or not self.there:
            return self.refusal or NOT_TRANSACTED, []
        if self.answer is not None:
            return 0, list(self.answer)
        listed = parse_features(self.features)
        serve = {listed.verify: self.pad.verify, listed.modify: self.pad.modify}[code]
        return 0, list(serve(bytes(block), self.card.process, lambda: self.there))


@pytest.fixture
def pad():
    return VirtualPad()


@pytest.fixture
def service(card, pad, monkeypatch):
    fake = FakeScard(card, pad)
    monkeypatch.setattr("drivers.pcsc.slot.scard", fake)
    monkeypatch.setattr("drivers.pcsc.slot.GAP_S", 0.0)
    return fake


@pytest.fixture
def token(service):
    return open_cps3(PcscSlot(NAME), Store(), Deadline(20))


def sign(token, count=1):
    key = next(key for key in token.keys if key.role is KeyRole.AUTHENTICATION)
    return token.sign(key, [Digest("sha256", bytes(32))] * count, ON_PAD, Deadline(20))


def test_a_code_is_typed_on_the_reader(token, service, pad):
    assert token.on_pad
    pad.type("1234")
    assert len(sign(token, 3)) == 3
    assert service.controls == [service.SCARD_CTL_CODE(3400), 0x42330006]
    assert service.log[-1] == "end reset"


def test_codes_are_replaced_on_the_reader(token, service, pad):
    pad.type("1234", "5678", "5678")
    token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    pad.type("5678")
    token.verify_pin(ON_PAD, Deadline(20))
    assert service.controls[1:] == [0x42330007, 0x42330006]


def test_the_features_are_asked_once_for_each_context(token, service):
    for _ in range(3):
        token.read_pin_status(Deadline(5))
    assert service.controls == [service.SCARD_CTL_CODE(3400)]
    token.slot._release_context()
    token.slot._connect()
    with token.slot.transaction(Deadline(5)) as connection:
        assert isinstance(connection, PinPad)
    assert service.controls == [service.SCARD_CTL_CODE(3400)] * 2


@pytest.mark.parametrize("features", [NOT_TRANSACTED, UNSUPPORTED, INVALID_PARAMETER, b"", CCID[6:]])
def test_a_reader_without_keys(service, features):
    service.features = features
    slot = PcscSlot(NAME)
    for _ in range(2):
        with slot.transaction(Deadline(5)) as connection:
            assert not isinstance(connection, PinPad)
    assert len(service.controls) == 1


def test_a_reader_that_could_not_be_asked_is_asked_again(service):
    """The card was pulled at that moment: it says nothing of the reader."""
    slot, service.features = PcscSlot(NAME), 0x80100069
    with slot.transaction(Deadline(5)) as connection:
        assert not isinstance(connection, PinPad)
    service.features = CCID
    with slot.transaction(Deadline(5)) as connection:
        assert isinstance(connection, PinPad)


def test_a_reader_that_cannot_replace_codes(service, pad):
    service.features = CCID[:6]
    token = open_cps3(PcscSlot(NAME), Store(), Deadline(20))
    with pytest.raises(NotSupportedError):
        token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    with token.slot.transaction(Deadline(5)) as connection, pytest.raises(NotSupportedError):
        connection.modify_on_pad(b"")
    pad.type("1234")
    token.verify_pin(ON_PAD, Deadline(20))


REFUSALS = {
    NOT_TRANSACTED: NotSupportedError,  # what pcsc-lite makes of every error of its driver
    UNSUPPORTED: NotSupportedError,
    INVALID_PARAMETER: NotSupportedError,
    0x8010000A: PadRefusedError,
    0x80100002: PadRefusedError,
    0x8010006E: PadRefusedError,
    0x80100069: CardRemovedError,
    0x80100068: CardBusyError,
    0x80100017: ReaderRemovedError,
    0x8010001E: ServiceStoppedError,
}


@pytest.mark.parametrize(("refusal", "error"), REFUSALS.items(), ids=lambda each: f"{each:X}" if isinstance(each, int) else "")  # fmt: skip
def test_a_reader_that_refuses_is_asked_once(token, service, refusal, error):
    service.refusal = refusal
    for call in (lambda: sign(token), lambda: token.verify_pin(ON_PAD, Deadline(20))):
        service.controls.clear()
        with pytest.raises(error) as raised:
            call()
        assert raised.value.native == refusal
        assert service.controls == [0x42330006]
        assert service.log[-1] == "end reset", "the code may have reached the card"
    service.refusal = 0
    assert token.read_pin_status(Deadline(5)).tries_left == 3


def test_results_are_signed_numbers_on_some_systems(token, service):
    service.refusal = NOT_TRANSACTED - (1 << 32)
    with pytest.raises(NotSupportedError):
        sign(token)


def test_a_card_pulled_while_somebody_types(token, service, monkeypatch):
    """pcsc-lite says the same of it as of any error of a reader; that the card is gone the next command tells."""

    def pull(*_):
        service.there = False
        return NOT_TRANSACTED, []

    monkeypatch.setattr(service, "SCardControl", pull)
    with pytest.raises(CardRemovedError):
        token.verify_pin(ON_PAD, Deadline(20))


def test_a_wrong_code_is_one_try(token, pad):
    pad.type("9999")
    with pytest.raises(PinWrongError) as raised:
        sign(token)
    assert raised.value.tries_left == 2


def test_a_new_code_whose_fate_is_unknown(token, service):
    service.refusal = NOT_TRANSACTED
    with pytest.raises(PinUncertainError):
        token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    assert service.controls[1:] == [0x42330007]


@pytest.mark.parametrize("answer", ["", "90", "6D00", "6700", "6B80", "90009000"])
def test_a_feature_list_that_lies_ends_in_an_error(token, service, answer):
    service.answer = bytes.fromhex(answer)
    with pytest.raises(NotSupportedError if len(answer) == 4 else CardError):
        sign(token)
    assert service.controls[1:] == [0x42330006]
