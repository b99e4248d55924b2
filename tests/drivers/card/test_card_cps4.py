"""The CPS4 by its dialect: conversations byte by byte, and the virtual card in T=0 and T=1."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace

import pytest
from card_fakes import FakeSlot, Script, pin
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from drivers.base import Deadline, Digest, KeyRole, Padding
from drivers.card.cps4 import Cps4Token, open_cps4
from drivers.card.family import open_card as open_direct
from drivers.card.files import Sight
from drivers.card.profile import CardKey, CardProfile, PinFile
from drivers.errors import (
    CardError,
    CardUnknownError,
    NotSupportedError,
    PinBlockedError,
    PinUncertainError,
    PinWrongError,
)
from drivers.pin import ON_PAD
from drivers.virtual.cps4 import AID_CPS2TER, AID_MANAGER, VirtualCps4
from drivers.virtual.kinds import CPS4, open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.pad import VirtualPad
from drivers.virtual.personalisation import ChipDocAlgorithms
from drivers.virtual.store import open_made
from drivers.virtual.trace import TracedCard

HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
MESSAGE = b"ordonnance"
SELECT_ROOT = "01A4040C 08 8025000001FF0100"


@pytest.fixture
def chip(cps4_folder):
    with open_card_of_kind(cps4_folder, "cps4") as chip:
        assert isinstance(chip, VirtualCps4)
        yield chip


@pytest.fixture
def card(chip, trace):
    return TracedCard(chip, trace.append)


@pytest.fixture(params=[False, True], ids=["T=0", "T=1"])
def t1(request):
    return request.param


@pytest.fixture
def readers(card, t1):
    return VirtualReaders([card], t1=t1)


@pytest.fixture
def token(slot, store):
    return open_cps4(slot, store, Deadline(10))


def digest(algorithm="sha256", scheme=Padding.PKCS1, message=MESSAGE):
    return Digest(algorithm, hashlib.new(algorithm, message).digest(), scheme)


def key_of(token, role):
    return next(key for key in token.keys if key.role is role)


def verify(key, made, signature):
    algorithm = HASHES[made.algorithm]
    scheme = padding.PKCS1v15()
    if made.padding is Padding.PSS:
        scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    public = x509.load_der_x509_certificate(key.certificate_der).public_key()
    public.verify(signature, made.value, scheme, Prehashed(algorithm))


def count(slot, work):
    before = slot.exchanges
    work()
    return slot.exchanges - before


def test_it_is_opened_by_its_atr(slot, store, chip):
    token = open_direct(slot, chip.atr, store, Deadline(10))
    assert isinstance(token, Cps4Token)
    assert (token.number, token.generation, token.label) == (CPS4.serial, "CPS4", CPS4.token_label)
    assert {key.label: key.role for key in token.keys} == {
        "CPS_PRIV_SIG": KeyRole.SIGNATURE, "CPS_PRIV_AUT": KeyRole.AUTHENTICATION
    }  # fmt: skip


SCHEMES = [
    *((KeyRole.SIGNATURE, algorithm, scheme) for algorithm in ("sha1", "sha256") for scheme in Padding),
    *((KeyRole.AUTHENTICATION, algorithm, scheme) for algorithm in HASHES for scheme in Padding),
]


@pytest.mark.parametrize(("role", "algorithm", "scheme"), SCHEMES)
def test_it_signs(token, chip, role, algorithm, scheme):
    key, made = key_of(token, role), digest(algorithm, scheme)
    assert key.signs(made)
    (signature,) = token.sign(key, [made], pin(), Deadline(10))
    verify(key, made, signature)
    assert not chip._codes.pin_verified


@pytest.mark.parametrize(("algorithm", "scheme"), [("sha512", Padding.PKCS1), ("sha384", Padding.PSS)])
def test_what_its_signature_key_does_not_take(token, slot, algorithm, scheme):
    key, made = key_of(token, KeyRole.SIGNATURE), digest(algorithm, scheme)
    assert not key.signs(made)
    with pytest.raises(NotSupportedError):
        token.sign(key, [made], pin("0000"), Deadline(10))
    assert token.read_pin_status(Deadline(10)).tries_left == 3


def test_paddings_are_mixed_with_one_code(token, trace):
    key = key_of(token, KeyRole.SIGNATURE)
    batch = [digest(scheme=scheme, message=bytes([number])) for number in range(3) for scheme in Padding]
    for made, signature in zip(batch, token.sign(key, batch, pin(), Deadline(10)), strict=True):
        verify(key, made, signature)
    assert sum(line.startswith("> 01 20 00 01 04") for line in trace) == 1


def test_how_little_is_said(slot, store, token, t1):
    """In T=0 each answer of a signature costs a GET RESPONSE; a block to decipher goes in two parts."""
    assert count(slot, lambda: open_cps4(slot, store, Deadline(10))) == 4
    sign = {
        role: count(slot, lambda role=role: token.sign(key_of(token, role), [digest()], pin(), Deadline(10)))
        for role in KeyRole
    }
    assert sign == {KeyRole.SIGNATURE: 5 if t1 else 6, KeyRole.AUTHENTICATION: 6 if t1 else 7}
    assert count(slot, lambda: token.read_pin_status(Deadline(10))) == 2
    assert count(slot, lambda: token.verify_pin(pin(), Deadline(10))) == 2
    assert count(slot, lambda: token.change_pin(pin(), pin("4321"), Deadline(10))) == 3
    assert count(slot, lambda: token.unblock_pin(pin("12345678"), pin("1234"), Deadline(10))) == 4


def test_an_unknown_card_is_read_in_no_more_than_a_cps3(slot, store):
    assert count(slot, lambda: open_cps4(slot, store, Deadline(10))) <= 42


def test_everything_goes_by_its_class_byte(token, trace):
    token.sign(token.keys[0], [digest()], pin(), Deadline(10))
    token.unblock_pin(pin("12345678"), pin("1234"), Deadline(10))
    sent = {line[2:4] for line in trace if line.startswith("> ")}
    assert sent == {"01"}


def test_t1_commands_say_what_they_want_back(token, trace, t1):
    token.sign(key_of(token, KeyRole.SIGNATURE), [digest()], pin(), Deadline(10))
    commands = [line[2:] for line in trace if line.startswith("> ")]
    (signing,) = [line for line in commands if line.startswith("01 2A 9E 9A")]
    assert len(bytes.fromhex(signing)) == 5 + 32 + t1
    assert any(line.startswith("01 C0") for line in commands) is not t1


def test_codes(token, chip):
    with pytest.raises(PinWrongError) as raised:
        token.verify_pin(pin("0000"), Deadline(10))
    assert raised.value.tries_left == token.read_pin_status(Deadline(10)).tries_left == 2
    with pytest.raises(PinWrongError):
        token.change_pin(pin("0000"), pin("5678"), Deadline(10))
    token.change_pin(pin(), pin("567890"), Deadline(10))
    with pytest.raises(PinWrongError):
        token.verify_pin(pin(), Deadline(10))
    token.verify_pin(pin("567890"), Deadline(10))
    for _ in range(2):
        with pytest.raises(PinWrongError):
            token.verify_pin(pin("0000"), Deadline(10))
    with pytest.raises(PinBlockedError):
        token.verify_pin(pin("0000"), Deadline(10))
    assert token.read_pin_status(Deadline(10)).blocked
    with pytest.raises(PinWrongError) as raised:
        token.unblock_pin(pin("87654321"), pin("4321"), Deadline(10))
    assert raised.value.tries_left == 2
    token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))
    token.verify_pin(pin("4321"), Deadline(10))
    assert not chip._codes.pin_verified


def test_the_given_code_is_sent_though_the_card_stands_open(token, other_slot, chip):
    with other_slot.transaction(Deadline(5)) as connection:
        for command in (SELECT_ROOT, "01200001 04 31323334"):
            assert connection.transmit(bytes.fromhex(command)) == b"\x90\x00"
    assert token.read_pin_status(Deadline(10)).verified
    with pytest.raises(PinWrongError):
        token.sign(token.keys[0], [digest()], pin("0000"), Deadline(10))
    assert not chip._codes.pin_verified


def test_a_card_that_lost_its_way_is_led_back(token, chip, slot, store, trace):
    chip.lose_its_way()
    trace.clear()
    assert token.read_pin_status(Deadline(10)).tries_left == 3
    sent = [line[2:].replace(" ", "") for line in trace if line.startswith("> ")]
    assert sent[:4] == [
        SELECT_ROOT.replace(" ", ""),
        "01A4040C07" + AID_MANAGER.hex().upper(),
        "00A4040C08" + AID_CPS2TER.hex().upper(),
        SELECT_ROOT.replace(" ", ""),
    ]
    chip.lose_its_way()
    assert open_cps4(slot, store, Deadline(10)).number == CPS4.serial


class Variant:
    """The card seen through a change of its answers."""

    def __init__(self, chip, change):
        self._chip, self._change = chip, change

    def process(self, apdu):
        changed = self._change(apdu)
        return changed if len(changed) == 2 else self._chip.process(changed)  # no command is as short as a status word


def refuse(*starts):
    """Answer commands that begin so with a status word."""
    table = {bytes.fromhex(start): bytes.fromhex(sw) for start, sw in starts}
    return lambda apdu: next((sw for start, sw in table.items() if apdu.startswith(start)), apdu)


def by_short_paths(apdu):
    """A card that wants paths without 3F00 (P1 = 08)."""
    if apdu[1:3] == b"\xa4\x09":
        return bytes.fromhex("6A86")
    if apdu[1:3] == b"\xa4\x08":
        return bytes([apdu[0], 0xA4, 0x09, apdu[3], apdu[4] + 2]) + b"\x3f\x00" + apdu[5:]
    return apdu


VARIANTS = {
    "no short identifier of EF.SN": refuse(("01B09C00", "6A82")),
    "no EF.DIR": refuse(("01A4090C043F002F00", "6A82"), ("01A4080C022F00", "6A82")),
    "paths without 3F00": by_short_paths,
}


@pytest.mark.parametrize("change", VARIANTS.values(), ids=VARIANTS.keys())
def test_variants_of_what_nobody_knows(chip, store, change):
    variant = Variant(chip, change)
    slot = FakeSlot(variant.process, chip.reset)
    token = open_cps4(slot, store, Deadline(10))
    assert token.number == CPS4.serial
    for key in token.keys:
        (signature,) = token.sign(key, [digest()], pin(), Deadline(10))
        verify(key, digest(), signature)


@pytest.fixture
def made(made_cps4, tmp_path, store):
    """A function that gives the token of a card with some things changed."""
    opened = []

    def make(**changes):
        folder = shutil.copytree(made_cps4, tmp_path / "made")
        chip = open_made(folder, replace(CPS4, **changes), VirtualCps4.make)
        opened.append(chip)
        readers = VirtualReaders([chip])
        return open_cps4(readers.open_slot(readers.list_states()[0].name), store, Deadline(10))

    yield make
    for chip in opened:
        chip.close()


class Silent(ChipDocAlgorithms):
    """Names no algorithm."""

    def supported(self):
        return ()


class WithoutPss(ChipDocAlgorithms):
    def supported(self):
        return super().supported()[:2]


def test_references_are_the_cards_own(made):
    token = made(
        algorithms=ChipDocAlgorithms(sha1_rsa=0x31, sha256_rsa=0x32, sha1_pss=0x33, sha256_pss=0x34),
        signature=replace(CPS4.signature, reference=0x11, certificate_fid=0xB00A),
        authentication=replace(CPS4.authentication, reference=0x22, certificate_fid=0xB00B),
    )
    for role, algorithm, scheme in SCHEMES:
        made_digest = digest(algorithm, scheme)
        (signature,) = token.sign(key_of(token, role), [made_digest], pin(), Deadline(10))
        verify(key_of(token, role), made_digest, signature)


def test_the_documented_references_stand_in_where_the_card_names_none(made):
    token = made(algorithms=Silent())
    key = token.profile.key(KeyRole.SIGNATURE)
    assert (key.algorithms, key.pss) == ({"sha256": 0x28, "sha1": 0x0A}, {"sha256": 0x2C, "sha1": 0x15})
    for scheme in Padding:
        (signature,) = token.sign(key.info(), [digest(scheme=scheme)], pin(), Deadline(10))
        verify(key, digest(scheme=scheme), signature)


def test_pss_is_not_offered_where_the_card_names_only_pkcs1(made):
    key = key_of(made(algorithms=WithoutPss()), KeyRole.SIGNATURE)
    assert (key.hashes, key.pss_hashes) == ({"sha1", "sha256"}, frozenset())


@pytest.mark.parametrize(("sw", "error"), [("6985", CardError), ("6A82", CardError), ("6E00", CardError)])
def test_a_root_that_cannot_be_selected(store, sw, error):
    slot = FakeSlot(lambda _apdu: bytes.fromhex(sw))
    with pytest.raises(error):
        open_cps4(slot, store, Deadline(10))
    assert slot.exchanges <= 5


def test_a_signature_with_another_padding_does_not_leave(token, chip, store):
    """A card that signs PKCS#1 where PSS was asked for."""
    chip._keys._schemes[0x2C] = ("sha256", False)
    with pytest.raises(CardUnknownError):
        token.sign(key_of(token, KeyRole.SIGNATURE), [digest(scheme=Padding.PSS)], pin(), Deadline(10))
    assert "forget" in store.calls


