"""Conversations with a card, byte by byte. Commands are those of the transcripts of a CPS3; the keys are ours."""

import hashlib
import shutil
import subprocess
from dataclasses import replace

import pytest
from card_fakes import FakeSlot, Script, digest_of, pin, verify_signature
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from drivers.base import Deadline, KeyRole
from drivers.card.cps3 import Cps3Token, open_cps3
from drivers.card.files import Sight
from drivers.card.profile import CardKey, CardProfile, PinFile
from drivers.errors import CardUnknownError, PinBlockedError, PinWrongError

SHA256_PREFIX = "3031300D060960864801650304020105000420"


@pytest.fixture
def profile(certificates):
    def key(name, role, reference, *, takes_hash):
        algorithms = {"sha256": 0x42} if takes_hash else {"sha256": 0x02}
        place = bytes.fromhex("3F000001B001" if takes_hash else "3F000001B002")
        return CardKey(name.encode(), name, role, reference, takes_hash, algorithms, place, certificates[name])

    return CardProfile(
        "99213845", "CPS3", "CPS3 essai", bytes.fromhex("3F000001"), PinFile(1, 4, 8), PinFile(2, 8, 8),
        (key("sign", KeyRole.SIGNATURE, 0x81, takes_hash=True),
         key("authenticate", KeyRole.AUTHENTICATION, 0x82, takes_hash=False)),
    )  # fmt: skip


def script_token(profile, store, *steps):
    script = Script(*steps)
    slot = FakeSlot(script.process)
    return Cps3Token(slot, store, profile, Sight(1)), script, slot


def test_a_known_card_is_recognised(profile, store):
    store.save(profile)
    start = profile.keys[1].certificate_der[:32]
    script = Script(
        # SELECT EF.SN, no answer wanted
        "00A4090C 04 3F00D003", "9000",
        # READ BINARY: IIN, 8 digits, Luhn digit, F (EF.SN of a real card, OpenSC issue 2275)
        "00B00000 0C", "5A0A8025000001992138450F 9000",
        # SELECT the authentication certificate
        "00A4090C 06 3F000001B002", "9000",
        # its first 32 bytes are those that are known
        "00B00000 20", start.hex() + "9000",
    )  # fmt: skip
    slot = FakeSlot(script.process)
    token = open_cps3(slot, store, Deadline(10))
    assert (token.number, slot.exchanges, slot.endings) == ("99213845", 4, [False])
    assert script.done()


def test_the_signature_key_signs_with_a_cut_answer(profile, store, keys):
    digest = digest_of(b"ordonnance")
    made = keys["sign"].sign(digest.value, padding.PKCS1v15(), Prehashed(SHA256())).hex()
    token, script, slot = script_token(
        profile, store,
        # SELECT MF: codes are seen from there
        "00A4090C 02 3F00", "9000",
        # VERIFY "1234"
        "00200001 04 31323334", "9000",
        # SELECT the application
        "00A4090C 04 3F000001", "9000",
        # MSE SET, digital signature template: key 81, SHA-256 with RSA
        "002241B6 06 840181 800142", "9000",
        # PSO CDS with a hash made outside: 256 bytes wait, the card gives E7 at most
        "002A9E9A 20" + digest.value.hex(), "61E7",
        "00C00000 E7", made[: 2 * 0xE7] + "6119",
        "00C00000 19", made[2 * 0xE7 :] + "9000",
    )  # fmt: skip
    (signature,) = token.sign(token.keys[0], [digest], pin(), Deadline(10))
    verify_signature(token.keys[0], b"ordonnance", signature)
    assert (script.done(), slot.endings) == (True, [True])


def test_the_authentication_key_signs_with_an_answer_at_once(profile, store, keys, tmp_path):
    digest = digest_of(b"challenge")
    made = keys["authenticate"].sign(b"challenge", padding.PKCS1v15(), SHA256()).hex()
    token, script, slot = script_token(
        profile, store,
        "00A4090C 02 3F00", "9000",
        "00200001 04 31323334", "9000",
        "00A4090C 04 3F000001", "9000",
        # MSE SET, authentication template: key 82, RSA PKCS#1
        "002241A4 06 840182 800102", "9000",
        # INTERNAL AUTHENTICATE over the DigestInfo, answered without GET RESPONSE
        "00880000 33" + SHA256_PREFIX + digest.value.hex(), made + "9000",
    )  # fmt: skip
    (signature,) = token.sign(token.keys[1], [digest], pin(), Deadline(10))
    assert (script.done(), slot.endings) == (True, [True])
    verify_with_openssl(token.keys[1].certificate_der, b"challenge", signature, tmp_path)


