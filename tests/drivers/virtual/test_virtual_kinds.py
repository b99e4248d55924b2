"""The virtual cards by name: distinct cards, certificates of their kind, and chips that are no CPS."""

import hashlib
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from drivers.base import Deadline, KeyRole
from drivers.card.atr import CardFamily, find_atr, identify_atr
from drivers.errors import CardMuteError
from drivers.folder_lock import FolderInUseError
from drivers.registry import open_virtual_readers
from drivers.virtual import kinds
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.certificates import Subject, subject_name
from drivers.virtual.kinds import KINDS, open_card_of_kind
from drivers.virtual.link import VirtualReaders
from drivers.virtual.names import DEFAULT_KIND, KIND_NAMES
from drivers.virtual.personalisation import DEFAULT, Personalisation
from drivers.virtual.pki import TestPki
from drivers.virtual.store import open_card, pki_folder

FOREIGN = {
    "vitale": CardFamily.VITALE,
    "french-eid": CardFamily.FRENCH_EID,
    "bank": CardFamily.BANK,
    "unknown": CardFamily.UNKNOWN,
}
OTHER_DIALECTS = ("cps4", "cps3-contactless")  # tested in files of their own
FAMILY = [kind for kind in KINDS if kind not in (*FOREIGN, *OTHER_DIALECTS, "mute")]
PERSONALISATIONS = [DEFAULT, *(value for value in vars(kinds).values() if isinstance(value, Personalisation))]
SAME_PERSON = (kinds.UPDATE_UNFINISHED, kinds.CPS4, kinds.CPS3_CONTACTLESS)


def certificates_of(terminal):
    return [x509.load_der_x509_certificate(terminal.read("3F000001" + fid)) for fid in ("B001", "B002")]


def names(certificate, oid):
    return [attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid)]


@pytest.fixture(scope="module")
def family_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    for kind in FAMILY:
        open_card_of_kind(folder, kind).close()
    return folder


@pytest.mark.parametrize("kind", FAMILY)
def test_every_kind_of_the_family_is_a_whole_card(kind, family_dir, connect):
    with open_card_of_kind(family_dir, kind) as card:
        terminal = connect(card)
        pki = TestPki.load(pki_folder(family_dir))
        for certificate in certificates_of(terminal):
            assert pki.vouches_for(certificate.public_bytes(serialization.Encoding.DER))
            issuer = "STANDARD" if card.personalisation.holder.card_type >= 2 else "FORT"
            assert f"TEST AC CPS-AGENT {issuer} PERSONNES" in certificate.issuer.rfc4514_string()
            points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
            assert f"ACI-{issuer[:2]}-PP-TEST.crl" in points[0].full_name[0].value
            (number,) = names(certificate, NameOID.COMMON_NAME)
            assert number == card.personalisation.holder.national_id
        assert terminal.read("3F00D003")[7:11].hex() == card.serial
        terminal.verify()


def test_no_two_cards_have_a_number_in_common():
    cards = {id(card): card for card in PERSONALISATIONS}.values()
    assert len({card.serial for card in cards}) == len(cards)
    assert len({card.card_number for card in cards}) == len(cards)
    people = [card.holder.national_id for card in cards if card not in SAME_PERSON]
    assert len(set(people)) == len(people)


def test_the_card_of_the_first_version_has_not_changed():
    """Its certificates are stored under a name made of this: another one would be issued, and the card read anew."""
    subject = Subject(DEFAULT.holder, DEFAULT.card_number, KeyRole.AUTHENTICATION)
    digest = hashlib.sha256(repr(subject).encode()).hexdigest()
    assert digest == "013622d0a81b41d45e76320a4f41dc564ccaa2dc07a8a34fd4cac0de37c5d648"
    assert subject_name(DEFAULT.holder).public_bytes().hex() == (
        "3057310b30090603550406130246523111300f060355040c0c084dc3a9646563696e3135300e06035504040c075649525455454c"
        "300e060355042a0c0743414d494c4c45301306035504030c0c383939373030303032373132"
    )


