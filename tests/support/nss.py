"""Databases of NSS, as Firefox has them, made with its own tools."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.openssl import openssl, write_pem
from support.organisations import OrganisationKey


def make_profile(folder: Path, key: OrganisationKey, *others: OrganisationKey) -> Path:
    """A profile with a key, its certificate and authorities; of the others it has the certificates alone."""
    folder.mkdir(parents=True)
    (folder / "key").write_bytes(key.pem())
    write_pem(folder / "pem", key.certificate_der)
    write_pem(folder / "chain", *key.chain_der)
    export = ["-inkey", "key", "-in", "pem", "-certfile", "chain", "-name", "x", "-out", "p12", "-passout", "pass:x"]
    openssl(folder, "pkcs12", "-export", *export)
    database = f"sql:{folder}"
    _run(folder, "certutil", "-N", "-d", database, "--empty-password")
    _run(folder, "pk12util", "-i", "p12", "-d", database, "-W", "x")
    for number, other in enumerate(others):
        write_pem(folder / "pem", other.certificate_der)
        _run(folder, "certutil", "-A", "-d", database, "-n", f"other {number}", "-t", ",,", "-a", "-i", "pem")
    return folder


def make_database(folder: Path, roots: Sequence[bytes] = ()) -> Path:
    """A database without keys that believes these roots, for signatures of documents."""
    folder.mkdir(parents=True)
    database = f"sql:{folder}"
    _run(folder, "certutil", "-N", "-d", database, "--empty-password")
    for number, root in enumerate(roots):
        write_pem(folder / "pem", root)
        _run(folder, "certutil", "-A", "-d", database, "-n", f"root {number}", "-t", "C,C,C", "-a", "-i", "pem")
    return folder


def export(folder: Path, words: str, *options: str) -> bytes:
    """The key of a profile as Firefox saves it: BER, its lengths not said, each part in a safe of its own."""
    _run(folder, "pk12util", "-o", "saved", "-n", "x", "-d", f"sql:{folder}", "-W", words, *options)
    return (folder / "saved").read_bytes()


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
