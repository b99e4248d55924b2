"""One slot of a real pcscd beside other programs: transactions, resets, and every way in which they fail."""

import contextlib
import gc
import hashlib
import itertools
import shutil
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from support.waiting import wait_until

from drivers.base import Deadline, Digest, KeyRole
from drivers.card.cps3 import open_cps3
from drivers.errors import (
    CardAbsentError,
    CardBusyError,
    CardMuteError,
    CardRemovedError,
    PinWrongError,
    ReaderAbsentError,
    ReaderExclusiveError,
    ServiceStoppedError,
)
from drivers.pin import Pin
from drivers.registry import open_pcsc_readers
from drivers.virtual.personalisation import DEFAULT

SELECT_MF = "00A4090C023F00"
STATUS = "0020000100"
VERIFY = "002000010431323334"
RESET = 0x80100068
SHARING_VIOLATION = 0x8010000B
DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")


class NoStore:
    """Remember cards as long as the test runs."""

    def __init__(self):
        self.profiles = {}

    def load(self, number):
        return self.profiles.get(number)

    def save(self, profile):
        self.profiles[profile.number] = profile

    def forget(self, number):
        self.profiles.pop(number, None)


@pytest.fixture
def store():
    return NoStore()


@pytest.fixture
def token(slot, store):
    return open_cps3(slot, store, Deadline(30))


def pin(digits="1234"):
    return Pin(bytearray(digits.encode()))


def sign(token, role=KeyRole.AUTHENTICATION, digits="1234"):
    key = next(key for key in token.keys if key.role is role)
    digest = Digest("sha256", hashlib.sha256(b"message").digest())
    (signature,) = token.sign(key, [digest], pin(digits), Deadline(10))
    public = x509.load_der_x509_certificate(key.certificate_der).public_key()
    public.verify(signature, b"message", padding.PKCS1v15(), SHA256())


def code_state(other):
    """What another program is told of the code."""
    assert other.connect() == 0
    with other.transaction():
        other.send(SELECT_MF)
        answer = other.send(STATUS)
    other.disconnect()
    return answer


def verify_codes_sent(trace):
    return sum(line.startswith("> 00 20 00 01 04") for line in trace)


def test_the_counts_are_those_of_the_card(slot, card, store):
    token = open_cps3(slot, store, Deadline(30))
    assert slot.exchanges <= 48
    for role in KeyRole:
        before = slot.exchanges
        sign(token, role)
        assert slot.exchanges - before == 6
    before = slot.exchanges
    open_cps3(slot, store, Deadline(10))
    assert slot.exchanges - before == 4
    assert card.exchanges == slot.exchanges


def test_a_reset_is_seen_by_another_handle_and_leaves_the_card_closed(token, other):
    assert other.connect() == 0
    sign(token)
    assert other.begin() == RESET
    assert other.reconnect() == 0
    with other.transaction():
        other.send(SELECT_MF)
        assert other.send(STATUS) == "63c3"
    other.disconnect()


def test_without_a_code_nothing_is_reset(token, other, slot):
    assert other.connect() == 0
    assert token.read_pin_status(Deadline(10)).tries_left == 3
    with pytest.raises(RuntimeError), slot.transaction(Deadline(10)):
        raise RuntimeError
    assert other.begin() == 0
    other.end()
    other.disconnect()


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_block_closes_the_card(slot, other, failure):

    def verify_and_fail():
        with slot.transaction(Deadline(10)) as connection:
            connection.reset_at_end(True)
            connection.transmit(bytes.fromhex(SELECT_MF))
            assert connection.transmit(bytes.fromhex(VERIFY)) == b"\x90\x00"
            raise failure

    with pytest.raises(failure):
        verify_and_fail()
    assert code_state(other) == "63c3"


def test_a_card_left_open_by_another_program_is_no_free_ride(token, other):
    other.connect()
    with other.transaction():
        other.send(SELECT_MF)
        assert other.send(VERIFY) == "9000"
    other.disconnect()
    with pytest.raises(PinWrongError):
        sign(token, digits="0000")
    assert code_state(other) == "63c2"