def test_codes_typed_on_the_reader(card, store):
    pad = VirtualPad()
    readers = VirtualReaders([card], pad=pad)
    token = open_cps4(readers.open_slot(readers.list_states()[0].name), store, Deadline(10))
    pad.type("1234", "5678", "5678")
    token.change_pin(ON_PAD, ON_PAD, Deadline(20))
    pad.type("5678")
    assert token.sign(token.keys[0], [digest()], ON_PAD, Deadline(20))
    pad.type("12345678", "4321", "4321")
    token.unblock_pin(ON_PAD, ON_PAD, Deadline(20))
    pad.type("4321")
    token.verify_pin(ON_PAD, Deadline(20))


@pytest.fixture
def profile(certificates):
    def key(name, role, reference, *, takes_hash):
        algorithms, pss = ({"sha256": 0x28}, {"sha256": 0x2C}) if takes_hash else ({"sha256": 0}, {"sha256": 0})
        place = bytes.fromhex("3F000001B001" if takes_hash else "3F000001B002")
        return CardKey(name.encode(), name, role, reference, takes_hash, algorithms, place, certificates[name], pss)

    return CardProfile(
        "99900004", "CPS4", "CPS4 essai", bytes.fromhex("3F000001"), PinFile(1, 4, 8), PinFile(2, 8, 8),
        (key("sign", KeyRole.SIGNATURE, 0x10, takes_hash=True),
         key("authenticate", KeyRole.AUTHENTICATION, 0x20, takes_hash=False)),
    )  # fmt: skip


