"""Cards that say the same things in other ways: each is read, and signs with both keys."""

from dataclasses import replace

import pytest
from card_fakes import FakeSlot, FileCard, Quirks, digest_of, make_certificate, pin, verify_signature

from drivers.base import Deadline, KeyRole
from drivers.card.cps3 import open_cps3
from drivers.card.family import open_card
from drivers.errors import CardError, CardUnknownError, CardUpdateUnfinishedError, PinWrongError
from drivers.virtual.link import VirtualReaders
from drivers.virtual.personalisation import DEFAULT, AlgorithmReferences, FileIds, KeyLayout
from drivers.virtual.store import open_card as open_virtual_card


def require_working(token):
    """Both keys sign, and the card is closed afterwards."""
    assert {key.role for key in token.keys} == {KeyRole.SIGNATURE, KeyRole.AUTHENTICATION}
    for key in token.keys:
        (signature,) = token.sign(key, [digest_of(b"message")], pin(), Deadline(10))
        verify_signature(key, b"message", signature)
    with pytest.raises(PinWrongError):
        token.verify_pin(pin("0000"), Deadline(10))
    assert not token.read_pin_status(Deadline(10)).verified


QUIRKS = {
    "as a CPS3": Quirks(),
    "answers at once": Quirks(at_once=True),
    "cuts answers at E7": Quirks(cut=0xE7),
    "cuts answers at 32 bytes": Quirks(cut=32),
    "cuts reads at E7 by 6C": Quirks(cut_reads=0xE7),
    "cuts reads at E7 in silence": Quirks(cut_reads=0xE7, end="short"),
    "cuts reads at FE": Quirks(cut_reads=0xFE, end="6282"),
    "says 6282 at the end of a file": Quirks(end="6282"),
    "says nothing at the end of a file": Quirks(end="short"),
    "always gives an FCP": Quirks(always_fcp=True),
    "refuses to select in silence": Quirks(refuses_no_answer=True),
    "refuses to select in silence, at once": Quirks(refuses_no_answer=True, at_once=True),
    "EF.SN by its short identifier": Quirks(serial_by_sfi=True),
    "EF.SN by its short identifier, 6282": Quirks(serial_by_sfi=True, end="6282"),
}


@pytest.mark.parametrize("quirks", QUIRKS.values(), ids=QUIRKS.keys())
def test_ways_to_answer(open_file_card, layout, quirks, store):
    token, card, slot = open_file_card(layout(), quirks)
    assert (token.number, token.label) == ("99213845", "CPS3 essai")
    require_working(token)
    assert [key.certificate_der for key in token.keys] == [
        card.layout.certificates[n] for n in ("sign", "authenticate")
    ]
    again = open_cps3(slot, store, Deadline(10))
    assert (again.profile, store.calls) == (token.profile, ["save"])


DIRECTORIES = [
    ("contactless", "ddo"),
    ("ddo", "contactless"),
    ("ddo",),
    ("ddo in a sequence",),
    ("contactless", "path"),
    ("contactless", "aid"),
    ("aid",),
]


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.parametrize("records", DIRECTORIES, ids="+".join)
def test_ways_to_find_the_application(open_file_card, layout, records, relative):
    token, _, _ = open_file_card(layout(directory_records=records, relative=relative))
    require_working(token)


def test_an_application_with_other_file_ids(open_file_card, layout):
    other = layout(application="3F007F20", odf="4401", token_info="4402", directory_records=("ddo",))
    token, _, _ = open_file_card(other)
    assert token.profile.application_path.hex() == "3f007f20"
    require_working(token)


REFERENCES = {
    "positive": ("02020081", "02020082"),
    "negative": ("020181", "020182"),
    "negative in two bytes": ("0202FF81", "0202FF82"),
    "others": ("020185", "02020083"),
}


@pytest.mark.parametrize("references", REFERENCES.values(), ids=REFERENCES.keys())
def test_key_references(open_file_card, layout, references):
    sign, authenticate = map(bytes.fromhex, references)
    token, _card, _ = open_file_card(layout(sign_reference=sign, authenticate_reference=authenticate))
    require_working(token)
    assert [key.reference for key in token.profile.keys] == [sign[-1], authenticate[-1]]