def test_a_card_seen_open_is_left_open(token, other):
    other.connect()
    with other.transaction():
        other.send(SELECT_MF)
        other.send(VERIFY)
    assert token.read_pin_status(Deadline(10)).verified
    sign(token)
    assert other.begin() == 0
    other.end()
    other.disconnect()
    assert code_state(other) == "9000"


def test_two_slots_exclude_each_other(slot, inserted, in_thread):
    second, order, inside = open_pcsc_readers().open_slot(inserted.name), [], threading.Event()

    def use_second():
        with second.transaction(Deadline(10)):
            order.append("second")

    def use_first():
        with slot.transaction(Deadline(10)) as connection:
            inside.set()
            waiting = in_thread(use_second)
            for _ in range(5):
                connection.transmit(bytes.fromhex(SELECT_MF))
                time.sleep(0.1)
            assert not waiting.done
            order.append("first")
        return waiting

    in_thread(use_first).get().get()
    assert order == ["first", "second"]


def test_a_deadline_that_passes_while_waiting(token, other, trace, in_thread):
    """The thread gets the card at last, and gives it back without a word."""
    other.connect()
    other.begin()
    sent = verify_codes_sent(trace)
    began = time.monotonic()
    late = in_thread(lambda: token.verify_pin(pin(), Deadline(0.3)))
    wait_until(lambda: time.monotonic() - began > 0.6, "the deadline")
    assert not late.done, "nothing cancels a PC/SC call"
    other.end()
    other.disconnect()
    assert isinstance(late.get(), CardBusyError)
    assert verify_codes_sent(trace) == sent
    assert other.connect(exclusive=True) == 0, "no handle is left behind"
    other.disconnect()
    sign(token)


def test_no_handle_is_kept_between_two_transactions(token, other):
    for attempt in (lambda: sign(token), lambda: token.verify_pin(pin("0000"), Deadline(10))):
        with contextlib.suppress(PinWrongError):
            attempt()
        assert other.connect(exclusive=True) == 0
        other.disconnect()


def test_a_reader_held_by_another_program(token, other):
    assert other.connect(exclusive=True) == 0
    with pytest.raises(ReaderExclusiveError) as raised:
        sign(token)
    assert raised.value.native == SHARING_VIOLATION
    other.disconnect()
    sign(token)


def test_resets_by_another_program_while_we_wait(token, other, in_thread):
    """Each sends the waiting call back to the start; none of them is a removal."""
    other.connect()
    assert other.begin() == 0
    waiting = in_thread(lambda: sign(token))
    for _ in range(4):
        time.sleep(0.15)  # longer than the poll of libpcsclite, so that our call waits again
        assert other.end(reset=True) == 0
        while other.begin() == RESET:
            assert other.reconnect() == 0
    other.end()
    other.disconnect()
    assert waiting.get() is None


def test_another_program_is_not_starved(token, other, in_thread):
    other.connect()
    done, counts = threading.Event(), []

    def sign_on():
        while not done.is_set():
            token.read_pin_status(Deadline(10))
            counts.append(time.monotonic())

    ours = in_thread(sign_on)
    wait_until(lambda: len(counts) >= 2, "our transactions")
    waits = []
    for _ in range(5):
        before = len(counts)
        with other.transaction():
            waits.append(len(counts) - before)
    done.set()
    assert ours.get() is None
    assert max(waits) <= 5
    gaps = [later - sooner for sooner, later in itertools.pairwise(counts)]
    assert min(gaps) >= 0.15
    other.disconnect()


def test_a_card_pulled_in_the_middle(slot, inserted, token):
    with slot.transaction(Deadline(10)) as connection:
        connection.transmit(bytes.fromhex(SELECT_MF))
        inserted.pull(wait=False)
        with pytest.raises(CardRemovedError):
            connection.transmit(bytes.fromhex(SELECT_MF))
    wait_until(lambda: not inserted.has_card, "the reader without its card")
    with pytest.raises(CardAbsentError):
        sign(token)


def test_a_card_that_left_and_came_back_is_opened_anew(slot, inserted, token, store, card, trace):
    inserted.pull()
    inserted.insert(card)
    before = len(trace)
    exchanges = slot.exchanges
    with pytest.raises(CardRemovedError):
        sign(token)
    assert slot.exchanges == exchanges
    assert not verify_codes_sent(trace[before:])
    sign(open_cps3(slot, store, Deadline(10)))


