"""Codes typed on the keys of a reader: the blocks byte by byte, and a virtual reader with somebody at its keys."""

from __future__ import annotations

import threading

import pytest
from card_fakes import FileCard, digest_of, pin, verify_signature

from drivers.base import CardSlot, Deadline, KeyRole, PinPad
from drivers.card.cps3 import Cps3Token, open_cps3
from drivers.card.pad import PadUnableError, encode_modify, encode_verify, require_pad_answer
from drivers.card.profile import PinFile
from drivers.errors import (
    CardBusyError,
    CardError,
    CardRemovedError,
    NotSupportedError,
    PadRefusedError,
    PinBlockedError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pin import ON_PAD
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad

PLAIN = PinFile(1, 4, 8)
PADDED = PinFile(1, 4, 8, 8, 0xFF)
VERIFY = bytes.fromhex("00200001")
CHANGE = bytes.fromhex("00240001")


def test_a_verify_block() -> None:
    block = encode_verify(VERIFY, PLAIN, 60)
    assert block.hex(" ") == (
        "1e 1e "  # 30 s for the first key, and for the next ones
        "82 "  # bytes, from the first one of the data, left, ASCII
        "00 00 "  # as long as typed, no length in the data
        "08 04 "  # 4 to 8 digits, little-endian
        "02 "  # until the validation key
        "01 0c 04 00 "  # one message, French, "enter the code"
        "00 00 00 "  # no prologue
        "05 00 00 00 "  # the command, Lc left to the reader
        "00 20 00 01 00"
    )


def test_a_verify_block_of_a_padded_code() -> None:
    block = encode_verify(VERIFY, PADDED, 60)
    assert block.hex() == "1e1e82080008040201" + "0c0400" + "000000" + "0d000000" + "0020000108" + "ff" * 8


def test_a_modify_block_that_asks_for_the_old_code() -> None:
    block = encode_modify(CHANGE, PLAIN, 60, asks_old=True)
    assert block.hex(" ") == (
        "1e 1e 82 00 00 "
        "00 00 "  # the old code, and the new one behind it
        "08 04 "
        "03 "  # the old code too, the new one twice
        "02 "
        "03 0c 04 00 01 02 "  # three messages
        "00 00 00 05 00 00 00 00 24 00 01 00"
    )


def test_a_modify_block_of_padded_codes() -> None:
    block = encode_modify(CHANGE, PADDED, 60, asks_old=True)
    assert block.hex() == "1e1e820800" + "0008" + "0804" + "0302" + "030c04000102" + "000000" + "15000000" + "0024000110" + "ff" * 16  # fmt: skip


def test_a_modify_block_of_a_new_code_alone() -> None:
    block = encode_modify(bytes.fromhex("002c0201"), PLAIN, 60, asks_old=False)
    assert (
        block.hex() == "1e1e820000" + "0000" + "0804" + "0102" + "020c04010200" + "000000" + "05000000" + "002c020100"
    )


@pytest.mark.parametrize(("time_s", "timeout"), [(60, 30), (30.9, 30), (12.5, 12), (0.2, 1)])
def test_the_reader_does_not_wait_longer_than_the_call_may_take(time_s: float, timeout: int) -> None:
    assert set(encode_verify(VERIFY, PLAIN, time_s)[:2]) == {timeout}


@pytest.mark.parametrize("code", [PinFile(1, 4, 8, 16, 0), PinFile(1, 4, 8, 4, 0)])
def test_codes_that_no_block_can_hold(code: PinFile) -> None:
    with pytest.raises(PadUnableError):
        encode_verify(VERIFY, code, 30)


ANSWERS = {
    "6400": PadRefusedError, "6401": PadRefusedError, "6402": PadRefusedError, "6403": PadRefusedError,
    "6700": PadUnableError, "6D00": PadUnableError, "6E00": PadUnableError, "6B80": PadUnableError,
    "": CardError, "90": CardError, "009000": CardError,
}  # fmt: skip


@pytest.mark.parametrize(("answer", "error"), ANSWERS.items())
def test_what_a_reader_says(answer: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        require_pad_answer(bytes.fromhex(answer))


@pytest.mark.parametrize("answer", ["9000", "63C2", "6983", "6982"])
def test_what_the_card_says_passes(answer: str) -> None:
    assert require_pad_answer(bytes.fromhex(answer)).sw == int(answer, 16)


@pytest.fixture
def pad() -> VirtualPad:
    return VirtualPad()


@pytest.fixture
def readers(card, pad) -> VirtualReaders:
    return VirtualReaders([card], pad=pad)


def key_of(token, role=KeyRole.AUTHENTICATION):
    return next(key for key in token.keys if key.role is role)


def sign(token, role=KeyRole.AUTHENTICATION, count=1):
    return token.sign(key_of(token, role), [digest_of(b"x")] * count, ON_PAD, Deadline(20))


def state(slot: CardSlot) -> str:
    with slot.transaction(Deadline(5)) as connection:
        connection.transmit(bytes.fromhex("00A4090C023F00"))
        return connection.transmit(bytes.fromhex("0020000100")).hex()


def test_the_token_says_that_codes_are_typed_on_the_reader(token, slot, store) -> None:
    assert token.on_pad
    assert open_cps3(slot, store, Deadline(5)).on_pad, "known from the cache too"


@pytest.mark.parametrize("role", list(KeyRole))
def test_a_signature_takes_as_many_exchanges_as_with_digits(token, slot, pad, other_slot, role) -> None:
    pad.type("1234")
    before = slot.exchanges
    (signature,) = sign(token, role)
    assert slot.exchanges - before == 6
    verify_signature(key_of(token, role), b"x", signature)
    assert state(other_slot) == "63c3"


def test_several_signatures_take_one_code(token, pad) -> None:
    pad.type("1234")
    signatures = sign(token, count=5)
    assert len(signatures) == 5
    for signature in signatures:
        verify_signature(key_of(token), b"x", signature)


def test_a_wrong_code_is_one_try_and_is_not_asked_for_again(token, pad, other_slot) -> None:
    pad.type("0000")
    with pytest.raises(PinWrongError) as raised:
        sign(token)
    assert raised.value.tries_left == 2
    assert state(other_slot) == "63c2"
    assert not pad.waiting.is_set()


def test_the_last_wrong_code_blocks(token, pad) -> None:
    pad.type("0000", "0000", "0000")
    for _ in range(2):
        with pytest.raises(PinWrongError):
            sign(token)
    with pytest.raises(PinBlockedError):
        sign(token)


@pytest.mark.parametrize(
    ("press", "native"),
    [
        (lambda pad: pad.cancel(), 0x6401),
        (lambda pad: pad.time_out(), 0x6400),
        (lambda pad: pad.type("123"), 0x6403),
        (lambda pad: pad.type("123456789"), 0x6403),
    ],
)
def test_a_person_who_does_not_type_a_code_loses_no_try(token, pad, other_slot, press, native) -> None:
    calls = (
        lambda: sign(token),
        lambda: token.verify_pin(ON_PAD, Deadline(20)),
        lambda: token.change_pin(ON_PAD, ON_PAD, Deadline(20)),
        lambda: token.unblock_pin(ON_PAD, ON_PAD, Deadline(20)),
    )
    for call in calls:
        press(pad)
        with pytest.raises(PadRefusedError) as raised:
            call()
        assert raised.value.native == native
        assert state(other_slot) == "63c3"


def test_codes_are_checked_changed_and_unblocked(token, pad) -> None:
    pad.type("1234")
    token.verify_pin(ON_PAD, Deadline(20))
    pad.type("1234", "246810", "246810")
    token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    pad.type("246810")
    token.verify_pin(ON_PAD, Deadline(20))
    pad.type("12345678", "4321", "4321")
    token.unblock_pin(ON_PAD, ON_PAD, Deadline(20))
    pad.type("4321")
    assert sign(token)


def test_new_codes_that_differ_change_nothing(token, pad) -> None:
    pad.type("1234", "5678", "5679")
    with pytest.raises(PadRefusedError):
        token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    pad.type("1234")
    token.verify_pin(ON_PAD, Deadline(20))


def test_a_wrong_old_code_and_a_wrong_puk(token, pad, other_slot) -> None:
    pad.type("9999", "5678", "5678")
    with pytest.raises(PinWrongError) as raised:
        token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    assert raised.value.tries_left == 2
    pad.type("87654321")
    with pytest.raises(PinWrongError):
        token.unblock_pin(ON_PAD, ON_PAD, Deadline(20))
    assert state(other_slot) == "63c2"


def test_a_reader_that_cannot_replace_codes_says_so_before_anybody_types(card, store) -> None:
    pad = VirtualPad(replaces_codes=False)
    readers = VirtualReaders([card], pad=pad)
    token = open_cps3(readers.open_slot(readers.list_states()[0].name), store, Deadline(5))
    for call in (token.change_pin, token.unblock_pin):
        with pytest.raises(NotSupportedError):
            call(ON_PAD, ON_PAD, Deadline(20))
    pad.type("1234")
    token.verify_pin(ON_PAD, Deadline(20))


def test_digits_are_never_sent_by_way_of_such_a_reader(token, slot) -> None:
    before = slot.exchanges
    calls = (
        lambda: token.sign(key_of(token), [digest_of(b"x")], pin(), Deadline(20)),
        lambda: token.sign(key_of(token), [digest_of(b"x")], None, Deadline(20)),
        lambda: token.verify_pin(pin(), Deadline(20)),
        lambda: token.change_pin(ON_PAD, pin(), Deadline(20)),
        lambda: token.change_pin(pin(), ON_PAD, Deadline(20)),
        lambda: token.unblock_pin(pin("12345678"), ON_PAD, Deadline(20)),
    )
    for call in calls:
        with pytest.raises(NotSupportedError):
            call()
    assert slot.exchanges == before


def test_nothing_is_typed_for_a_reader_without_keys(layout, open_file_card) -> None:
    token, _, slot = open_file_card(layout())
    before = slot.exchanges
    with pytest.raises(NotSupportedError):
        token.sign(token.keys[0], [digest_of(b"x")], ON_PAD, Deadline(20))
    assert (token.on_pad, slot.exchanges) == (False, before)


def test_a_card_pulled_while_somebody_should_type(token, readers, pad) -> None:
    def pull() -> None:
        assert pad.waiting.wait(10)
        readers.remove()

    thread = threading.Thread(target=pull)
    thread.start()
    with pytest.raises(CardRemovedError):
        sign(token)
    thread.join()


def test_nobody_is_asked_after_the_deadline(token, pad) -> None:
    late = Deadline(10)
    late.cancel()
    for call in (lambda: sign_late(token, late), lambda: token.change_pin(ON_PAD, ON_PAD, late)):
        with pytest.raises(CardBusyError):
            call()
    assert not pad.waiting.is_set()


def sign_late(token, late):
    return token.sign(key_of(token), [digest_of(b"x")], ON_PAD, late)


class LyingConnection(PinPad):
    """Announces keys, and answers whatever it is told to."""

    replaces_codes = True

    def __init__(self, connection, says) -> None:
        self._connection, self._says = connection, says
        self.asked = 0
        self.atr, self.events, self.whole_apdus = connection.atr, connection.events, connection.whole_apdus
        self.transmit, self.reset_at_end = connection.transmit, connection.reset_at_end

    def verify_on_pad(self, block):
        return self._say()

    def modify_on_pad(self, block):
        return self._say()

    def _say(self):
        self.asked += 1
        if isinstance(self._says, Exception):
            raise self._says
        return bytes.fromhex(self._says)


@pytest.fixture
def lying_token(layout, keys, store):
    """A function that gives a token in a reader that lies, with the connections there were."""
    from contextlib import contextmanager  # noqa: PLC0415

    from card_fakes import FakeSlot  # noqa: PLC0415

    def make(says):
        card, connections = FileCard(layout(), keys), []

        class LyingSlot(FakeSlot):
            @contextmanager
            def transaction(self, deadline):
                with super().transaction(deadline) as connection:
                    connections.append(LyingConnection(connection, says))
                    yield connections[-1]

        token = open_cps3(LyingSlot(card.process, card.reset), store, Deadline(10))
        connections.clear()
        return token, connections

    return make


REFUSALS = {"6D00": NotSupportedError, "6700": NotSupportedError, "6F00": CardError, "": CardError}
IFD_ERROR = NotSupportedError("the reader did not do it", native=0x80100016)


@pytest.mark.parametrize(("says", "error"), [*REFUSALS.items(), (IFD_ERROR, NotSupportedError)])
def test_a_reader_that_does_not_do_what_it_announces_is_asked_once(lying_token, says, error) -> None:
    token, connections = lying_token(says)
    assert token.on_pad
    for call in (lambda: sign(token), lambda: token.verify_pin(ON_PAD, Deadline(9))):
        connections.clear()
        with pytest.raises(error):
            call()
        assert [each.asked for each in connections] == [1]


@pytest.mark.parametrize("says", ["6F00", "6581", "", IFD_ERROR, CardRemovedError()])
def test_a_new_code_whose_fate_is_unknown(lying_token, says) -> None:
    token, connections = lying_token(says)
    with pytest.raises(PinUncertainError):
        token.change_pin(ON_PAD, ON_PAD, Deadline(9))
    assert [each.asked for each in connections] == [1]


@pytest.mark.parametrize(("says", "error"), [("6D00", NotSupportedError), ("6401", PadRefusedError)])
def test_a_new_code_that_was_not_sent(lying_token, says, error) -> None:
    token, _ = lying_token(says)
    with pytest.raises(error):
        token.change_pin(ON_PAD, ON_PAD, Deadline(9))


def test_padded_codes_are_typed_too(card, pad) -> None:
    """The virtual card has no padding: what a reader would send is read from the block itself."""
    sent = []
    pad.type("1234", "1234", "567890", "567890")
    for serve, block in (
        (pad.verify, encode_verify(VERIFY, PADDED, 30)),
        (pad.modify, encode_modify(CHANGE, PADDED, 30, asks_old=True)),
    ):
        assert serve(block, lambda apdu: sent.append(apdu.hex()) or b"\x90\x00", lambda: True) == b"\x90\x00"
    assert sent == ["002000010831323334ffffffff", "002400011031323334ffffffff353637383930ffff"]


def test_the_token_of_a_known_card_forgets_the_keys_of_another_reader(card, store) -> None:
    """A card moved from a reader with keys to one without: the profile is the card's, the keys are the reader's."""
    first, second = VirtualReaders([card], pad=VirtualPad()), VirtualReaders()
    name = first.list_states()[0].name
    assert open_cps3(first.open_slot(name), store, Deadline(5)).on_pad
    first.remove()
    second.insert(card)
    token: Cps3Token = open_cps3(second.open_slot(name), store, Deadline(5))
    assert not token.on_pad
    token.verify_pin(pin(), Deadline(5))
