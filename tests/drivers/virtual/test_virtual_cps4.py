"""The virtual CPS4 as a terminal meets it: what it answers, and what it refuses as a real card would."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.virtual.cps4 import VirtualCps4
from drivers.virtual.kinds import CPS4, open_card_of_kind
from drivers.virtual.personalisation import AlgorithmReferences
from drivers.virtual.store import open_made

ROOT = "01A4040C 08 8025000001FF0100"
APPLICATION = "01A4090C 04 3F000001"
VERIFY = "01200001 04 31323334"
DIGEST = hashlib.sha256(b"message").digest()
SIGN = f"012A9E9A 20 {DIGEST.hex()}"
SET_SIGN, SET_DECIPHER = "012281B6 04 9102 28 90", "012241B8 03 830120"


@pytest.fixture
def card(cps4_folder):
    with open_card_of_kind(cps4_folder, "cps4") as card:
        assert isinstance(card, VirtualCps4)
        card.power_on()
        yield card


@pytest.fixture
def say(card):
    """Send commands; the answer in hexadecimal."""

    def say(*commands):
        answer = ""
        for command in commands:
            answer = card.process(bytes.fromhex(command)).hex().upper()
        return answer

    return say


@pytest.fixture
def ready(say):
    """In the application, with the code verified."""
    assert say(ROOT, VERIFY, APPLICATION) == "9000"
    return say


def public_key(card, fid):
    content = next(ef.content for ef in card._image.application.elementary_files() if ef.fid == fid)
    return x509.load_der_x509_certificate(content).public_key()


@pytest.mark.parametrize(
    "command",
    ["0020000100", "00A4090C043F002F00", "00B09C000C", "00A4040C088025000001FF0100", "0022 81B604 91022890", "80200001 00"],
)  # fmt: skip
def test_it_does_not_answer_to_another_class(ready, command):
    assert ready(command) == "6E00"


@pytest.mark.parametrize("command", ["0120000100", "01A4090C043F002F00", "01B09C000C", SIGN, SET_SIGN])
def test_nothing_works_before_its_root_is_selected(say, command):
    assert say(command) == "6985"


def test_another_application_cannot_be_selected_first(say):
    assert say("01A4040C 0D E828BD080F8025000001FF0010") == "6985"
    assert say(ROOT, "01A4040C 0D E828BD080F8025000001FF0010") == "9000"


def test_a_reset_forgets_root_code_and_environment(card, ready):
    assert ready(SET_SIGN) == "9000"
    card.reset()
    assert ready(SET_SIGN) == "6985"
    assert ready(ROOT, "0120000100") == "63C3"
    assert ready(VERIFY, APPLICATION, SIGN) == "6985"


def test_the_way_back_to_its_root(card, say):
    card.lose_its_way()
    manager, applet = "01A4040C 07 A0000001510000", "00A4040C 08 8025000001FF0002"
    assert say(ROOT) == "6985"
    assert say(applet, ROOT) == "6985", "the applet alone"
    assert say(manager, ROOT) == "6985"
    assert say(applet, ROOT) == "9000"


@pytest.mark.parametrize("ins", ["88 00 00", "CB 3F FF", "84 00 00", "24 00 01"])
def test_commands_that_it_does_not_have(ready, ins):
    assert ready(f"01 {ins} 04 31323334") in ("6D00", "6A86")


def test_no_internal_authenticate(ready):
    assert ready("01880000 33 3031300D060960864801650304020105000420" + DIGEST.hex()) == "6D00"


@pytest.mark.parametrize(
    ("reference", "algorithm", "pss"),
    [("0A", "sha1", False), ("28", "sha256", False), ("15", "sha1", True), ("2C", "sha256", True)],
)
def test_signatures_by_reference(card, ready, reference, algorithm, pss):
    value = hashlib.new(algorithm, b"message").digest()
    name = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[algorithm]
    assert ready(f"012281B6 04 9102{reference}90") == "9000"
    answer = ready(f"012A9E9A {len(value):02X} {value.hex()} 00")
    assert answer[-4:] == "9000"
    scheme = padding.PSS(padding.MGF1(name), len(value)) if pss else padding.PKCS1v15()
    public_key(card, 0xB001).verify(bytes.fromhex(answer[:-4]), value, scheme, Prehashed(name))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("012281B6 04 9102 42 90", "6A80"),  # an algorithm of the CPS3
        ("012281B6 04 9102 28 10", "6A88"),  # without bit 8
        ("012281B6 04 9102 28 A0", "6A88"),  # the other key
        ("012281B6 06 840190 800128", "6A80"),  # in the words of a CPS3
        ("012241B6 04 9102 28 90", "6A86"),
        ("012241A4 06 840120 800102", "6A86"),
        ("012241B8 03 830110", "6A88"),
        ("012241B8 06 840120 80011A", "6A80"),
    ],
)
def test_environments_that_it_refuses(ready, command, answer):
    assert ready(command) == answer


def test_a_refused_environment_leaves_none(ready):
    assert ready(SET_SIGN, "012281B6 04 9102 42 90", SIGN) == "6985"


def test_one_environment_replaces_the_other(ready):
    assert ready(SET_SIGN, SET_DECIPHER, SIGN) == "6985"


def test_keys_need_the_code(say):
    assert say(ROOT, APPLICATION, SET_SIGN, SIGN) == "6982"
    assert say(SET_DECIPHER, "112A8086 80" + "00" * 128, "012A8086 80" + "01" * 128) == "6982"


def test_keys_are_seen_from_the_application_alone(say):
    assert say(ROOT, VERIFY, SET_SIGN) == "6A88"


@pytest.mark.parametrize("length", [0, 20, 31, 33])
def test_only_a_hash_is_signed(ready, length):
    assert ready(SET_SIGN, f"012A9E9A {length:02X}" + "00" * length) == "6700"


def decipher(say, block):
    return say("112A8086 80" + block[:128].hex(), "012A8086 80" + block[128:].hex() + "00")


def test_a_padded_block_is_signed(card, ready):
    info = bytes.fromhex("3031300D060960864801650304020105000420") + DIGEST
    assert ready(SET_DECIPHER) == "9000"
    answer = decipher(ready, b"\x00\x01" + b"\xff" * (253 - len(info)) + b"\x00" + info)
    public_key(card, 0xB002).verify(bytes.fromhex(answer[:-4]), b"message", padding.PKCS1v15(), hashes.SHA256())


def test_what_is_not_padded_is_refused(ready):
    info = "3031300D060960864801650304020105000420" + DIGEST.hex()
    assert ready(SET_DECIPHER, f"012A8086 33 {info}") == "6700"
    assert ready(f"112A8086 80 {'81' + '00' * 127}", f"012A8086 81 {'00' * 129}") == "6700", "with an indicator"
    assert decipher(ready, b"\xff" * 256) == "6A80", "longer than the modulus"


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (["11200001 04 31323334"], "6884"),
        (["112A8086 02 0000", VERIFY], "6883"),
        (["112A8086 FF" + "00" * 255] * 3, "6700"),
    ],
)
def test_chains(ready, commands, answer):
    assert ready(SET_DECIPHER, *commands) == answer


def test_codes(say):
    say(ROOT)
    assert say("0120000100") == "63C3" == say("01200001")
    assert say("01200001 04 39393939") == "63C2"
    assert say("01240101 04 35363738") == "6982", "nothing verified"
    assert say(VERIFY, "01240001 08 3132333435363738") == "6A86", "old and new"
    assert say("01240101 03 353637") == "6700"
    assert say("01240101 04 35363738") == "9000"
    assert say("01200001 04 35363738") == "9000"
    for left in ("63C2", "63C1", "6983"):
        assert say("01200001 04 39393939") == left


def test_unblocking(say):
    say(ROOT, *["01200001 04 39393939"] * 3)
    assert say("012C0381 00") == "6982", "without the PUK"
    assert say("01200002 08 3132333435363738") == "9000"
    assert say("012C0301 00") == "6A88", "without bit 8"
    assert say("012C0201 04 35363738") == "6A86", "as on a CPS3"
    assert say("012C0381 04 35363738") == "6700"
    assert say("012C0381") == "9000"
    assert say("01240181 04 35363738") == "9000"
    assert say("01200001 04 35363738") == "9000"


def test_t0_and_t1_by_the_form_of_a_command(ready):
    assert ready(SET_SIGN, SIGN) == "6100"
    assert len(ready("01C0000000")) == 2 * 258
    assert len(ready(SIGN + "00")) == 2 * 258
    assert ready(SIGN + "80")[-4:] == "6180", "half of it"
    assert ready(SIGN + "0000") == "6700"
    assert ready("00C0000000") == "6E00"


def test_it_needs_the_algorithms_of_its_kind(cps4_folder):
    with pytest.raises(TypeError):
        open_made(cps4_folder, replace(CPS4, algorithms=AlgorithmReferences()), VirtualCps4.make)
