"""OpenSSL's engine for PKCS#11 at the door (libp11): signatures, and logins to a TLS server, with curl too."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.client_auth import GREETING, TLS_1_2, TLS_1_3, client_auth_server
from support.door import Door, why_no_programs
from support.mechanisms import CONTENT
from support.openssl import openssl

from drivers.base import KeyRole

ENGINE_PATTERN = "lib/*/engines-3/pkcs11.so"
MISSING = why_no_programs("openssl", "curl", "Xvfb", "xwininfo") or (
    None if next(Path("/usr").glob(ENGINE_PATTERN), None) else "not installed: libengine-pkcs11-openssl"
)
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))

WITHOUT_PSS = """
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = card
[card]
SignatureAlgorithms = RSA+SHA256:ECDSA+SHA256
"""


def key_url(door: Door, role: KeyRole) -> str:
    key_id = door.certificate(role)["keyId"]
    return "pkcs11:type=private;id=" + "".join(f"%{byte:02x}" for byte in bytes.fromhex(key_id))


@pytest.mark.parametrize("role", KeyRole)
def test_dgst_signs_with_either_key(card: Door, role: KeyRole) -> None:
    card.write_certificate(role)
    (card.folder / "content").write_bytes(CONTENT)
    sign = ("-sha256", "-engine", "pkcs11", "-keyform", "engine", "-sign", key_url(card, role))
    dgst = ("openssl", "dgst", *sign, "-out", "signature", "content")
    card.programs.run(*dgst, env={"PKCS11_MODULE_PATH": card.module})
    openssl(card.folder, "dgst", "-sha256", "-verify", f"{role}.pub", "-signature", "signature", "content")


def test_curl_logs_in_with_a_card_without_pss(card: Door) -> None:
    """The engine takes PSS where a server prefers it, and fails then: OpenSSL has to be told what the card can do."""
    (card.folder / "openssl.cnf").write_text(WITHOUT_PSS)
    log_in(card, TLS_1_2, {"OPENSSL_CONF": str(card.folder / "openssl.cnf")})


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
def test_curl_logs_in_with_a_cps4(cps4: Door, version: ssl.TLSVersion) -> None:
    log_in(cps4, version)


def log_in(door: Door, version: ssl.TLSVersion, env: Mapping[str, str] | None = None) -> None:
    role = KeyRole.AUTHENTICATION
    own = door.write_certificate(role)
    with client_auth_server(door.folder, door.folder / "chain.pem", version) as gate:
        certificate = key_url(door, role).replace("type=private", "type=cert")
        key = ("--engine", "pkcs11", "--key-type", "ENG", "--key", key_url(door, role))
        login = (*key, "--cert-type", "ENG", "--cert", certificate)
        curl = ("curl", "--silent", "--show-error", "--cacert", str(gate.authority), *login)
        said = door.programs.run(*curl, gate.url, env={"PKCS11_MODULE_PATH": door.module, **(env or {})})
    assert GREETING.decode() in said
    gate.assert_let_in(own, version)
