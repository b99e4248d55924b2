"""Codes on the virtual card: tries, changes, and a card that is never left more open than it was found."""

import contextlib

import pytest
from card_fakes import FakeSlot, FileCard, digest_of, pin, verify_signature

from drivers.base import NO_HASH, Deadline, Digest, KeyRole
from drivers.card.cps3 import open_cps3
from drivers.errors import (
    CardBusyError,
    CardError,
    CardRemovedError,
    CardUnknownError,
    NotSupportedError,
    PinBlockedError,
    PinFormatError,
    PinUncertainError,
    PinWrongError,
    ReaderRemovedError,
)
from drivers.pin import Passphrase, Pin

STATUS = bytes.fromhex("0020000100")
PUK_STATUS = bytes.fromhex("0020000200")
SELECT_MF = bytes.fromhex("00A4090C023F00")
VERIFY = bytes.fromhex("002000010431323334")


def states(slot):
    """What another program finds: state of the code and of the unblocking code."""
    with slot.transaction(Deadline(10)) as connection:
        connection.transmit(SELECT_MF)
        return connection.transmit(STATUS).hex(), connection.transmit(PUK_STATUS).hex()


def open_by_another_program(slot):
    with slot.transaction(Deadline(10)) as connection:
        connection.transmit(SELECT_MF)
        assert connection.transmit(VERIFY) == b"\x90\x00"


def key_of(token, role):
    return next(key for key in token.keys if key.role is role)


def sign(token, digits="1234", role=KeyRole.SIGNATURE, algorithm="sha256"):
    return token.sign(key_of(token, role), [digest_of(b"x", algorithm)], pin(digits), Deadline(10))[0]


def verify(token, digits="1234"):
    token.verify_pin(pin(digits), Deadline(10))


def test_a_wrong_code_counts_down_to_blocked_and_the_puk_helps(token, other_slot):
    for left in (2, 1):
        with pytest.raises(PinWrongError) as raised:
            verify(token, "0000")
        assert raised.value.tries_left == left
        assert token.read_pin_status(Deadline(10)).tries_left == left
    for digits in ("0000", "1234"):
        with pytest.raises(PinBlockedError):
            sign(token, digits)
    status = token.read_pin_status(Deadline(10))
    assert (status.blocked, status.tries_left) == (True, 0)
    with pytest.raises(PinWrongError) as raised:
        token.unblock_pin(pin("87654321"), pin("4321"), Deadline(10))
    assert raised.value.tries_left == 2
    token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))
    assert states(other_slot) == ("63c3", "63c3")
    verify_signature(key_of(token, KeyRole.SIGNATURE), b"x", sign(token, "4321"))


def test_a_right_code_gives_the_tries_back(token):
    with pytest.raises(PinWrongError):
        verify(token, "0000")
    verify(token)
    assert token.read_pin_status(Deadline(10)).tries_left == 3


def test_the_code_is_changed(token):
    with pytest.raises(PinWrongError):
        token.change_pin(pin("0000"), pin("567890"), Deadline(10))
    token.change_pin(pin("1234"), pin("567890"), Deadline(10))
    verify(token, "567890")
    with pytest.raises(PinWrongError):
        verify(token, "1234")


def test_what_a_key_takes(token):
    assert key_of(token, KeyRole.SIGNATURE).hashes == {"sha1", "sha256"}
    assert key_of(token, KeyRole.AUTHENTICATION).hashes == {"sha1", "sha224", "sha256", "sha384", "sha512", NO_HASH}
    for algorithm in ("sha1", "sha256", "sha512"):
        made = sign(token, role=KeyRole.AUTHENTICATION, algorithm=algorithm)
        verify_signature(key_of(token, KeyRole.AUTHENTICATION), b"x", made, algorithm)
    made = sign(token, algorithm="sha1")
    verify_signature(key_of(token, KeyRole.SIGNATURE), b"x", made, "sha1")


def test_a_hash_that_the_key_does_not_take_costs_nothing(token, slot):
    before = slot.exchanges
    for algorithm, length in (("sha512", 64), ("sha384", 48), ("sha224", 28)):
        with pytest.raises(NotSupportedError):
            token.sign(key_of(token, KeyRole.SIGNATURE), [Digest(algorithm, bytes(length))], pin("0000"), Deadline(10))
    assert slot.exchanges == before
    assert token.read_pin_status(Deadline(10)).tries_left == 3


@pytest.mark.parametrize("digits", ["123", "123456789", "12a4", "", "\uff11\uff12\uff13\uff14"])
def test_a_code_of_the_wrong_form_is_never_made(digits):
    given = bytearray(digits.encode())
    with pytest.raises(PinFormatError):
        Pin(given)
    assert not any(given)


