"""Cards that lie: whatever comes back, a DriverError within a bounded number of exchanges, or a working token."""

import contextlib
import json
import random

import pytest
from card_fakes import FakeSlot, FileCard, Quirks, digest_of, make_certificate, octets, pin, seq, tlv
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.base import Deadline, Digest
from drivers.card import pkcs15
from drivers.card.cps3 import Cps3Token, open_cps3
from drivers.card.files import MAX_EXCHANGES
from drivers.card.profile import CardProfile
from drivers.card.reading import read_profile
from drivers.card.signatures import certificate_role, is_signature_of
from drivers.card.tlv import find_tlv, read_tlvs
from drivers.errors import CardError, CardUnknownError, DriverError

BOUND = MAX_EXCHANGES + 100
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
NAMES = [
    "3F002F00", "3F00D003", "3F0000015031", "3F0000015032", "3F0000017001", "3F0000017002", "3F0000017005",
    "3F000001B001", "3F000001B002",
]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def use(slot, store):
    """Open and use the card; anything but a DriverError is a failure of the test, and so is too long a talk."""
    try:
        token = open_cps3(slot, store, Deadline(30))
        for key in token.keys:
            for digest in (digest_of(b"x"), Digest("sha512", bytes(64))):
                slot.exchanges = 0
                with contextlib.suppress(DriverError):
                    token.sign(key, [digest], pin(), Deadline(30))
                assert slot.exchanges < 100
        token.read_pin_status(Deadline(30))
    except DriverError:
        return
    finally:
        assert slot.exchanges <= BOUND


def hostile_slot(layout, keys, changes, quirks=None):
    card = FileCard(layout, keys, quirks)
    card.files.update({bytes.fromhex(name): content for name, content in changes.items()})
    return FakeSlot(refusing(card), card.reset)


def refusing(card):
    """The card, answering 6A80 to what it does not understand."""

    def process(apdu):
        try:
            return card.process(apdu)
        except (AssertionError, KeyError, IndexError):
            return b"\x6a\x80"

    return process


@pytest.mark.parametrize("name", NAMES)
@RELAXED
@given(data=st.data())
def test_any_bytes_in_any_file(name, layout, keys, store, data):
    store.texts.clear()
    use(hostile_slot(layout(), keys, {name: data.draw(st.binary(max_size=600))}), store)


@pytest.mark.parametrize("name", NAMES)
@RELAXED
@given(data=st.data())
def test_any_damage_to_any_file(name, layout, keys, store, data):
    """Bytes of an honest file changed, left out or put in."""
    store.texts.clear()
    made = layout()
    content = bytearray(made.files()[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=3))
        content[at : at + data.draw(st.integers(0, 3))] = piece
        if not content:
            break
    use(hostile_slot(made, keys, {name: bytes(content)}), store)


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation(name, layout, keys, store):
    made = layout()
    content = made.files()[name]
    for length in range(0, len(content), 1 if len(content) < 300 else 37):
        store.texts.clear()
        use(hostile_slot(made, keys, {name: content[:length]}), store)


HUGE = {
    "zeroes": bytes(65535),
    "ones": b"\xff" * 65535,
    "one object": b"\x30\x83\x00\xff\xfa" + bytes(65530),
    "longer than it is": b"\x30\x83\xff\xff\xff" + bytes(60000),
    "nested": b"".join(b"\x30\x82" + (20000 - 4 * n).to_bytes(2) for n in range(1, 4000)),
    "many objects": seq(octets(b"1")) * 8000,
    "many paths": b"".join(tlv(0xA0, seq(octets(bytes.fromhex("3F000001B001")))) for _ in range(2500)),
    "many records": tlv(0x61, tlv(0x4F, b"A" * 16)) * 1500,
    "indefinite": b"\x30\x80" * 100,
    "long tags": b"\x1f\xff\xff\xff" * 100,
    "long length": b"\x30\xff" + b"\xff" * 200,
}


@pytest.mark.parametrize("content", HUGE.values(), ids=HUGE.keys())
@pytest.mark.parametrize("name", NAMES)
def test_huge_files(name, content, layout, keys, store):
    for quirks in (Quirks(), Quirks(end="short", cut_reads=0xC8)):
        store.texts.clear()
        use(hostile_slot(layout(), keys, {name: content}, quirks), store)


