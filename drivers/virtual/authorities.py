"""The authorities of a test PKI, as far as recognising their certificates needs them: what makes certificates is apart.

An agent in whose folder test cards were made looks here at each card, and need not hold a library of certificates.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.issuing import is_issued
from drivers.errors import CardUnknownError

ROOT, ISSUING = "root", "issuing"
STANDARD_FOLDER, ORGANISATIONS_FOLDER = "standard", "organisations"
"""What issues to employees and to organisations, in folders within that of the PKI."""
PROOF, PROOF_PADDING = b"cps-agent test PKI: proof of possession", padding.PKCS1v15()


@dataclass(frozen=True, slots=True)
class Authority:
    """One authority: its certificate and its private key."""

    certificate: Certificate
    key: rsa.RSAPrivateKey

    @property
    def certificate_der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.der

    def owns_its_key(self) -> bool:
        """Whether the private key is the one that the certificate names: it signs, the certificate verifies."""
        try:
            public = serialization.load_der_public_key(self.certificate.public_key_der)
            if not isinstance(public, rsa.RSAPublicKey):
                return False
            public.verify(self.key.sign(PROOF, PROOF_PADDING, hashes.SHA256()), PROOF, PROOF_PADDING, hashes.SHA256())
        except (ValueError, InvalidSignature):
            return False
        return True


class TestAuthorities:
    """The root of one data folder and its issuing authorities."""

    __test__ = False  # the name begins as pytest's test classes do

    def __init__(self, folder: Path, root: Authority, issuing: Authority, others: Mapping[str, Authority]) -> None:
        self.root = root
        self.issuing = issuing
        self._folder = folder
        self._others = dict(others)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Load those of the folder, or None when it holds none; never creates anything."""
        names = (name for name in (STANDARD_FOLDER, ORGANISATIONS_FOLDER) if (folder / name).is_dir())
        try:
            root, issuing = load_authority(folder, ROOT), load_authority(folder, ISSUING)
            return cls(folder, root, issuing, {name: load_authority(folder / name, ISSUING) for name in names})
        except (OSError, ValueError):
            return None

    def chain_der(self) -> tuple[bytes, ...]:
        """Issuing certificates, then root, in DER."""
        return *(authority.certificate_der for authority in self._issuers()), self.root.certificate_der

    def _issuers(self) -> tuple[Authority, ...]:
        return self.issuing, *self._others.values()

    def vouches_for(self, certificate_der: bytes) -> bool:
        """Whether this folder issued the certificate: signatures up to the root, and the root's key is here."""
        try:
            leaf = parse_certificate(certificate_der)
        except CardUnknownError:
            return False
        root = self.root.certificate
        issuer = next((each.certificate for each in self._issuers() if is_issued(leaf, each.certificate)), None)
        if issuer is None or not is_issued(issuer, root) or not is_issued(root, root):
            return False
        return self.root.owns_its_key()


def load_authority(folder: Path, name: str) -> Authority:
    """Load certificate and key of that name. Raises OSError and ValueError."""
    try:
        certificate = parse_certificate(ssl.PEM_cert_to_DER_cert((folder / f"{name}.pem").read_text("ascii")))
    except CardUnknownError as error:
        raise ValueError(f"no certificate of {name} in {folder}") from error
    return Authority(certificate, load_key(folder / f"{name}.key.pem"))


def load_key(path: Path) -> rsa.RSAPrivateKey:
    """Load a key in PKCS#8, trusting its numbers (their check takes longer than all the rest of a start).

    Raises OSError and ValueError.
    """
    key = serialization.load_pem_private_key(path.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    raise ValueError(f"{path} holds no RSA key")
