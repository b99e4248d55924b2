"""The card before unmodified programs: pcscd, vpcd and OpenSC, in a pcscd of our own."""

import hashlib
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass

import pytest
from support.pcscd import PcscdHandle, private_pcscd, why_unavailable
from support.waiting import wait_until

from drivers.virtual.personalisation import DEFAULT
from drivers.virtual.pki import TestPki
from drivers.virtual.store import pki_folder
from drivers.virtual.trace import TracedCard
from drivers.virtual.vpcd import serve

TOOLS = ("opensc-tool", "pkcs11-tool", "pkcs15-tool", "openssl")
AUTHENTICATION_ID = DEFAULT.key_id(DEFAULT.authentication).hex()
SIGNATURE_ID = DEFAULT.key_id(DEFAULT.signature).hex()
DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
DEADLINE_S = 30


@pytest.fixture(scope="module", autouse=True)
def _programs():
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    reason = f"not installed: {', '.join(missing)}" if missing else why_unavailable()
    if reason:
        pytest.skip(reason)


@dataclass
class Workstation:
    """A card in a virtual reader, and a way to run programs against it."""

    pcscd: PcscdHandle
    card: TracedCard
    lines: list

    def run(self, *command, code=0):
        done = subprocess.run(
            command, env=self.pcscd.env, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.returncode == code, done
        return done.stdout + done.stderr

    def pkcs11(self, *arguments, pin=None, code=0):
        login = ["--login", "--pin", pin] if pin else []
        return self.run("pkcs11-tool", *login, *arguments, code=code)

    def sent(self, command):
        return any(line.startswith(f"> {command}") for line in self.lines)


def wait_for_card(pcscd):
    def present():
        done = subprocess.run(["opensc-tool", "-l"], env=pcscd.env, capture_output=True, text=True, check=False)
        return "Yes" in done.stdout

    wait_until(present, "the card in its reader")


@pytest.fixture
def workstation(card):
    lines = []
    traced = TracedCard(card, lines.append)
    stop = threading.Event()
    with private_pcscd() as pcscd:
        thread = threading.Thread(target=serve, args=(traced, "127.0.0.1", pcscd.vpcd_port, stop), daemon=True)
        thread.start()
        try:
            wait_for_card(pcscd)
            yield Workstation(pcscd, traced, lines)
        finally:
            stop.set()
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def test_the_card_is_recognised(workstation):
    assert "IAS-ECC" in workstation.run("opensc-tool", "-n")
    assert workstation.sent("00 A4 09 04 04 3F 00 2F 01")
    assert workstation.sent("00 A4 04 04 08 80 25 00 00 01 FF 01 00")
    assert "3b:ac:00:40:2a:00:12:25:00:64:80:00:03:10:00:90:00" in workstation.run("opensc-tool", "--atr")
    assert DEFAULT.serial[:6] in workstation.run("opensc-tool", "--serial").replace(" ", "")


def test_the_token_is_listed(workstation):
    listing = workstation.pkcs11("-L")
    assert "CPS3v3-2900000017 (Code Porteur)" in listing
    assert "pin min/max        : 4/8" in listing
    public = workstation.pkcs11("-O")
    for text in ("Certificat de Signature CPS", "Certificat d'Authentification CPS", "CPS_DATA", "CPS_INFO_PS"):
        assert text in public
    private = workstation.pkcs11("-O", pin="1234")
    for text in ("CPS_PRIV_SIG", "CPS_PRIV_AUT", "CPS_ACTIVITY_01_PS", "CPS_ACTIVITY_03_PS", SIGNATURE_ID):
        assert text in private


def test_pkcs15_dump(workstation):
    dump = workstation.run("pkcs15-tool", "-D")
    for pattern in (
        r"Key ref +: 129 \(0x81\)",
        r"Key ref +: 130 \(0x82\)",
        r"Access Rules +: pso_cds:01;",
        r"Access Rules +: pso_decrypt:01; int_auth:01;",
        r"PIN \[Code Porteur\]",
        r"PIN \[Code de déblocage\]",
        r"Data object 'CPS_ACTIVITY_03_PS'",
        r"algo_ref +: \[0x1a\]",
    ):
        assert re.search(pattern, dump), pattern


def test_a_wrong_pin_counts_down(workstation):
    assert "CKR_PIN_INCORRECT" in workstation.pkcs11("-O", pin="0000", code=1)
    assert "user PIN count low" in workstation.pkcs11("-L")
    assert workstation.card.process(bytes.fromhex("0020000100")).hex() == "63c2"
    workstation.pkcs11("-O", pin="0000", code=1)
    assert "final user PIN try" in workstation.pkcs11("-L")
    assert "CKR_PIN_LOCKED" in workstation.pkcs11("-O", pin="0000", code=1)
    assert "CKR_PIN_LOCKED" in workstation.pkcs11("-O", pin="1234", code=1)


def test_the_authentication_key_signs(workstation, tmp_path):
    message, block, signature = tmp_path / "message", tmp_path / "block", tmp_path / "signature"
    message.write_bytes(b"hello")
    block.write_bytes(DIGEST_INFO + hashlib.sha256(b"hello").digest())
    files = ["--input-file", str(block), "--output-file", str(signature)]
    workstation.pkcs11("--sign", "--mechanism", "RSA-PKCS", "--id", AUTHENTICATION_ID, *files, pin="1234")
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    workstation.pkcs11("--read-object", "--type", "cert", "--id", AUTHENTICATION_ID, "--output-file", str(certificate))
    extract = ["openssl", "x509", "-inform", "DER", "-in", str(certificate), "-pubkey", "-noout", "-out", str(key)]
    workstation.run(*extract)
    verify = ["openssl", "dgst", "-sha256", "-verify", str(key), "-signature", str(signature), str(message)]
    assert "Verified OK" in workstation.run(*verify)


def test_the_signature_key_is_out_of_reach_of_opensc_as_on_a_genuine_card(workstation, tmp_path):
    """OpenSC built with OpenSSL 3 cannot split a hash; the card is not asked."""
    message = tmp_path / "message"
    message.write_bytes(b"hello")
    files = ["--input-file", str(message), "--output-file", str(tmp_path / "signature")]
    arguments = ["--sign", "--mechanism", "SHA256-RSA-PKCS", "--id", SIGNATURE_ID, *files]
    assert "CKR_FUNCTION_NOT_SUPPORTED" in workstation.pkcs11(*arguments, pin="1234", code=1)


def test_private_data_are_read_after_login(workstation, tmp_path):
    output = tmp_path / "situation"
    arguments = ["--read-object", "--type", "data", "--label", "CPS_ACTIVITY_01_PS", "--output-file", str(output)]
    workstation.pkcs11(*arguments, pin="1234")
    assert output.read_bytes()[0] == 0xEE
    assert b"CABINET DU DR VIRTUEL" in output.read_bytes()


def test_opensc_leaves_the_card_verified(workstation):
    """As measured on OpenSC 0.23: only a reset closes the card again."""
    workstation.pkcs11("-O", pin="1234")
    assert workstation.card.process(bytes.fromhex("0020000100")).hex() == "9000"
    assert "IAS-ECC" in workstation.run("opensc-tool", "--reset", "-n")
    assert workstation.card.process(bytes.fromhex("0020000100")).hex() == "63c3"


def test_the_pin_is_changed_and_unblocked(workstation):
    workstation.run("pkcs15-tool", "--change-pin", "--auth-id", "01", "--pin", "1234", "--new-pin", "5678")
    workstation.pkcs11("-O", pin="5678")
    for _ in range(3):
        workstation.pkcs11("-O", pin="0000", code=1)
    workstation.run("pkcs15-tool", "--unblock-pin", "--auth-id", "01", "--puk", "12345678", "--new-pin", "4321")
    workstation.pkcs11("-O", pin="4321")


def test_the_card_comes_back_when_pcscd_does(workstation):
    assert "IAS-ECC" in workstation.run("opensc-tool", "-n")
    workstation.pcscd.stop()
    workstation.pcscd.start()
    wait_for_card(workstation.pcscd)
    assert "IAS-ECC" in workstation.run("opensc-tool", "-n")


def test_openssl_believes_the_tokens_certificates(workstation, data_dir, tmp_path):
    pki = TestPki.load(pki_folder(data_dir))
    for key_id in (AUTHENTICATION_ID, SIGNATURE_ID):
        output = tmp_path / key_id
        workstation.pkcs11("--read-object", "--type", "cert", "--id", key_id, "--output-file", str(output))
        assert pki.vouches_for(output.read_bytes())