def test_a_service_that_restarts(slot, inserted, token, store):
    inserted.pcscd.stop()
    for _ in range(2):
        with pytest.raises(ServiceStoppedError):
            sign(token)
    inserted.pcscd.start()
    wait_until(lambda: inserted.has_card, "the card after the restart")
    with pytest.raises(CardRemovedError):  # nobody watched the reader meanwhile
        sign(token)
    sign(open_cps3(slot, store, Deadline(10)))


def test_a_service_that_restarts_between_two_calls(slot, inserted, store):
    open_cps3(slot, store, Deadline(30))
    inserted.pcscd.stop()
    inserted.pcscd.start()
    wait_until(lambda: inserted.has_card, "the card after the restart")
    sign(open_cps3(slot, store, Deadline(10)))


def test_a_service_that_stops_in_the_middle(slot, inserted):
    with slot.transaction(Deadline(10)) as connection:
        inserted.pcscd.stop()
        with pytest.raises(ServiceStoppedError):
            connection.transmit(bytes.fromhex(SELECT_MF))
    inserted.pcscd.start()
    wait_until(lambda: inserted.has_card, "the card after the restart")


def test_no_card_and_no_reader(reader):
    with pytest.raises(CardAbsentError), open_pcsc_readers().open_slot(reader.name).transaction(Deadline(1)):
        pass
    with pytest.raises(ReaderAbsentError), open_pcsc_readers().open_slot("No such reader").transaction(Deadline(1)):
        pass


def test_a_card_that_does_not_answer(reader, card):
    card.atr = b"\xff" * 40  # longer than an ATR may be: pcscd gives it no power
    reader.insert(card, wait=False)
    states = open_pcsc_readers()
    wait_until(lambda: any(state.mute for state in states.list_states()), "a mute card")
    with pytest.raises(CardMuteError), open_pcsc_readers().open_slot(reader.name).transaction(Deadline(1)):
        pass


def test_contexts_are_given_back(inserted):
    """pcscd gives a number of contexts, and slots come and go with cards and stuck threads."""
    readers = open_pcsc_readers()
    for _ in range(400):
        slot = readers.open_slot(inserted.name)
        with slot.transaction(Deadline(10)):
            pass
        del slot
    gc.collect()
    sign(open_cps3(readers.open_slot(inserted.name), NoStore(), Deadline(30)))


@pytest.fixture
def pkcs11_tool(inserted):
    if not shutil.which("pkcs11-tool"):
        pytest.skip("not installed: opensc")

    def run(*arguments):
        command = ["pkcs11-tool", *arguments]
        return subprocess.run(command, env=inserted.pcscd.env, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def opensc_sign(pkcs11_tool, tmp_path):
    block = tmp_path / "block"
    block.write_bytes(DIGEST_INFO + hashlib.sha256(b"message").digest())
    key = ["--id", DEFAULT.key_id(DEFAULT.authentication).hex()]
    files = ["--input-file", str(block), "--output-file", str(tmp_path / "signature")]

    def run(*login):
        (tmp_path / "signature").unlink(missing_ok=True)
        done = pkcs11_tool("--sign", "--mechanism", "RSA-PKCS", *key, *files, *login)
        return done, (tmp_path / "signature").exists()

    return run


def test_opensc_works_beside_us_and_finds_the_card_closed(token, opensc_sign, other):
    sign(token)
    done, signed = opensc_sign()
    assert not signed, done
    assert code_state(other) == "63c3"
    done, signed = opensc_sign("--login", "--pin", "1234")
    assert (done.returncode, signed) == (0, True), done
    assert code_state(other) == "9000", "OpenSC 0.23 leaves the card open"
    with pytest.raises(PinWrongError):
        sign(token, digits="0000")
    sign(token)
    assert code_state(other) == "63c3"


def test_opensc_and_we_at_the_same_time(token, opensc_sign, in_thread):
    running = in_thread(lambda: [opensc_sign("--login", "--pin", "1234") for _ in range(3)])
    while not running.done:
        sign(token)
    assert [(done.returncode, signed) for done, signed in running.get()] == [(0, True)] * 3