ANSWERS = {
    "nothing": lambda apdu: b"",
    "one byte": lambda apdu: b"\x90",
    "success alone": lambda apdu: b"\x90\x00",
    "endless 61": lambda apdu: b"\x61\x00",
    "endless 61 with a byte": lambda apdu: b"A\x61\x01",
    "endless 61 with data": lambda apdu: bytes(256) + b"\x61\x00",
    "endless 6C": lambda apdu: b"\x6c\x10",
    "one byte at a time": lambda apdu: (b"\x30" if apdu[1] == 0xB0 else b"") + b"\x90\x00",
    "zeroes for ever": lambda apdu: (bytes(256) if apdu[1] == 0xB0 else b"") + b"\x90\x00",
    "more than asked for": lambda apdu: bytes(65000) + b"\x90\x00",
    "objects for ever": lambda apdu: bytes.fromhex("5A0A8025000001992138450F") + b"\x90\x00",
    "6300": lambda apdu: b"\x63\x00",
    "63FF": lambda apdu: b"\x63\xff",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_of_no_card(answer, store):
    slot = FakeSlot(answer)
    with pytest.raises(DriverError):
        open_cps3(slot, store, Deadline(30))
    assert slot.exchanges <= BOUND


@pytest.mark.parametrize("ins", [0xA4, 0xB0, 0x20, 0x22, 0x2A, 0x88, 0xC0])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_one_command_answered_so(answer, ins, layout, keys, store):
    """An honest card but for one command, when it is read and once it is known."""
    for known in (False, True):
        card = FileCard(layout(), keys)
        honest = refusing(card)
        slot = FakeSlot(honest, card.reset)
        if known:
            open_cps3(slot, store, Deadline(30))
            slot.exchanges = 0
        slot.process = lambda apdu, honest=honest: answer(apdu) if apdu[1] == ins else honest(apdu)
        use(slot, store)
        store.texts.clear()


@RELAXED
@given(seed=st.integers(0, 2**32), rate=st.floats(0.01, 0.5))
def test_noise_on_the_line(layout, keys, store, seed, rate):
    store.texts.clear()
    noise = random.Random(seed)
    card = FileCard(layout(), keys)
    honest = refusing(card)

    def process(apdu):
        if noise.random() < rate:
            words = b"\x90\x00", b"\x61\x10", b"\x6c\x20", b"\x62\x82", b"\x6b\x00", noise.randbytes(2)
            return noise.randbytes(noise.choice((0, 1, 40, 256))) + noise.choice(words)
        return honest(apdu)

    use(FakeSlot(process, card.reset), store)


def entry(common=b"", key=b"", kind=b""):
    return seq(seq(common), seq(key), tlv(0xA1, seq(kind)))


KEY_DIRECTORIES = {
    "no keys": b"",
    "no reference": entry(key=octets(b"sign") + bytes.fromhex("0303060040")),
    "an empty reference": entry(key=octets(b"sign") + bytes.fromhex("0303060040") + b"\x02\x00"),
    "a long reference": entry(key=octets(b"sign") + bytes.fromhex("0303060040") + tlv(0x02, b"\x01" * 9)),
    "no usage": entry(key=octets(b"sign") + bytes.fromhex("020101")),
    "an id twice": 2 * entry(key=octets(b"sign") + bytes.fromhex("0303060040 020101")),
    "an id without certificate": entry(key=octets(b"other") + bytes.fromhex("0303060040 020101")),
    "no attributes": seq(),
    "another kind of key": tlv(0xA0, seq(), seq()),
    "algorithms of no kind": entry(key=octets(b"sign") + bytes.fromhex("0303060040 020101 A103040101")),
}


@pytest.mark.parametrize("content", KEY_DIRECTORIES.values(), ids=KEY_DIRECTORIES.keys())
def test_key_directories(content, layout, keys, store):
    use(hostile_slot(layout(), keys, {"3F0000017002": content}), store)


@pytest.mark.parametrize("content", ["", "30", "3080", "FF" * 300, "1F" * 20, "5A00", "5A01FF", "5A03123456"])
def test_numbers_that_are_none(content, layout, keys, store):
    slot = hostile_slot(layout(), keys, {"3F00D003": bytes.fromhex(content)})
    with pytest.raises(CardError):
        read_profile(slot, store, Cps3Token.dialect, Deadline(10))


@pytest.mark.parametrize(
    "path", ["", "3F", "3F00", "3F0000", "3F00" * 100, "0001" * 8, "3F00FFFF", "FFFF"], ids=lambda path: path[:20]
)
def test_paths_that_lead_nowhere(path, layout, keys, store):
    value = octets(bytes.fromhex(path))
    odf = tlv(0xA0, seq(value)) + tlv(0xA4, seq(value)) + tlv(0xA8, seq(value))
    use(hostile_slot(layout(), keys, {"3F0000015031": odf}), store)
    certificates = entry(key=octets(b"sign"), kind=seq(value))
    use(hostile_slot(layout(), keys, {"3F0000017005": certificates}), store)
    records = tlv(0x61, tlv(0x4F, b"A" * 200), tlv(0x51, bytes.fromhex(path)), tlv(0x73, seq(value)))
    use(hostile_slot(layout(), keys, {"3F002F00": records}), store)


@pytest.mark.parametrize(
    "lengths", ["020100020100020100", "0208" + "7F" * 8 + "0208" + "7F" * 8, "0201FF0201FF", "02010C020104"]
)
@pytest.mark.parametrize("flags", ["03020308", "0302020C"])
def test_codes_of_any_length(lengths, flags, layout, keys, store):
    attributes = bytes.fromhex(flags + lengths + "800101") + octets(b"\xff")
    pins = seq(seq(), seq(octets(b"\x01")), tlv(0xA1, seq(attributes)))
    use(hostile_slot(layout(), keys, {"3F0000017001": pins}), store)


@pytest.fixture(scope="module")
def odd_certificates(keys):
    key = keys["sign"]
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    twice = make_certificate(key, signs=True)
    usage = bytes.fromhex("300E0603551D0F0101FF0404030206C0")
    return {
        "elliptic": make_certificate(key, signs=True, public=curve),
        "tiny": make_tiny(twice, keys["sign"]),
        "not a certificate": seq(octets(b"nothing")),
        "an unknown algorithm": twice.replace(bytes.fromhex("2A864886F70D010101"), bytes.fromhex("2A864886F70D010163")),
        "a version of none": twice.replace(bytes.fromhex("A003020102"), bytes.fromhex("A003020155")),
        "an extension that is damaged": twice.replace(usage[:13], usage[:12] + b"\x05"),
        "an exponent of zero": twice.replace(bytes.fromhex("0203010001"), bytes.fromhex("0203000000")),
    }


def make_tiny(certificate, key):
    """The modulus cut down to 64 bits, in place: the lengths around it are mended by a filler in the exponent."""
    modulus = key.public_key().public_numbers().n.to_bytes(256)
    start = certificate.index(modulus) - 5
    old = certificate[start : start + 5 + 256 + 5]
    new = b"\x02\x08" + b"\x5b" + modulus[:7]
    return certificate.replace(
        old, new + b"\x02\x82" + (len(old) - len(new) - 4).to_bytes(2) + b"\x01" * (len(old) - len(new) - 4)
    )


@pytest.mark.parametrize(
    "kind",
    [
        "elliptic", "tiny", "not a certificate", "an unknown algorithm", "a version of none",
        "an extension that is damaged", "an exponent of zero",
    ],
)  # fmt: skip
def test_certificates_of_no_use(kind, odd_certificates, certificates, layout, keys, store):
    made = layout(certificates={**certificates, "sign": odd_certificates[kind]})
    slot = hostile_slot(made, keys, {})
    if kind == "an exponent of zero":  # a library may let it pass: then nothing verifies
        use(slot, store)
    else:
        with pytest.raises(CardUnknownError):
            open_cps3(slot, store, Deadline(10))
        assert not store.texts
    assert not is_signature_of(odd_certificates[kind], digest_of(b"x"), bytes(256))


def test_a_key_of_512_bits_is_refused(keys, layout, certificates, store):
    """Made by hand: the library makes none."""
    small = rsa.RSAPublicNumbers(65537, (1 << 511) + 111)
    try:
        public = small.public_key()
    except ValueError:
        pytest.skip("this version of cryptography does not load such keys at all")
    with pytest.raises(CardUnknownError):
        certificate_role(make_certificate(keys["sign"], signs=True, public=public))


@given(st.binary(max_size=300))
def test_any_bytes_as_data_objects(content):
    for parse in (
        lambda content: [list(item.children()) for item in read_tlvs(content)],
        lambda content: find_tlv(content, 0x30, 0x30, 0x04),
        pkcs15.parse_dir, pkcs15.parse_odf, pkcs15.parse_token_info, pkcs15.parse_pins, pkcs15.parse_private_keys,
        pkcs15.parse_certificates, pkcs15.parse_data_objects, certificate_role,
    ):  # fmt: skip
        with contextlib.suppress(CardError):
            parse(content)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_json_as_a_profile(value):
    with pytest.raises(ValueError):
        CardProfile.from_json(json.dumps(value))


CHANGES = [
    ("keys", []), ("keys", {}), ("keys", None), ("keys", [1]), ("pin", None), ("pin", {}), ("pin", {"reference": 1}),
    ("application_path", 5), ("application_path", "*"), ("number", ...), ("puk", 7),
    ("objects", 1), ("objects", [1]), ("objects", [{}]), ("object_directories", None), ("object_directories", [1]),
    ("objects", [{"label": "CPS_ACTIVITY_01_PS", "application": "CPS", "path": "PwA=", "private": True, "modifiable": False, "value": "AA=="}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_a_damaged_profile_is_refused(open_file_card, layout, name, value):
    token, _, _ = open_file_card(layout())
    raw = json.loads(token.profile.to_json())
    assert CardProfile.from_json(json.dumps(raw)) == token.profile
    raw.pop(name)
    if value is not ...:
        raw[name] = value
    with pytest.raises(ValueError):
        CardProfile.from_json(json.dumps(raw))


@pytest.mark.parametrize(
    "change",
    [
        {"reference": 256},
        {"reference": "x"},
        {"reference": -1},
        {"algorithms": []},
        {"algorithms": {"sha256": 999}},
        {"role": "x"},
        {"certificate_der": 1},
    ],
)
def test_a_damaged_key_of_a_profile_is_refused(open_file_card, layout, change):
    token, _, _ = open_file_card(layout())
    raw = json.loads(token.profile.to_json())
    raw["keys"][1].update(change)
    with pytest.raises(ValueError):
        CardProfile.from_json(json.dumps(raw))
