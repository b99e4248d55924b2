"""What a site's server would check, by openssl: a Web eID token, a CMS signature."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run_openssl(*arguments: str | Path) -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30).stdout


def verify_token(token: dict[str, Any], origin: str, nonce: str, folder: Path) -> None:
    """Verify as the Web eID specification says: RS256 over hash(origin) and hash(nonce as sent)."""
    assert token["format"] == "web-eid:1.0"
    assert token["algorithm"] == "RS256"
    signed, signature, key = (folder / name for name in ("signed", "signature", "key.pem"))
    signed.write_bytes(hashlib.sha256(origin.encode()).digest() + hashlib.sha256(nonce.encode()).digest())
    signature.write_bytes(base64.b64decode(token["signature"], validate=True))
    certificate = folder / "certificate.der"
    certificate.write_bytes(base64.b64decode(token["unverifiedCertificate"], validate=True))
    key.write_bytes(run_openssl("x509", "-inform", "DER", "-in", certificate, "-pubkey", "-noout"))
    answer = run_openssl("dgst", "-sha256", "-verify", key, "-signature", signature, signed)
    assert answer.strip() == b"Verified OK"


def verify_cms(signature: str, chain: Sequence[str], folder: Path, content: bytes | None = None) -> bytes:
    """Verify up to the root of the chain; give the signed content."""
    path, roots, out = (folder / name for name in ("signature.p7s", "chain.pem", "out"))
    path.write_bytes(base64.b64decode(signature, validate=True))
    roots.write_text("".join(f"-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n" for der in chain))
    detached: tuple[str | Path, ...] = ()
    if content is not None:
        (folder / "content").write_bytes(content)
        detached = ("-content", folder / "content")
    run_openssl(
        "cms", "-verify", "-binary", "-inform", "DER", "-in", path, "-CAfile", roots, "-out", out,
        "-purpose", "any", *detached,
    )  # fmt: skip
    return out.read_bytes()
