"""A passphrase that was used, and the key that it opened, are nowhere in the memory of who used them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from support.memory import needles, random_code, search_memory

SCHEMES = {
    "of today": (pkcs12.PBES.PBESv2SHA256AndAES256CBC, SHA256()),
    "of OpenSSL 1": (pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC, SHA1()),
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("scheme", SCHEMES, ids=list(SCHEMES))
def test_passphrase_and_key_are_gone_after_their_use(tmp_path, auth, scheme):
    words = f"clé-{random_code()}-鍵"
    pbes, mac = SCHEMES[scheme]
    encryption = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(2000).key_cert_algorithm(pbes).hmac_hash(mac)
    certificate = x509.load_der_x509_certificate(auth.certificate_der)
    content = pkcs12.serialize_key_and_certificates(
        b"x", auth.private, certificate, None, encryption.build(words.encode())
    )
    (tmp_path / "file").write_bytes(content)
    script = Path(__file__).with_name("importing_child.py")
    command = [sys.executable, str(script), str(tmp_path / "file"), str(tmp_path / "software")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(words.encode())
        child.stdin.flush()
        assert child.stdout.readline() == b"done\n"
        digits = words[4:12]
        found = search_memory(child.pid, [*needles(digits), digits.encode("utf-16-be")])
        numbers = auth.private.private_numbers()
        parts = [_middle(number) for number in (numbers.d, numbers.p, numbers.q)]
        key = search_memory(child.pid, [*parts, *(part[::-1] for part in parts)])  # as bytes, and as OpenSSL's numbers
        assert search_memory(child.pid, [bytes(tmp_path)])  # what is there is found
        child.stdin.close()
    assert child.returncode == 0
    assert not found
    assert not key


def _middle(number: int) -> bytes:
    """24 bytes of the number as DER has them, from its inside."""
    return number.to_bytes(256).lstrip(b"\0")[32:56]
