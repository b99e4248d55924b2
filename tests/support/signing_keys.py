"""A signature key in a file, with the certificate of a virtual CPS: what a card gives, without its exchanges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from support.openssl import write_pem

from agent.certificates.pem import read_pem
from agent.signing.preparation import Signer, Unsigned
from agent.signing.words import Scheme
from drivers.virtual.authorities import load_key
from drivers.virtual.store import pki_folder

HASHES = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}
NAME, PROFESSION = "Docteur Zoé ÉLÈVE", "Médecin"


@dataclass(frozen=True)
class SigningKey:
    """`chain_der`: from the issuing authority to the root."""

    key: rsa.RSAPrivateKey
    certificate_der: bytes
    chain_der: tuple[bytes, ...]

    @classmethod
    def of_card(cls, data_dir: Path) -> SigningKey:
        """That of the first virtual card of a data folder."""
        folder = min((data_dir / "virtual" / "cards").iterdir())
        pki = pki_folder(data_dir)
        chain = tuple(_der(pki / f"{name}.pem") for name in ("issuing", "root"))
        return cls(load_key(folder / "signature.key.pem"), next(folder.glob("signature-*.der")).read_bytes(), chain)

    def signer(self, scheme: Scheme = Scheme.RS256) -> Signer:
        """As a format is told of it."""
        return Signer(self.certificate_der, self.chain_der, scheme, NAME, PROFESSION)

    def complete(self, unsigned: Unsigned, scheme: Scheme = Scheme.RS256) -> bytes:
        """The finished signature."""
        return unsigned.complete(self.sign(unsigned.to_sign, scheme, unsigned.hash_name))

    def complete_all(self, prepared: Iterable[Unsigned], scheme: Scheme = Scheme.RS256) -> list[bytes]:
        """All of them."""
        return [self.complete(unsigned, scheme) for unsigned in prepared]

    def sign(self, content: bytes, scheme: Scheme = Scheme.RS256, hash_name: str = "sha256") -> bytes:
        """RSASSA over the hash of the content."""
        algorithm = HASHES[hash_name]
        pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        return self.key.sign(content, padding.PKCS1v15() if scheme is Scheme.RS256 else pss, algorithm)

    def sign_digest(self, digest: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 over a SHA-256 that was made elsewhere, as a card does."""
        return self.key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))

    def write_chain(self, folder: Path) -> None:
        """As support.openssl looks for it: root.pem and issuing.pem."""
        issuing, root = self.chain_der
        write_pem(folder / "issuing.pem", issuing)
        write_pem(folder / "root.pem", root)


def _der(path: Path) -> bytes:
    (der,) = read_pem(path.read_bytes())
    return der
