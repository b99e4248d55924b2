"""Files of keys as openssl and people make them."""

from __future__ import annotations

import ssl
from pathlib import Path

from support.openssl import openssl
from support.organisations import OrganisationKey


def pem_file(key: OrganisationKey) -> bytes:
    """Key and certificate in one PEM, in clear."""
    return key.pem() + ssl.DER_cert_to_PEM_cert(key.certificate_der).encode()


def p12_file(folder: Path, key: OrganisationKey, password: str, *options: str) -> bytes:
    """The file as openssl makes it, with the chain."""
    folder.mkdir(exist_ok=True)
    chain = "".join(ssl.DER_cert_to_PEM_cert(der) for der in key.chain_der)
    (folder / "all.pem").write_bytes(pem_file(key) + chain.encode())
    openssl(folder, "pkcs12", "-export", *options, "-in", "all.pem", "-out", "made.p12", "-passout", f"pass:{password}")
    return (folder / "made.p12").read_bytes()
