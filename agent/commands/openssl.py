"""Have results checked by OpenSSL's own program, which shares no code with the agent."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

from agent.client import Json


class CheckFailedError(Exception):
    """OpenSSL does not agree, or cannot be run."""


def check_web_eid(token: Mapping[str, str], origin: str, nonce: str, folder: Path) -> None:
    """Check the signature of a Web eID token: RS256 over hash(origin) ‖ hash(nonce). Raises CheckFailedError."""
    _write_certificate(folder / "auth.pem", base64.b64decode(token["unverifiedCertificate"]))
    (folder / "auth.sig").write_bytes(base64.b64decode(token["signature"]))
    message = hashlib.sha256(origin.encode()).digest() + hashlib.sha256(nonce.encode()).digest()
    (folder / "auth.msg").write_bytes(message)
    _openssl(folder, "x509", "-in", "auth.pem", "-noout", "-pubkey", "-out", "auth.pub")
    _openssl(folder, "dgst", "-sha256", "-verify", "auth.pub", "-signature", "auth.sig", "auth.msg")


def check_chain(certificate: Json, folder: Path) -> None:
    """Check a certificate of GET /v1/certificates up to the root of its own chain. Raises CheckFailedError."""
    write_chain(certificate, folder)
    _write_certificate(folder / "leaf.pem", base64.b64decode(certificate["certificate"]))
    _openssl(folder, "verify", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem")


def write_chain(certificate: Json, folder: Path) -> None:
    """Write root.pem and issuing.pem from a certificate's chain."""
    *issuing, root = [base64.b64decode(der) for der in certificate["chain"]]
    _write_certificate(folder / "root.pem", root)
    _write_certificate(folder / "issuing.pem", *issuing)


def check_cms(signature: bytes, content: bytes, folder: Path) -> None:
    """Check a detached CMS signature up to root.pem. Raises CheckFailedError."""
    (folder / "document").write_bytes(content)
    (folder / "document.p7s").write_bytes(signature)
    _openssl(
        folder, "cms", "-verify", "-binary", "-inform", "DER", "-in", "document.p7s", "-content", "document",
        "-CAfile", "root.pem", "-purpose", "any", "-out", "verified",
    )  # fmt: skip


def _write_certificate(path: Path, *certificates_der: bytes) -> None:
    blocks = ("\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64)) for der in certificates_der)
    pem = "".join(f"-----BEGIN CERTIFICATE-----\n{block}\n-----END CERTIFICATE-----\n" for block in blocks)
    path.write_text(pem, "ascii")


def _openssl(folder: Path, *arguments: str) -> None:
    try:
        result = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise CheckFailedError("the program openssl is not installed") from error
    if result.returncode:
        raise CheckFailedError(f"openssl {arguments[0]}: {result.stderr.decode(errors='replace').strip()}")