def script_token(profile, store, *steps):
    script = Script(*steps)
    slot = FakeSlot(script.process)
    return Cps4Token(slot, store, profile, Sight(1)), script, slot


ENTER = (SELECT_ROOT, "9000", "01200001 04 31323334", "9000", "01A4090C 04 3F000001", "9000")


@pytest.mark.parametrize(("scheme", "reference"), [(Padding.PKCS1, "28"), (Padding.PSS, "2C")])
def test_the_words_of_a_signature(profile, store, keys, scheme, reference):
    made = digest(scheme=scheme)
    pads = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if scheme is Padding.PSS else padding.PKCS1v15()
    signed = keys["sign"].sign(made.value, pads, Prehashed(hashes.SHA256())).hex()
    token, script, slot = script_token(
        profile, store, *ENTER,
        # MSE SET for computation and for signing: algorithm, and the key with bit 8
        f"012281B6 04 9102{reference}90", "9000",
        # PSO CDS over a hash made outside
        "012A9E9A 20" + made.value.hex(), "61E7",
        "01C00000 E7", signed[: 2 * 0xE7] + "6119",
        "01C00000 19", signed[2 * 0xE7 :] + "9000",
    )  # fmt: skip
    (signature,) = token.sign(token.keys[0], [made], pin(), Deadline(10))
    verify(token.keys[0], made, signature)
    assert (script.done(), slot.endings) == (True, [True])


