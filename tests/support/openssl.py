"""Results checked by OpenSSL's own program."""

from __future__ import annotations

import base64
import hashlib
import ssl
import subprocess
from pathlib import Path
from typing import Any


def openssl(folder: Path, *arguments: str) -> str:
    result = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def write_pem(path: Path, *certificates_der: bytes) -> None:
    path.write_text("".join(ssl.DER_cert_to_PEM_cert(der) for der in certificates_der))


def write_chain(folder: Path, certificate: dict[str, Any]) -> None:
    """root.pem and issuing.pem of a certificate of GET /v1/certificates."""
    issuing, root = (base64.b64decode(der) for der in certificate["chain"])
    write_pem(folder / "root.pem", root)
    write_pem(folder / "issuing.pem", issuing)


def verify_token(folder: Path, token: dict[str, str], origin: str, nonce: str) -> None:
    """The signature of a Web eID token, and its certificate up to root.pem."""
    write_pem(folder / "auth.pem", base64.b64decode(token["unverifiedCertificate"]))
    (folder / "sig").write_bytes(base64.b64decode(token["signature"]))
    message = hashlib.sha256(origin.encode()).digest() + hashlib.sha256(nonce.encode()).digest()
    (folder / "message").write_bytes(message)
    openssl(folder, "x509", "-in", "auth.pem", "-noout", "-pubkey", "-out", "auth.pub")
    openssl(folder, "dgst", "-sha256", "-verify", "auth.pub", "-signature", "sig", "message")
    openssl(folder, "verify", "-CAfile", "root.pem", "-untrusted", "issuing.pem", "-purpose", "sslclient", "auth.pem")


def verify_cms(folder: Path, signature: bytes, content: bytes, *, detached: bool = True) -> str:
    """A CMS signature up to root.pem; gives its structure in words."""
    (folder / "content").write_bytes(content)
    (folder / "cms").write_bytes(signature)
    apart = ["-content", "content"] if detached else []
    verify = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "cms", "-CAfile", "root.pem", "-purpose", "any"]
    openssl(folder, *verify, *apart, "-out", "verified")
    assert (folder / "verified").read_bytes() == content
    return openssl(folder, "cms", "-cmsout", "-print", "-inform", "DER", "-in", "cms", "-noout")
