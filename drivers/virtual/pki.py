"""The test PKI of one data folder: a root and its issuing authorities, whose keys never leave it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from drivers.atomic import make_private_folder, sync_folder, write_atomically
from drivers.card.certificate import parse_certificate
from drivers.errors import DriverError
from drivers.virtual.authorities import (
    ISSUING,
    ORGANISATIONS_FOLDER,
    ROOT,
    STANDARD_FOLDER,
    Authority,
    TestAuthorities,
    load_authority,
)
from drivers.virtual.certificates import (
    ISSUING_NAME,
    ROOT_NAME,
    STANDARD_NAME,
    Subject,
    build_ca,
    build_leaf,
    ca_name,
)
from drivers.virtual.organisations import ORGANISATIONS_NAME, Offer, build_organisation

CA_KEY_BITS = 4096
OTHERS = {STANDARD_FOLDER: STANDARD_NAME, ORGANISATIONS_FOLDER: ORGANISATIONS_NAME}
"""What issues to employees and to organisations is made for the first of them: most folders need neither."""


class PkiDamagedError(DriverError):
    """The folder of the test PKI holds something else than the test PKI."""


class TestPki(TestAuthorities):
    """Issue card certificates, and recognise those that this folder issued."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Load the PKI of the folder, or make it: whole or not at all, once though two processes try.

        Raises PkiDamagedError when the folder holds something else.
        """
        found = cls.load(folder)
        if found is None:
            make_private_folder(folder.parent)
            _make(folder, _write_pki)
            found = cls.load(folder)
        if found is None:
            raise PkiDamagedError(f"no usable test PKI in {folder}")
        return found

    @property
    def root_certificate(self) -> x509.Certificate:
        """The self-signed root."""
        return _library_certificate(self.root)

    @property
    def issuing_certificate(self) -> x509.Certificate:
        """The authority that signs the certificates of professionals."""
        return _library_certificate(self.issuing)

    def issue(self, subject: Subject, key: rsa.RSAPublicKey) -> bytes:
        """Issue a certificate in DER. Raises PkiDamagedError when the authority that employees need cannot be made."""
        issuer = self._open_other(STANDARD_FOLDER) if subject.is_standard else self.issuing
        return _sign(build_leaf(subject, key, _library_certificate(issuer)), issuer)

    def issue_to_organisation(self, offer: Offer, key: rsa.RSAPublicKey) -> bytes:
        """Issue a software certificate in DER. Raises PkiDamagedError when its authority cannot be made."""
        issuer = self._open_other(ORGANISATIONS_FOLDER)
        return _sign(build_organisation(offer, key, _library_certificate(issuer)), issuer)

    def _open_other(self, name: str) -> Authority:
        """Load another issuing authority, or make it; the first process to make it wins."""
        if name not in self._others:
            folder = self._folder / name
            if not folder.is_dir():
                _make(folder, lambda workshop: _write_issuing(workshop, OTHERS[name], self.root))
            try:
                self._others[name] = load_authority(folder, ISSUING)
            except (OSError, ValueError) as error:
                raise PkiDamagedError(f"no usable test authority in {folder}") from error
        return self._others[name]


def _library_certificate(authority: Authority) -> x509.Certificate:
    return x509.load_der_x509_certificate(authority.certificate_der)


def _sign(builder: x509.CertificateBuilder, issuer: Authority) -> bytes:
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    """Have a new folder written beside its place and move it there in one step; the first process to move wins."""
    workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        write(workshop)
        workshop.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _write_pki(folder: Path) -> None:
    key, name = rsa.generate_private_key(65537, CA_KEY_BITS), ca_name(ROOT_NAME)
    builder = build_ca(name, name, key.public_key(), key.public_key())
    root = _made(builder.sign(key, hashes.SHA256()), key)
    _write_authority(folder, ROOT, root)
    _write_issuing(folder, ISSUING_NAME, root)


def _write_issuing(folder: Path, name: str, root: Authority) -> None:
    key, issuer = rsa.generate_private_key(65537, CA_KEY_BITS), _library_certificate(root).subject
    builder = build_ca(ca_name(name), issuer, key.public_key(), root.key.public_key())
    _write_authority(folder, ISSUING, _made(builder.sign(root.key, hashes.SHA256()), key))


def _made(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> Authority:
    return Authority(parse_certificate(certificate.public_bytes(serialization.Encoding.DER)), key)


def _write_authority(folder: Path, name: str, authority: Authority) -> None:
    write_atomically(folder / f"{name}.key.pem", dump_key(authority.key))
    pem = _library_certificate(authority).public_bytes(serialization.Encoding.PEM)
    write_atomically(folder / f"{name}.pem", pem)


def dump_key(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS#8 in PEM, not encrypted: a test key, kept from other users by its file mode."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