def test_the_words_of_an_authentication(profile, store, keys):
    made = digest()
    info = bytes.fromhex("3031300D060960864801650304020105000420") + made.value
    block = (b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info).hex()
    signed = keys["authenticate"].sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()).hex()
    token, script, _ = script_token(
        profile, store, *ENTER,
        # MSE SET for deciphering
        "012241B8 03 830120", "9000",
        # PSO DECIPHER of the padded block, without a padding indicator, in two parts
        "112A8086 80" + block[:256], "9000",
        "012A8086 80" + block[256:], "6100",
        "01C00000 00", signed + "9000",
    )  # fmt: skip
    (signature,) = token.sign(token.keys[1], [made], pin(), Deadline(10))
    verify(token.keys[1], made, signature)
    assert script.done()


def test_the_words_of_an_unblocking(profile, store):
    token, script, slot = script_token(
        profile, store,
        SELECT_ROOT, "9000",
        "01200002 08 3132333435363738", "9000",
        # RESET RETRY COUNTER alone, of the local reference; then the new code
        "012C0381 00", "9000",
        "01240101 04 34333231", "9000",
    )  # fmt: skip
    token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))
    assert (script.done(), slot.endings) == (True, [True])


def test_an_unblocking_that_stops_halfway_has_set_no_code(profile, store):
    token, _, slot = script_token(
        profile, store, SELECT_ROOT, "9000", "01200002 08 3132333435363738", "9000", "012C0381 00", "6985"
    )
    with pytest.raises(CardError) as raised:
        token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))
    assert (raised.value.sw, slot.endings) == (0x6985, [True])


def test_a_new_code_whose_fate_is_unknown(profile, store):
    token, _, _ = script_token(
        profile, store, SELECT_ROOT, "9000", "01200001 04 31323334", "9000", "01240101 04 34333231", "6F00"
    )
    with pytest.raises(PinUncertainError):
        token.change_pin(pin(), pin("4321"), Deadline(10))


def test_a_chain_that_breaks(profile, store):
    token, script, slot = script_token(
        profile, store, *ENTER, "012241B8 03 830120", "9000",
        "112A8086 80" + encoded_start(), "6884",
    )  # fmt: skip
    with pytest.raises(CardError) as raised:
        token.sign(token.keys[1], [digest()], pin(), Deadline(10))
    assert (raised.value.sw, script.done(), slot.endings) == (0x6884, True, [True])


def encoded_start():
    return "0001" + "ff" * 126
