"""The test PKI of one data folder: a root and an issuing authority whose keys never leave it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from drivers.errors import DriverError
from drivers.virtual.atomic import make_private_folder, sync_folder, write_atomically
from drivers.virtual.certificates import ISSUING_NAME, ROOT_NAME, Subject, build_ca, build_leaf, ca_name

CA_KEY_BITS = 4096
ROOT, ISSUING = "root", "issuing"
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

    def __init__(self, root: Authority, issuing: Authority) -> None:
        self.root = root
        self.issuing = issuing

    @classmethod
    def open(cls, folder: Path) -> TestPki:
        """Load the PKI of the folder, or make it: whole or not at all, once though two processes try.

        Raises PkiDamagedError when the folder holds something else.
        """
        found = cls.load(folder)
        if found is None:
            make_private_folder(folder.parent)
            _make(folder)
            found = cls.load(folder)
        if found is None:
            raise PkiDamagedError(f"no usable test PKI in {folder}")
        return found

    @classmethod
    def load(cls, folder: Path) -> TestPki | None:
        """Load the PKI of the folder, or None when it holds none; never creates anything."""
        try:
            return cls(_load_authority(folder, ROOT), _load_authority(folder, ISSUING))
        except (OSError, ValueError):
            return None

    @property
    def root_certificate(self) -> x509.Certificate:
        """The self-signed root."""
        return self.root.certificate

    @property
    def issuing_certificate(self) -> x509.Certificate:
        """The authority that signs card certificates."""
        return self.issuing.certificate

    def chain_der(self) -> tuple[bytes, bytes]:
        """Issuing certificate, then root, in DER."""
        return self.issuing.certificate_der, self.root.certificate_der

    def issue(self, subject: Subject, key: rsa.RSAPublicKey) -> bytes:
        """Issue a certificate in DER."""
        certificate = build_leaf(subject, key, self.issuing.certificate).sign(self.issuing.key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.DER)

    def vouches_for(self, certificate_der: bytes) -> bool:
        """Whether this folder issued the certificate: signatures up to the root, and the root's key is here."""
        try:
            leaf = x509.load_der_x509_certificate(certificate_der)
            leaf.verify_directly_issued_by(self.issuing.certificate)
            self.issuing.certificate.verify_directly_issued_by(self.root.certificate)
            self.root.certificate.verify_directly_issued_by(self.root.certificate)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return self.root.owns_its_key()


def _make(folder: Path) -> None:
    """Write a new PKI beside the folder and move it there in one step; the first process to move wins."""
    workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # mode 0700
    try:
        _write_pki(workshop)
        workshop.rename(folder)
        sync_folder(folder.parent)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def _write_pki(folder: Path) -> None:
    root_key, issuing_key = (rsa.generate_private_key(65537, CA_KEY_BITS) for _ in range(2))
    root_name, issuing_name = ca_name(ROOT_NAME), ca_name(ISSUING_NAME)
    public, root_public = issuing_key.public_key(), root_key.public_key()
    root = build_ca(root_name, root_name, root_public, root_public).sign(root_key, hashes.SHA256())
    issuing = build_ca(issuing_name, root_name, public, root_public).sign(root_key, hashes.SHA256())
    _write_authority(folder, ROOT, Authority(root, root_key))
    _write_authority(folder, ISSUING, Authority(issuing, issuing_key))


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
