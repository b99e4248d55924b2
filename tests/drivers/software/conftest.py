"""Stores of software keys, each in a folder of its own."""

from __future__ import annotations

import pytest
from support.key_files import WORDS
from support.openssl import openssl, write_pem
from support.wrapping import MemoryKeys

from drivers.software.store import SoftwareStore


@pytest.fixture
def secrets():
    return MemoryKeys()


@pytest.fixture
def store_folder(tmp_path):
    return tmp_path / "software"


@pytest.fixture
def store(store_folder, secrets):
    return SoftwareStore(store_folder, secrets)


@pytest.fixture
def auth(organisation_keys):
    return organisation_keys["AUTH_CLI"]


@pytest.fixture
def seal(organisation_keys):
    return organisation_keys["SIGN"]


@pytest.fixture
def folder_of(tmp_path, auth, seal):
    """A folder with the keys and certificates in PEM."""
    for name, key in (("auth", auth), ("seal", seal)):
        (tmp_path / f"{name}.key").write_bytes(key.pem())
        write_pem(tmp_path / f"{name}.pem", key.certificate_der)
    write_pem(tmp_path / "chain.pem", *auth.chain_der)
    (tmp_path / "words").write_text(WORDS)
    return tmp_path


@pytest.fixture
def export_p12(folder_of):
    """A function that has OpenSSL write a PKCS#12 file."""

    def make(*options, words="file:words", name="auth"):
        files = ["-inkey", f"{name}.key", "-in", f"{name}.pem", "-certfile", "chain.pem", "-name", "name"]
        openssl(folder_of, "pkcs12", "-export", *files, "-out", "x.p12", "-passout", words, *options)
        return (folder_of / "x.p12").read_bytes()

    return make