def test_the_default_kind_is_the_card_that_open_card_gives(family_dir):
    with open_card_of_kind(family_dir, DEFAULT_KIND) as card:
        assert card.personalisation is DEFAULT
    with open_card(family_dir) as card:
        assert card.serial == DEFAULT.serial


@pytest.mark.parametrize(
    ("kind", "structure", "surname"),
    [
        ("cpe", ["1990000010"], ["SOIGNANT"]),
        ("cpe-anonymous", ["1990000010"], []),
        ("cde", ["1990000010"], ["DIRECTEUR"]),
        ("cpa", ["399999999900009"], ["AGENT"]),
        ("cda", ["399999999900009"], ["RESPONSABLE"]),
        ("cpf", [], ["INTERNE"]),
    ],
)
def test_subjects_are_laid_out_as_genuine_ones(kind, structure, surname, family_dir, connect):
    with open_card_of_kind(family_dir, kind) as card:
        for certificate in certificates_of(connect(card)):
            assert names(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME) == structure
            assert names(certificate, NameOID.SURNAME) == surname
            assert bool(names(certificate, NameOID.PSEUDONYM)) is not bool(surname)


@pytest.mark.parametrize(
    ("kind", "digits"),
    [("cps3", "020100"), ("cpf", "020101"), ("cpe", "020102"), ("cde", "020102"), ("cpa", "020103"), ("cda", "020103")],
)
def test_types_are_those_of_g02(kind, digits, family_dir, connect):
    with open_card_of_kind(family_dir, kind) as card:
        for certificate in certificates_of(connect(card)):
            oid = x509.ObjectIdentifier("1.2.250.1.71.1.2.2")
            assert certificate.extensions.get_extension_for_oid(oid).value.value.hex() == digits


@pytest.mark.parametrize(("kind", "family"), FOREIGN.items())
def test_a_foreign_chip_has_the_atr_of_its_kind_and_knows_nothing(kind, family, tmp_path, connect):
    with open_card_of_kind(tmp_path, kind) as chip:
        assert identify_atr(chip.power_on()) is family
        assert chip.reset() == chip.atr
        assert connect(chip).raw("00A4040000") == "6D00"
        assert connect(chip).raw("BCA4000000") == "6E00"
        assert connect(chip).raw("00") == "6700"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["vitale", "french-eid"])
def test_foreign_atrs_are_certain(kind, tmp_path):
    assert find_atr(open_card_of_kind(tmp_path, kind).atr).certain


def test_a_mute_card_is_seen_as_one(tmp_path):
    readers = open_virtual_readers(tmp_path, ["mute"])
    (state,) = readers.list_states()
    assert (state.atr, state.mute) == (b"", True)
    slot = readers.open_slot(state.name)
    with pytest.raises(CardMuteError), slot.transaction(Deadline(5)):
        pass
    assert open_card_of_kind(tmp_path, "mute").process(b"\0\xa4\0\0") == b""


def test_several_kinds_are_several_readers(family_dir):
    readers = open_virtual_readers(family_dir, ["cps3", "vitale", "cpe"])
    try:
        assert [identify_atr(state.atr) for state in readers.list_states()] == ["CPS3", "vitale", "CPS3"]
        assert not any(state.mute for state in readers.list_states())
    finally:
        close(readers)


def test_when_one_cannot_be_opened_the_others_are_given_back(family_dir):
    with open_card_of_kind(family_dir, "cpe"), pytest.raises(FolderInUseError):
        open_virtual_readers(family_dir, ["cps3", "cpe"])
    close(open_virtual_readers(family_dir, ["cps3", "cpe"]))


def close(readers: VirtualReaders) -> None:
    for reader in readers._readers:
        if isinstance(reader._card, VirtualCard):
            reader._card.close()


def test_an_unknown_kind_is_none(tmp_path):
    with pytest.raises(KeyError):
        open_card_of_kind(tmp_path, "cps5")


def test_their_names_cost_no_library():
    """The command line lists them: `cryptography` is loaded when a card is opened."""
    code = "import sys, drivers.virtual.kinds; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_names_are_those_of_the_kinds():
    assert tuple(KINDS) == KIND_NAMES
