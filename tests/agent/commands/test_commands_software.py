"""`cps-agent software`: JSON for programs, sentences that say what next for people, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from support.openssl import openssl
from support.p12 import p12_file, pem_file
from support.processes import agent_program, command
from support.software import copy_folder

from drivers.virtual.organisations import Offer, Organisation
from drivers.virtual.pki import TestPki
from drivers.virtual.store import pki_folder

ENGLISH = {**os.environ, "LC_ALL": "C.UTF-8", "CPS_AGENT_SOFTWARE_KEYS": "passphrase"}
FRENCH = {**ENGLISH, "LC_ALL": "fr_FR.UTF-8"}
SUBJECT = ["--place", "Rhône (69)", "--organisation", "CABINET VIRTUEL", "--structure", "1990000001", "--name", "L"]


@pytest.fixture(scope="module")
def folder(made_organisations: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An unattended agent: its passphrases are the script's, 1234."""
    data = copy_folder(made_organisations, tmp_path_factory.mktemp("agent"))
    with agent_program(data, "--virtual", "--unattended", env=ENGLISH):
        yield data


@pytest.fixture
def run(folder, tmp_path):
    def run(*arguments: str, env: dict[str, str] = ENGLISH) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments, "--data-dir", str(folder)),
            capture_output=True, text=True, check=False, timeout=60, env=env, cwd=tmp_path,
        )  # fmt: skip

    return run


def test_a_file_is_imported_used_and_removed(run, tmp_path, organisation_keys):
    (tmp_path / "x.p12").write_bytes(p12_file(tmp_path / "p12", organisation_keys["SIGN"], "1234"))
    added = run("software", "import", "x.p12")
    assert added.returncode == 0, added.stderr
    assert "asks for its passphrase at each use" in added.stdout
    assert "still holds the key" in added.stdout
    (kept,) = json.loads(run("software", "list", "--json").stdout)["certificates"]
    assert f"--card {kept['cardNumber']}" in added.stdout
    (tmp_path / "a.txt").write_bytes(b"content")
    assert run("sign", "a.txt", "--card", kept["cardNumber"]).returncode == 0
    verified = run("pin", "verify", "--card", kept["cardNumber"])
    assert "passphrase of certificate" in verified.stdout
    listed = run("software", "list", env=FRENCH).stdout
    assert "demande sa phrase secrète à chaque utilisation" in listed
    assert run("software").stdout == run("software", "list").stdout
    removed = run("software", "remove", kept["id"])
    assert (removed.returncode, kept["id"] in removed.stdout) == (0, True)
    assert "cps-agent software import" in run("software", "list").stdout


def test_key_and_certificate_in_two_files(run, tmp_path, organisation_keys):
    whole = pem_file(organisation_keys["AUTH_CLI"]).decode()
    at = whole.index("-----BEGIN CERTIFICATE")
    (tmp_path / "key.pem").write_text(whole[:at])
    (tmp_path / "cert.pem").write_text(whole[at:])
    added = run("software", "import", "key.pem", "cert.pem", "--json")
    (one,) = json.loads(added.stdout)
    assert one["role"] == "AUTH_CLI"
    assert run("software", "remove", one["cardNumber"], "--json").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["software", "import", "nowhere.p12"], 2, "nowhere.p12"),
        (["software", "import", "junk.p12"], 8, "file-refused"),
        (["software", "import", "junk.p12", "junk.p12"], 2, "PEM"),
        (["software", "import", "/dev/zero"], 2, "larger than"),
        (["software", "deliver", "0123456789abcdef", "/dev/zero"], 2, "larger than"),
        (["software", "remove", "S0A1B2C3D4E5F607"], 8, "not-found"),
        (["software", "deliver", "0123456789abcdef", "junk.p12"], 8, "not-found"),
        (["software", "cancel", "0123456789abcdef"], 8, "not-found"),
        (["software", "order", "nothing", *SUBJECT], 2, "no product"),
        (["software", "order", "elementaire-org-sign"], 2, "bad-request"),
        (["sign", "junk.p12", "--card", "S0A1B2C3D4E5F607"], 4, "card-absent"),
    ],
)
def test_what_goes_wrong_has_an_exit_code_and_a_sentence(run, tmp_path, arguments, status, words):
    (tmp_path / "junk.p12").write_bytes(b"junk")
    done = run(*arguments)
    assert (done.returncode, words in done.stderr) == (status, True), done.stderr


def test_an_order_goes_all_the_way(run, tmp_path, folder):
    placed = run("software", "order", "elementaire-org-sign", *SUBJECT)
    assert placed.returncode == 0, placed.stderr
    assert "elementaire-org-sign.csr.pem" in placed.stdout
    openssl(tmp_path, "req", "-in", "elementaire-org-sign.csr.pem", "-verify", "-noout")
    again = run("software", "order", "elementaire-org-sign", *SUBJECT)
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    (order,) = json.loads(run("software", "orders", "--json").stdout)["orders"]
    assert f"software deliver {order['id']}" in run("software", "orders").stdout
    request = x509.load_pem_x509_csr((tmp_path / "elementaire-org-sign.csr.pem").read_bytes())
    pki = TestPki.open(pki_folder(folder))
    issued = pki.issue_to_organisation(Offer("SIGN", Organisation(common_name="L"), days=30), request.public_key())
    (tmp_path / "sign.cer").write_bytes(issued)
    delivered = run("software", "deliver", order["id"], "sign.cer")
    assert delivered.returncode == 0, delivered.stderr
    (due,) = json.loads(run("software", "renewals", "--json").stdout)
    assert f"software order elementaire-org-sign --renew {due['certificate']}" in run("software", "renewals").stdout
    assert "1 certificate is to be renewed" in run("software", "list").stdout
    renewed = run("software", "order", due["product"], "--renew", due["certificate"], "--request", "again.pem")
    assert renewed.returncode == 0, renewed.stderr
    assert "on order" in run("software", "renewals").stdout
    (order,) = json.loads(run("software", "orders", "--json").stdout)["orders"]
    assert run("software", "cancel", order["id"]).returncode == 0
    assert "No certificate is on order" in run("software", "orders").stdout
    assert run("software", "remove", due["cardNumber"]).returncode == 0


@pytest.mark.parametrize("env", [ENGLISH, FRENCH])
def test_help_has_examples_and_products_have_labels(run, env):
    assert "cps-agent software import cabinet.p12" in run("software", "--help", env=env).stdout
    products = run("software", "products", env=env).stdout
    assert "elementaire-insi-auth-cli" in products
    assert ("à vérifier" if env is FRENCH else "to be checked") in products