def test_a_code_that_this_card_does_not_take_is_not_sent(layout, keys, store):
    """The card's own limits are narrower here than those of a Pin."""
    narrow = layout(pin_stored=8)
    narrow.code = lambda *given: type(narrow).code(narrow, *given).replace(b"\x02\x01\x04\x02", b"\x02\x01\x06\x02")
    card = FileCard(narrow, keys)
    slot = FakeSlot(card.process, card.reset)
    token = open_cps3(slot, store, Deadline(10))
    assert token.profile.pin.min_length == 6
    before, transactions = slot.exchanges, len(slot.endings)
    for work in (
        lambda: verify(token),
        lambda: sign(token),
        lambda: token.change_pin(pin("1234"), pin("123456"), Deadline(10)),
        lambda: token.change_pin(pin("123456"), pin("1234"), Deadline(10)),
        lambda: token.unblock_pin(pin("1234"), pin("123456"), Deadline(10)),
        lambda: token.unblock_pin(pin("123456"), pin("1234"), Deadline(10)),
    ):
        with pytest.raises(PinFormatError):
            work()
    assert (slot.exchanges, len(slot.endings)) == (before, transactions)


def test_a_wiped_code_is_not_sent(token, trace):
    digits = pin()
    with digits:
        pass
    before = len(trace)
    with pytest.raises(PinFormatError):
        token.verify_pin(digits, Deadline(10))
    assert not any(line.startswith("> 00 20 00 01") for line in trace[before:])


def test_the_given_code_is_sent_though_the_card_stands_open(token, other_slot):
    for ask_first in (False, True):
        open_by_another_program(other_slot)
        if ask_first:
            assert token.read_pin_status(Deadline(10)).verified
        with pytest.raises(PinWrongError):
            sign(token, "0000")
        assert states(other_slot)[0] != "9000"
        verify(token)


ENDINGS = {
    "signature": sign,
    "authentication": lambda token: sign(token, role=KeyRole.AUTHENTICATION),
    "code checked": verify,
    "code changed": lambda token: token.change_pin(pin(), pin("4321"), Deadline(10)),
    "code unblocked": lambda token: token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10)),
    "wrong code": lambda token: verify(token, "0000"),
    "wrong code to sign": lambda token: sign(token, "0000"),
    "wrong old code": lambda token: token.change_pin(pin("0000"), pin("4321"), Deadline(10)),
    "wrong puk": lambda token: token.unblock_pin(pin("00000000"), pin("4321"), Deadline(10)),
}


@pytest.mark.parametrize("work", ENDINGS.values(), ids=ENDINGS.keys())
def test_the_card_is_closed_afterwards(token, other_slot, work):
    with contextlib.suppress(PinWrongError, PinBlockedError):
        work(token)
    assert "9000" not in states(other_slot)


@pytest.mark.parametrize("work", ENDINGS.values(), ids=ENDINGS.keys())
@pytest.mark.parametrize("failure", [ReaderRemovedError, CardError, KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("at", range(1, 7))
def test_the_card_is_closed_when_any_exchange_fails(token, slot, other_slot, work, failure, at):
    """The failing exchange reaches the card; its answer does not reach us."""
    exchange, left = slot._reader.exchange, [at]

    def fail_late(events, apdu):
        answer = exchange(events, apdu)
        left[0] -= 1
        if left[0] == 0:
            raise failure
        return answer

    slot._reader.exchange = fail_late
    with contextlib.suppress(failure, PinWrongError, PinUncertainError):
        work(token)
    slot._reader.exchange = exchange
    assert "9000" not in states(other_slot)


def test_a_card_found_open_and_seen_so_is_left_open(token, other_slot):
    open_by_another_program(other_slot)
    status = token.read_pin_status(Deadline(10))
    assert (status.verified, status.tries_left, status.blocked) == (True, None, False)
    sign(token)
    verify(token)
    assert states(other_slot)[0] == "9000"


def test_a_card_closed_since_it_was_seen_open_is_closed_again(token, other_slot):
    open_by_another_program(other_slot)
    assert token.read_pin_status(Deadline(10)).verified
    with other_slot.transaction(Deadline(10)) as connection:
        connection.reset_at_end(True)
    sign(token)
    assert states(other_slot)[0] == "63c3"
    open_by_another_program(other_slot)
    sign(token)
    assert states(other_slot)[0] == "63c3", "it was not asked about, so nobody knows that it was open"


def test_the_puk_is_never_left_verified(token, other_slot):
    open_by_another_program(other_slot)
    assert token.read_pin_status(Deadline(10)).verified
    token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))
    assert "9000" not in states(other_slot)