def verify_with_openssl(certificate_der, message, signature, folder):
    if not shutil.which("openssl"):
        pytest.skip("not installed: openssl")
    public = x509.load_der_x509_certificate(certificate_der).public_key()
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "key").write_bytes(public.public_bytes(*form))
    (folder / "message").write_bytes(message)
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "message"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)


def test_get_response_may_be_told_the_right_length(profile, store, keys):
    digest = digest_of(b"x")
    made = keys["sign"].sign(digest.value, padding.PKCS1v15(), Prehashed(SHA256())).hex()
    token, script, _ = script_token(
        profile, store,
        "00A4090C 02 3F00", "9000",
        "00200001 04 31323334", "9000",
        "00A4090C 04 3F000001", "9000",
        "002241B6 06 840181 800142", "9000",
        "002A9E9A 20" + hashlib.sha256(b"x").hexdigest(), "61FF",
        # the card had announced more than it has in its buffer
        "00C00000 FF", "6C80",
        "00C00000 80", made[:256] + "6180",
        "00C00000 80", made[256:] + "9000",
    )  # fmt: skip
    verify_signature(token.keys[0], b"x", *token.sign(token.keys[0], [digest], pin(), Deadline(10)))
    assert script.done()


@pytest.mark.parametrize(
    ("answer", "error", "tries"),
    [
        ("63C2", PinWrongError, 2),
        ("63C0", PinBlockedError, 0),
        ("6983", PinBlockedError, 0),
        ("6984", PinBlockedError, 0),
    ],
)
def test_a_refused_code(profile, store, answer, error, tries):
    token, script, slot = script_token(
        profile, store,
        "00A4090C 02 3F00", "9000",
        "00200001 04 31323334", answer,
    )  # fmt: skip
    with pytest.raises(error) as raised:
        token.sign(token.keys[0], [digest_of(b"x")], pin(), Deadline(10))
    assert (raised.value.tries_left, raised.value.native) == (tries, int(answer, 16))
    assert (script.done(), slot.endings) == (True, [True])


def test_the_code_is_changed(profile, store):
    token, script, slot = script_token(
        profile, store,
        "00A4090C 02 3F00", "9000",
        "00200001 04 31323334", "9000",
        # CHANGE REFERENCE DATA: old, then new
        "00240001 0A 31323334 353637383930", "9000",
    )  # fmt: skip
    token.change_pin(pin("1234"), pin("567890"), Deadline(10))
    assert (script.done(), slot.endings) == (True, [True])


def test_the_code_is_unblocked(profile, store):
    token, script, slot = script_token(
        profile, store,
        "00A4090C 02 3F00", "9000",
        # VERIFY of the PUK
        "00200002 08 3132333435363738", "9000",
        # RESET RETRY COUNTER with a new code
        "002C0201 04 34333231", "9000",
    )  # fmt: skip
    token.unblock_pin(pin("12345678"), pin("4321"), Deadline(10))
    assert (script.done(), slot.endings) == (True, [True])


def test_the_tries_left_cost_two_exchanges_and_no_try(profile, store):
    token, script, slot = script_token(
        profile, store,
        "00A4090C 02 3F00", "9000",
        "00200001 00", "63C2",
    )  # fmt: skip
    status = token.read_pin_status(Deadline(10))
    assert (status.tries_left, status.verified, status.blocked) == (2, False, False)
    assert (script.done(), slot.endings) == (True, [False])


@pytest.mark.parametrize("lengths", [(9, 12), (0, 3), (0, 0), (6, 5)])
def test_attack_card_whose_code_has_an_impossible_length_is_not_opened(profile, store, lengths):
    """A question for such a code could not be put to anybody."""
    with pytest.raises(CardUnknownError):
        script_token(replace(profile, pin=PinFile(1, *lengths)), store)


def test_padded_codes_fill_the_whole_field(profile, store):
    padded = CardProfile(
        profile.number, profile.generation, profile.label, profile.application_path,
        PinFile(0x81, 4, 8, 8, 0xFF), None, profile.keys,
    )  # fmt: skip
    token, script, _ = script_token(
        padded, store,
        # a code with bit 8 set belongs to the application (ISO 7816-4)
        "00A4090C 04 3F000001", "9000",
        "00200081 08 31323334FFFFFFFF", "9000",
        "00240081 10 31323334FFFFFFFF 3536373839FFFFFF", "9000",
    )  # fmt: skip
    token.change_pin(pin("1234"), pin("56789"), Deadline(10))
    assert script.done()