@pytest.mark.parametrize(("pin_reference", "puk_reference"), [(1, 2), (2, 1), (0x11, 0x12), (0x81, 0x82)])
def test_code_references(open_file_card, layout, pin_reference, puk_reference):
    token, _, _ = open_file_card(layout(pin_reference=pin_reference, puk_reference=puk_reference))
    require_working(token)
    assert (token.profile.pin.reference, token.profile.puk.reference) == (pin_reference, puk_reference)


def test_padded_codes(open_file_card, layout):
    """PinFlags needs-padding (bit 5) and the padding byte of the code's attributes."""
    flags = bytes.fromhex("0302020C")
    token, card, _ = open_file_card(layout(pin_flags=flags, pin_padding=b"\xff", pin_stored=12))
    require_working(token)
    assert any(apdu.hex() == "002000010c31323334ffffffffffffffff" for apdu in card.sent)


ALGORITHMS = {
    "others": ((1, 0x06, 0x40, 0x22), (2, 0x40, 0x40, 0x52), (7, 0x01, 0x40, 0x0A)),
    "decipher first": ((6, 0x01, 0x04, 0x1A), (5, 0x01, 0x40, 0x02), (3, 0x06, 0x40, 0x12), (4, 0x40, 0x40, 0x42)),
    "none told": (),
}


@pytest.mark.parametrize("algorithms", ALGORITHMS.values(), ids=ALGORITHMS.keys())
def test_algorithm_references(open_file_card, layout, algorithms):
    token, card, _ = open_file_card(layout(algorithms=algorithms))
    require_working(token)
    signing = [entry for entry in algorithms if entry[2] == 0x40] or [(0, 0x40, 0, 0x42), (0, 0x01, 0, 0x02)]
    wanted = {entry[1]: entry[3] for entry in signing}
    sent = {apdu[3]: apdu[-1] for apdu in card.sent if apdu[1] == 0x22}
    assert sent == {0xB6: wanted[0x40], 0xA4: wanted[0x01]}


def test_keys_may_name_their_algorithms(open_file_card, layout):
    """algReference [1] of a private key chooses among several entries for one mechanism."""
    algorithms = ((1, 0x40, 0x40, 0x99), (2, 0x01, 0x40, 0x98), (8, 0x40, 0x40, 0x42), (9, 0x01, 0x40, 0x02))
    named = {"sign": bytes.fromhex("A103020108"), "authenticate": bytes.fromhex("A103020109")}
    token, _card, _ = open_file_card(layout(algorithms=algorithms, key_algorithms=named))
    assert [dict(key.algorithms).get("sha256") for key in token.profile.keys] == [0x42, 0x02]
    assert token.keys[0].hashes == {"sha256"}
    require_working(token)


@pytest.mark.parametrize("size", [800, 1024, 2048, 2100, 2304, 4096, 4100])
def test_certificates_of_any_length(open_file_card, layout, keys, size):
    made = {name: make_certificate(key, signs=name == "sign", size=size) for name, key in keys.items()}
    for quirks in (Quirks(), Quirks(cut_reads=0xE7, end="short")):
        token, _, _ = open_file_card(layout(certificates=made), quirks)
        assert {len(key.certificate_der) for key in token.keys} == {size}
        require_working(token)


def test_padding_after_a_certificate_is_left_out(open_file_card, layout, certificates):
    padded = {name: der + b"\xff" * 700 for name, der in certificates.items()}
    token, _card, _ = open_file_card(layout(certificates=padded))
    assert [key.certificate_der for key in token.keys] == [certificates["sign"], certificates["authenticate"]]


def test_a_certificate_without_key_usage_proves(open_file_card, layout, keys, certificates):
    made = {**certificates, "authenticate": make_certificate(keys["authenticate"], signs=None)}
    token, _, _ = open_file_card(layout(certificates=made))
    require_working(token)


@pytest.mark.parametrize("size", [256, 512])
@pytest.mark.parametrize("end", ["6C", "short", "6282"])
def test_directories_of_whole_pieces(layout, keys, store, size, end):
    """A file that ends where a piece does has no shorter last piece."""
    made = layout()
    card = FileCard(made, keys, Quirks(end=end))
    name = bytes.fromhex("3F0000017002")
    missing = size - len(card.files[name])
    card.files[name] += (b"\x04\x82" + (missing - 4).to_bytes(2)).ljust(missing, b"\x01")
    require_working(open_cps3(FakeSlot(card.process, card.reset), store, Deadline(10)))


