"""Certificates in other programs' stores: NSS with its own tools; Windows and macOS by what their seams would give."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from support.nss import make_profile

from drivers.software.system_stores import (
    FoundCertificate,
    Keychain,
    NssStore,
    StoreKind,
    StoreUnreadableError,
    WindowsStore,
    list_found,
    list_stores,
)

needs_nss = pytest.mark.skipif(not shutil.which("pk12util"), reason="needs certutil and pk12util (libnss3-tools)")


@pytest.fixture
def profile(tmp_path, auth, seal):
    """A profile of Firefox with a key and its certificate, a certificate alone, and an authority."""
    home = tmp_path / "home"
    folder = make_profile(home / ".mozilla" / "firefox" / "abc.default", auth, seal)
    return home, folder


@needs_nss
def test_a_key_in_nss_is_named_and_stays_there(profile, auth):
    home, folder = profile
    stores = list_stores("linux", home)
    assert list_found(stores) == (FoundCertificate(StoreKind.NSS, str(folder), auth.certificate_der, True),)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(list(NssStore(folder).list_certificates())) == 4
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@needs_nss
def test_a_store_in_use_is_read_all_the_same(profile):
    home, folder = profile
    other = sqlite3.connect(folder / "cert9.db", isolation_level=None)
    other.execute("begin exclusive")
    assert len(list_found(list_stores("linux", home))) == 1
    other.close()


def test_a_damaged_store_costs_itself_alone(tmp_path):
    for name, content in (("a", b"garbage" * 1000), ("b", b"")):
        folder = tmp_path / ".mozilla" / "firefox" / name
        folder.mkdir(parents=True)
        (folder / "cert9.db").write_bytes(content)
    for store in list_stores("linux", tmp_path):
        with pytest.raises(StoreUnreadableError):
            list(store.list_certificates())
    assert list_found(list_stores("linux", tmp_path)) == ()
    assert list_stores("linux", tmp_path / "nowhere") == ()


def test_windows_tells_certificates_and_not_their_keys(auth, seal):
    given = [
        (auth.certificate_der, "x509_asn", True),
        (seal.certificate_der, "pkcs_7_asn", True),
        (b"x", "x509_asn", True),
    ]
    (found,) = list_found((WindowsStore(lambda _: given),))
    assert found == FoundCertificate(StoreKind.WINDOWS, "MY", auth.certificate_der, None)

    def refuse(_):
        raise PermissionError

    assert list_found((WindowsStore(refuse),)) == ()
    assert [type(store) for store in list_stores("win32", environment={})] == [WindowsStore]


def test_the_keychain_tells_which_certificates_have_keys(auth, seal):
    name = hashlib.sha1(auth.certificate_der).hexdigest().upper()
    answers = {
        "find-identity": f'Policy: X.509 Basic\n  Matching identities\n  1) {name} "x"\n     1 identities found\n'.encode(),
        "find-certificate": b"".join(
            x509.load_der_x509_certificate(key.certificate_der).public_bytes(Encoding.PEM) for key in (auth, seal)
        ),
    }
    (found,) = list_found((Keychain(lambda command: answers[command[1]]),))
    assert found == FoundCertificate(StoreKind.KEYCHAIN, "keychain", auth.certificate_der, True)
    cut = answers | {"find-certificate": answers["find-certificate"][:-40]}
    assert list_found((Keychain(lambda command: cut[command[1]]),)) == ()
    assert list_found((Keychain(),)) == ()  # not on this system
    assert [type(store) for store in list_stores("darwin", environment={})] == [Keychain]
