"""Many programs at once, with the embedded card and over pcscd; what each signature costs the card."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from support.door import Door, embedded_door, why_no_programs
from support.mechanisms import CONTENT
from support.openssl import openssl

from drivers.base import KeyRole

MISSING = why_no_programs("openssl", "Xvfb", "xwininfo", "pkcs11-tool")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
SIGNER = Path(__file__).with_name("python_signer.py")
THREADS = Path(__file__).with_name("python_threads.py")
PROGRAMS, SIGNATURES = 12, 200
SIGNATURES_BY_READER = 20
"""The card is left alone between two transactions, so many signatures take a while there: 12 times 200 took 91 s."""
FOR_A_USE = 8
"""Exchanges of one signature through the API, with its code."""


@pytest.fixture(scope="module")
def embedded_cps3(made_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("embedded")
    data_dir = Path(shutil.copytree(made_folder, folder / "data"))
    with embedded_door(data_dir, folder, "--virtual") as door:
        yield door


@pytest.fixture
def embedded(embedded_cps3: Door, tmp_path: Path) -> Door:
    return replace(embedded_cps3, folder=tmp_path)


def test_twelve_programs_sign_two_hundred_times_each(embedded: Door) -> None:
    sign_at_once(embedded, KeyRole.AUTHENTICATION, PROGRAMS, SIGNATURES)


def test_twelve_programs_sign_over_pcscd(card: Door) -> None:
    sign_at_once(card, KeyRole.AUTHENTICATION, PROGRAMS, SIGNATURES_BY_READER)


def test_threads_of_one_program_sign_side_by_side(embedded: Door) -> None:
    """They share a connection, on which answers come in any order."""
    key_id = embedded.certificate(KeyRole.AUTHENTICATION)["keyId"]
    embedded.programs.run(sys.executable, str(THREADS), embedded.module, key_id, "8", "25")


def test_the_signature_key_is_asked_for_each_time(card: Door) -> None:
    before = card.latest_use()
    sign_at_once(card, KeyRole.SIGNATURE, 3, 2)
    assert [use["exchanges"] for use in card.uses(before) if use["exchanges"]] == [FOR_A_USE] * 9


def test_one_signature_costs_the_card_what_it_costs_through_the_api(card: Door) -> None:
    card.write_certificate(KeyRole.AUTHENTICATION)
    (card.folder / "given").write_bytes(b"given")
    words = ("--sign", "--id", card.certificate(KeyRole.AUTHENTICATION)["keyId"], "-m", "SHA256-RSA-PKCS")
    card.programs.run("pkcs11-tool", "--module", card.module, *words, "-i", "given", "-o", "signature")
    by_door = card.uses()[0]
    card.client.sign_raw([("given", hashlib.sha256(b"given").digest())])
    by_api = card.uses()[0]
    assert by_door["exchanges"] == by_api["exchanges"] == FOR_A_USE


def sign_at_once(door: Door, role: KeyRole, programs: int, signatures: int) -> None:
    """Programs of their own, each of which checks that its signatures are all the same; openssl verifies."""
    door.write_certificate(role)
    key_id = door.certificate(role)["keyId"]
    (door.folder / "content").write_bytes(CONTENT)

    def sign(number: int) -> None:
        arguments = (door.module, key_id, str(signatures), f"signature-{number}")
        door.programs.run(sys.executable, str(SIGNER), *arguments, content=CONTENT)

    with ThreadPoolExecutor(programs) as pool:
        list(pool.map(sign, range(programs)))
    for number in range(programs):
        verify = ("-verify", f"{role}.pub", "-signature", f"signature-{number}", "content")
        openssl(door.folder, "dgst", "-sha256", *verify)