@pytest.mark.parametrize("records", ["", "EC00", "EC068104 20240101", "EC0681FF20", "FFFFFFFF", "0000"])
def test_an_update_that_was_not_finished(layout, keys, store, records):
    card = FileCard(layout(), keys)
    card.files[bytes.fromhex("3F00D010")] = bytes.fromhex(records)
    with pytest.raises(CardUpdateUnfinishedError):
        open_cps3(FakeSlot(card.process), store, Deadline(10))
    assert not store.texts


def test_an_update_that_was_finished(layout, keys, store):
    card = FileCard(layout(), keys)
    card.files[bytes.fromhex("3F00D010")] = bytes.fromhex("EC0C8104202401018204 20240101")
    require_working(open_cps3(FakeSlot(card.process, card.reset), store, Deadline(10)))


def test_no_code_of_the_holder(layout, keys, store):
    card = FileCard(layout(), keys)
    card.files[bytes.fromhex("3F0000017001")] = b""
    with pytest.raises(CardUnknownError):
        open_cps3(FakeSlot(card.process), store, Deadline(10))


def test_the_code_that_the_keys_name_is_taken(layout, keys, store):
    made = layout()
    card = FileCard(made, keys)
    name = bytes.fromhex("3F0000017001")
    card.files[name] = made.code("Autre code", 9, made.pin_flags, b"", b"\x09") + card.files[name]
    require_working(open_cps3(FakeSlot(card.process, card.reset), store, Deadline(10)))


# Another personalisation of the virtual card, whose operating system is not the one above.


FOREIGN = replace(
    DEFAULT,
    serial="12345678",
    application_aid=bytes.fromhex("E828BD080F8025000001AA0010"),
    contactless_aid=bytes.fromhex("E828BD080F8025000001AA0020"),
    files=FileIds(
        application=0x0005, odf=0x5041, token_info=0x5042, authentication_objects=0x6001, private_keys=0x6002,
        certificates=0x6005, data_objects=0x6006,
    ),
    signature=KeyLayout(0x87, 0x31, "SIGNATURE", "Certificat 1", 0xC101),
    authentication=KeyLayout(0x83, 0x32, "AUTHENTIFICATION", "Certificat 2", 0xC102),
    algorithms=AlgorithmReferences(0x11, 0x41, 0x13, 0x43, 0x05, 0x1B),
    label="CARTE D'AILLEURS",
    pin="246810",
)  # fmt: skip


def test_a_foreign_card_is_used_as_its_files_say(data_dir, store):
    with open_virtual_card(data_dir, FOREIGN) as card:
        slot = VirtualReaders([card]).open_slot("CPS virtuel 00 00")
        token = open_cps3(slot, store, Deadline(10))
        assert (token.number, token.label) == ("12345678", "CARTE D'AILLEURS")
        assert {key.label: key.reference for key in token.profile.keys} == {"SIGNATURE": 0x87, "AUTHENTIFICATION": 0x83}
        for key in token.keys:
            (signature,) = token.sign(key, [digest_of(b"message")], pin("246810"), Deadline(10))
            verify_signature(key, b"message", signature)


@pytest.mark.parametrize(
    "atr",
    [
        "3B7513000044 09EA9000",
        "3B00",
        "",
    ],
)
def test_nothing_is_said_to_other_cards(store, atr):
    slot = FakeSlot(lambda apdu: pytest.fail(f"sent {apdu.hex()}"))
    with pytest.raises(CardUnknownError):
        open_card(slot, bytes.fromhex(atr.replace(" ", "")), store, Deadline(10))


def test_a_cps3_is_opened_by_its_atr(layout, keys, store):
    card = FileCard(layout(), keys)
    atr = bytes.fromhex("3BAC00402A001225006480000310009000")
    assert open_card(FakeSlot(card.process, card.reset), atr, store, Deadline(10)).number == "99213845"


def test_a_file_that_may_not_be_read_is_told(layout, keys, store):
    card = FileCard(layout(), keys)

    def process(apdu):
        return b"\x69\x82" if apdu[1] == 0xB0 and card.current.endswith(b"\x70\x02") else card.process(apdu)

    with pytest.raises(CardError) as raised:
        open_cps3(FakeSlot(process), store, Deadline(10))
    assert raised.value.sw == 0x6982
