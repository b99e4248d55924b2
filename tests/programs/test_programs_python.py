"""python-pkcs11 at the door, in a program of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from support.door import Door, why_no_programs
from support.mechanisms import CONTENT
from support.openssl import openssl

from drivers.base import KeyRole

MISSING = why_no_programs("openssl", "Xvfb", "xwininfo")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))
SIGNER = Path(__file__).with_name("python_signer.py")


@pytest.mark.parametrize("role", KeyRole)
def test_it_signs_and_openssl_verifies(card: Door, role: KeyRole) -> None:
    card.write_certificate(role)
    (card.folder / "content").write_bytes(CONTENT)
    arguments = (card.module, card.certificate(role)["keyId"], "2", "signature")
    card.programs.run(sys.executable, str(SIGNER), *arguments, content=CONTENT)
    openssl(card.folder, "dgst", "-sha256", "-verify", f"{role}.pub", "-signature", "signature", "content")