@pytest.mark.parametrize("lie", ["another signature", "nothing", "another certificate"])
def test_a_signature_that_does_not_match_is_not_given_out(open_file_card, layout, keys, store, lie):
    token, card, slot = open_file_card(layout())
    if lie == "another certificate":
        card.keys = dict(zip(card.keys, reversed(card.keys.values()), strict=True))
    else:
        card.sign = lambda apdu: b"\x90\x00" if lie == "nothing" else bytes(256) + b"\x90\x00"
    with pytest.raises(CardUnknownError):
        sign(token)
    assert (store.calls, store.texts) == (["save", "forget"], {})
    assert slot.endings[-1]
    exchanges = slot.exchanges
    with pytest.raises(CardRemovedError):  # whoever holds it must open the card anew, and so read it anew
        sign(token)
    assert slot.exchanges == exchanges


def test_a_changed_card_is_not_spoken_to(token, slot, readers, card):
    readers.remove()
    readers.insert(card)
    before = slot.exchanges
    for work in (verify, sign, lambda token: token.read_pin_status(Deadline(10))):
        with pytest.raises(CardRemovedError):
            work(token)
    assert slot.exchanges == before


def test_no_code_is_sent_after_the_deadline(open_file_card, layout):
    """The caller is gone while the card is slow to answer its first command."""
    token, card, slot = open_file_card(layout())
    card.sent.clear()
    deadline = Deadline(10)

    def process(apdu):
        deadline.cancel()
        return card.process(apdu)

    slot.process = process
    for work in (
        lambda: token.sign(token.keys[0], [digest_of(b"x")], pin(), deadline),
        lambda: token.verify_pin(pin(), deadline),
    ):
        with pytest.raises(CardBusyError):
            work()
    assert {apdu[1] for apdu in card.sent} <= {0xA4}


def test_a_late_thread_that_gets_the_card_at_last_sends_nothing(token, slot, other_slot):
    deadline = Deadline(10)
    before = slot.exchanges
    with other_slot.transaction(Deadline(10)):
        deadline.cancel()
        with pytest.raises(CardBusyError):
            token.verify_pin(pin(), deadline)
    with pytest.raises(CardBusyError):
        token.verify_pin(pin(), deadline)
    assert slot.exchanges == before


def test_a_key_of_another_card_is_refused(token, open_file_card, layout, slot):
    stranger, _, _ = open_file_card(layout())
    before = slot.exchanges
    with pytest.raises(NotSupportedError):
        token.sign(stranger.keys[0], [digest_of(b"x")], pin(), Deadline(10))
    assert slot.exchanges == before


def test_a_card_without_puk_cannot_be_unblocked(layout, keys, store):
    made = layout()
    card = FileCard(made, keys)
    card.files[bytes.fromhex("3F0000017001")] = made.code("Code", 1, made.pin_flags, b"", b"\x01")
    token = open_cps3(FakeSlot(card.process, card.reset), store, Deadline(10))
    with pytest.raises(NotSupportedError):
        token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))


def test_commands_with_codes_are_wiped(layout, keys, store):
    card = FileCard(layout(), keys)
    slot = FakeSlot(card.process, card.reset)
    token = open_cps3(slot, store, Deadline(10))
    seen = []
    with slot.transaction(Deadline(1)) as connection:
        kind = type(connection)
    transmit = kind.transmit
    kind.transmit = lambda self, apdu: (seen.append(apdu), transmit(self, apdu))[1]
    try:
        verify(token)
    finally:
        kind.transmit = transmit
    assert seen
    assert all(not any(apdu) for apdu in seen if isinstance(apdu, bytearray) and len(apdu) == 9)


def test_attack_a_passphrase_is_never_sent_to_a_card(token, slot):
    """It would cost a try, and tell the card what opens something else."""
    words = Passphrase(bytearray(b"1234"))
    sent = slot.exchanges
    for call in (
        lambda: token.sign(key_of(token, KeyRole.SIGNATURE), [digest_of(b"x")], words, Deadline(10)),
        lambda: token.verify_pin(words, Deadline(10)),
        lambda: token.change_pin(pin("1234"), words, Deadline(10)),
        lambda: token.unblock_pin(words, pin("1234"), Deadline(10)),
        lambda: token.unblock_pin(pin("12345678"), words, Deadline(10)),
    ):
        with pytest.raises(NotSupportedError):
            call()
    assert slot.exchanges == sent
