"""GnuTLS's programs at the door: p11tool lists and signs, gnutls-cli logs in to a TLS server."""

from __future__ import annotations

import os
import re
import ssl

import pytest
from support.client_auth import GREETING, TLS_1_2, TLS_1_3, Gate, client_auth_server
from support.door import Door, why_no_programs

from drivers.base import KeyRole
from drivers.virtual.personalisation import DEFAULT

MISSING = why_no_programs("p11tool", "gnutls-cli", "openssl", "Xvfb", "xwininfo")
pytestmark = pytest.mark.skipif(bool(MISSING) and not os.environ.get("CI"), reason=str(MISSING))


def p11tool(door: Door, *arguments: str) -> str:
    return door.programs.run("p11tool", "--provider", door.module, "--batch", *arguments)


def key_url(door: Door, role: KeyRole) -> str:
    """As p11tool lists it."""
    listing = p11tool(door, "--list-privkeys")
    key_id = re.sub("(..)", r"\1:", door.certificate(role)["keyId"])[:-1]
    objects = {re.search(r"ID: (\S+)", part)[1]: part for part in listing.split("Object ")[1:]}
    return re.search(r"URL: (\S+)", objects[key_id])[1]


def test_p11tool_lists_everything(card: Door) -> None:
    assert f"serial={DEFAULT.serial}" in p11tool(card, "--list-token-urls")
    listing = p11tool(card, "--list-all")
    for kind in ("X.509 Certificate (RSA-2048)", "Public key (RSA-2048)", "Private key (RSA-2048)"):
        assert listing.count(f"Type: {kind}") == 2, listing


@pytest.mark.parametrize("role", KeyRole)
def test_p11tool_signs_and_verifies(card: Door, role: KeyRole) -> None:
    said = p11tool(card, "--test-sign", key_url(card, role))
    assert said.count("ok") >= 2, said


def test_gnutls_cli_logs_in_with_a_card_without_pss(card: Door) -> None:
    log_in(card, TLS_1_2)


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
def test_gnutls_cli_logs_in_with_a_cps4(cps4: Door, version: ssl.TLSVersion) -> None:
    log_in(cps4, version)


def log_in(door: Door, version: ssl.TLSVersion) -> None:
    role = KeyRole.AUTHENTICATION
    own, url = door.write_certificate(role), key_url(door, role)
    with client_auth_server(door.folder, door.folder / "chain.pem", version) as gate:
        said = door.programs.run(*_gnutls_cli(door, gate, url), content=gate.request.encode())
    assert GREETING.decode() in said
    gate.assert_let_in(own, version)


def _gnutls_cli(door: Door, gate: Gate, url: str) -> tuple[str, ...]:
    certificate = url.replace("type=private", "type=cert")
    login = ("--provider", door.module, "--x509certfile", certificate, "--x509keyfile", url)
    return ("gnutls-cli", *login, "--x509cafile", str(gate.authority), "-p", str(gate.port), "127.0.0.1")
