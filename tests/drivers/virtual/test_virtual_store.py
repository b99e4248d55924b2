"""Virtual cards on disk: one driver at a time, other cards by other values."""

import stat
import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography import x509

from drivers.base import KeyRole
from drivers.folder_lock import FolderInUseError
from drivers.virtual.card_os import VirtualCard
from drivers.virtual.personalisation import DEFAULT, AlgorithmReferences, FileIds, Holder, KeyLayout, Personalisation
from drivers.virtual.pki import TestPki
from drivers.virtual.store import (
    CardFolderDamagedError,
    VirtualCardStore,
    open_card,
    pki_folder,
)

OTHER = Personalisation(
    serial="12345678",
    card_number="2900000099",
    holder=Holder(family_name="AUTRE", given_name="DOMINIQUE", situations=()),
    application_aid=bytes.fromhex("E828BD080F8025000001FF0011"),
    files=FileIds(application=0x0003, odf=0x5031, private_keys=0x4402, certificates=0x4403, cps_data=0x4407),
    signature=KeyLayout(0x85, 0x11, "SIG", "Signature", 0xC101),
    authentication=KeyLayout(0x86, 0x12, "AUT", "Authentification", 0xC102),
    algorithms=AlgorithmReferences(sha256=0x41, sha256_rsa=0x43, rsa_sign=0x03),
    pin="987654",
    pin_tries=5,
    certificate_extras=False,
    update_record=b"",
)


def test_the_same_card_comes_back(data_dir, connect):
    with open_card(data_dir) as card:
        connect(card).verify()
        connect(card).send("00A4090C063F000001D107")
        connect(card).send("00D6000004CAFEBABE")
        before = [connect(card).read("3F000001" + fid) for fid in ("B001", "B002", "D107")]
    with open_card(data_dir) as card:
        assert [connect(card).read("3F000001" + fid) for fid in ("B001", "B002", "D107")] == before
    assert before[2].startswith(bytes.fromhex("CAFEBABE"))


def test_one_driver_at_a_time(data_dir):
    with open_card(data_dir), pytest.raises(FolderInUseError):
        open_card(data_dir)
    open_card(data_dir).close()


def test_another_process_is_kept_out(data_dir):
    program = "import sys,pathlib;from drivers.virtual.store import open_card;open_card(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(data_dir)]
    with open_card(data_dir):
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "FolderInUseError" in refused.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_files_are_the_owners_alone(data_dir, card_folder):
    if sys.platform == "win32":
        pytest.skip("file modes are POSIX")
    with open_card(data_dir):
        assert stat.S_IMODE(card_folder.stat().st_mode) == 0o700
        private = [path for path in card_folder.iterdir() if path.name != "lock"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


@pytest.mark.parametrize("damage", ["", "{}", '{"pin": 1, "puk": 2}', '{"pin": {"digits": "1"}, "puk": {}}'])
def test_a_damaged_folder_is_told(data_dir, card_folder, damage):
    (card_folder / "codes.json").write_text(damage)
    with pytest.raises(CardFolderDamagedError):
        open_card(data_dir)
    (card_folder / "codes.json").unlink()
    open_card(data_dir).close()


def test_a_card_with_other_values(data_dir, connect):
    with open_card(data_dir, OTHER) as card:
        terminal = connect(card)
        terminal.send("00A4040C0DE828BD080F8025000001FF0011")
        assert terminal.read("3F00D010") == b""
        for fid in ("C101", "C102"):
            certificate = x509.load_der_x509_certificate(terminal.read("3F000003" + fid))
            assert "AUTRE" in certificate.subject.rfc4514_string()
        assert terminal.raw("00A4090C063F0000017002") == "6A82"
        assert bytes.fromhex("02020085") in terminal.read("3F0000034402")
        assert terminal.tries() == "63C5"
        terminal.verify("987654")
        assert terminal.raw("002241A406840182800102") == "6A88"
        assert terminal.raw("002241A406840186800102") == "6A80"
        terminal.send("002241A406840186800103")
        assert terminal.raw("0088000003AABBCC") == "6100"
        terminal.send("002241AA03800141")
        terminal.send("002A90A0058003616263")
        terminal.send("002241B606840185800143")
        assert terminal.raw("002A9E9A00") == "6100"
        terminal.send("00A4000C020003")
        assert terminal.raw("00CB3FFF0A4D087006BF900602A080").startswith("61")


def test_two_cards_of_one_folder_are_two_cards(data_dir, connect):
    with open_card(data_dir) as first, open_card(data_dir, OTHER) as second:
        assert first.serial != second.serial
        connect(first).verify("0000", "63C2")
        assert connect(second).tries() == "63C5"


def test_certificates_follow_the_holder_and_the_pki(data_dir, connect):
    married = replace(DEFAULT, holder=replace(DEFAULT.holder, family_name="MARIEE"))
    with open_card(data_dir, married) as card:
        certificate = connect(card).read("3F000001B002")
    assert "MARIEE" in x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    pki = TestPki.load(pki_folder(data_dir))
    assert pki.vouches_for(certificate)
    other = TestPki.open(data_dir / "other" / "pki")
    store = VirtualCardStore.open(data_dir / "virtual" / "cards" / DEFAULT.serial)
    with store.card(other, VirtualCard.make) as card:
        assert other.vouches_for(connect(card).read("3F000001B002"))
        assert store.keys[KeyRole.SIGNATURE].key_size == 2048


@pytest.mark.parametrize("serial", ["", "1234567", "123456789", "1234567x", "../../ab"])
def test_a_serial_number_is_eight_digits(serial):
    with pytest.raises(ValueError, match="8 digits"):
        Personalisation(serial=serial)
