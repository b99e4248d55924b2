"""Chains from a certificate to a root: IGC-Santé's as shipped, and the test root of this data folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

MAX_LENGTH = 4


class Chains:
    """Known authorities; `test_authorities_der` gives those of this data folder, asked for at each search."""

    def __init__(self, test_authorities_der: Callable[[], Iterable[bytes]] = tuple) -> None:
        self._test_authorities_der = test_authorities_der

    def find(self, certificate: x509.Certificate) -> tuple[bytes, ...] | None:
        """DER of the issuers from the certificate's own up to the root; None when no root is reached."""
        from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

        authorities = self._authorities()
        chain: list[x509.Certificate] = []
        subject = certificate
        while subject.issuer != subject.subject or not chain:
            issuer = next((a for a in authorities if _issued(a, subject)), None)
            if issuer is None or len(chain) == MAX_LENGTH:
                return None
            chain.append(issuer)
            subject = issuer
        return tuple(authority.public_bytes(Encoding.DER) for authority in chain)

    def refutes(self, certificate_der: bytes) -> bool:
        """Whether a known issuer has not signed this: its bytes are damaged."""
        from agent.certificates.damage import is_damaged  # noqa: PLC0415 - at the first card

        return is_damaged(certificate_der, self._authorities())

    def _authorities(self) -> list[x509.Certificate]:
        from cryptography import x509  # noqa: PLC0415

        return [*igc_sante(), *map(x509.load_der_x509_certificate, self._test_authorities_der())]


@functools.cache
def igc_sante() -> tuple[x509.Certificate, ...]:
    """The nine production authorities of IGC-Santé (2013 to 2033), as the ANS publishes them."""
    from cryptography import x509  # noqa: PLC0415 - at the first card

    folder = resources.files(__package__).joinpath("igc-sante")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".pem")), key=lambda file: file.name)
    return tuple(x509.load_pem_x509_certificate(file.read_bytes()) for file in files)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - at the first card

    if authority.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
