"""The test PKI of one data folder: a root and its issuing authorities, whose keys never leave it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from drivers.atomic import make_private_folder, sync_folder, write_atomically
from drivers.card.certificate import parse_certificate
from drivers.card.issuing import is_issued
from drivers.errors import CardUnknownError, DriverError
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
ROOT, ISSUING = "root", "issuing"
STANDARD_FOLDER, ORGANISATIONS_FOLDER = "standard", "organisations"
OTHERS = {STANDARD_FOLDER: STANDARD_NAME, ORGANISATIONS_FOLDER: ORGANISATIONS_NAME}
"""What issues to employees and to organisations is made for the first of them: most folders need neither."""
PROOF, PROOF_PADDING = b"cps-agent test PKI: proof of possession", padding.PKCS1v15()


class PkiDamagedError(DriverError):
    """The folder of the test PKI holds something else than the test PKI."""


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority: its certificate and its private key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def certificate_der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def owns_its_key(self) -> bool:
        """Whether the private key is the one that the certificate names: it signs, the certificate verifies."""
        public = self.certificate.public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            return False
        try:
            public.verify(self.key.sign(PROOF, PROOF_PADDING, hashes.SHA256()), PROOF, PROOF_PADDING, hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True


class TestPki:
    """Issue card certificates, and recognise those that this folder issued."""

    __test__ = False  # the name begins as pytest's test classes do

    def __init__(self, folder: Path, root: Authority, issuing: Authority, others: Mapping[str, Authority]) -> None:
        self.root = root
        self.issuing = issuing
        self._folder = folder
        self._others = dict(others)

    @classmethod
    def open(cls, folder: Path) -> TestPki:
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

    @classmethod
    def load(cls, folder: Path) -> TestPki | None:
        """Load the PKI of the folder, or None when it holds none; never creates anything."""
        try:
            root, issuing = _load_authority(folder, ROOT), _load_authority(folder, ISSUING)
            others = {name: _load_authority(folder / name, ISSUING) for name in OTHERS if (folder / name).is_dir()}
            return cls(folder, root, issuing, others)
        except (OSError, ValueError):
            return None

    @property
    def root_certificate(self) -> x509.Certificate:
        """The self-signed root."""
        return self.root.certificate

    @property
    def issuing_certificate(self) -> x509.Certificate:
        """The authority that signs the certificates of professionals."""
        return self.issuing.certificate

    def chain_der(self) -> tuple[bytes, ...]:
        """Issuing certificates, then root, in DER."""
        return *(authority.certificate_der for authority in self._issuers()), self.root.certificate_der

    def _issuers(self) -> tuple[Authority, ...]:
        return self.issuing, *self._others.values()

    def issue(self, subject: Subject, key: rsa.RSAPublicKey) -> bytes:
        """Issue a certificate in DER. Raises PkiDamagedError when the authority that employees need cannot be made."""
        issuer = self._open_other(STANDARD_FOLDER) if subject.is_standard else self.issuing
        return _sign(build_leaf(subject, key, issuer.certificate), issuer)

    def issue_to_organisation(self, offer: Offer, key: rsa.RSAPublicKey) -> bytes:
        """Issue a software certificate in DER. Raises PkiDamagedError when its authority cannot be made."""
        issuer = self._open_other(ORGANISATIONS_FOLDER)
        return _sign(build_organisation(offer, key, issuer.certificate), issuer)

    def _open_other(self, name: str) -> Authority:
        """Load another issuing authority, or make it; the first process to make it wins."""
        if name not in self._others:
            folder = self._folder / name
            if not folder.is_dir():
                _make(folder, lambda workshop: _write_issuing(workshop, OTHERS[name], self.root))
            try:
                self._others[name] = _load_authority(folder, ISSUING)
            except (OSError, ValueError) as error:
                raise PkiDamagedError(f"no usable test authority in {folder}") from error
        return self._others[name]

    def vouches_for(self, certificate_der: bytes) -> bool:
        """Whether this folder issued the certificate: signatures up to the root, and the root's key is here."""
        try:
            leaf = parse_certificate(certificate_der)
        except CardUnknownError:
            return False
        root = parse_certificate(self.root.certificate_der)
        issuers = (parse_certificate(issuer.certificate_der) for issuer in self._issuers())
        issuer = next((issuer for issuer in issuers if is_issued(leaf, issuer)), None)
        if issuer is None or not is_issued(issuer, root) or not is_issued(root, root):
            return False
        return self.root.owns_its_key()


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
    certificate = build_ca(name, name, key.public_key(), key.public_key()).sign(key, hashes.SHA256())
    root = Authority(certificate, key)
    _write_authority(folder, ROOT, root)
    _write_issuing(folder, ISSUING_NAME, root)


def _write_issuing(folder: Path, name: str, root: Authority) -> None:
    key = rsa.generate_private_key(65537, CA_KEY_BITS)
    builder = build_ca(ca_name(name), root.certificate.subject, key.public_key(), root.key.public_key())
    _write_authority(folder, ISSUING, Authority(builder.sign(root.key, hashes.SHA256()), key))


def _write_authority(folder: Path, name: str, authority: Authority) -> None:
    write_atomically(folder / f"{name}.key.pem", dump_key(authority.key))
    write_atomically(folder / f"{name}.pem", authority.certificate.public_bytes(serialization.Encoding.PEM))


def _load_authority(folder: Path, name: str) -> Authority:
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
    return Authority(certificate, load_key(folder / f"{name}.key.pem"))


def dump_key(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS#8 in PEM, not encrypted: a test key, kept from other users by its file mode."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """Load what dump_key gave, trusting its numbers (their check takes longer than all the rest of a start).

    Raises OSError and ValueError.
    """
    key = serialization.load_pem_private_key(path.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    raise ValueError(f"{path} holds no RSA key")
