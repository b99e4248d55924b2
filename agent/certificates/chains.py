"""Chains from a certificate to a root: IGC-Santé's as shipped, and the test root of this data folder."""

from __future__ import annotations

import binascii
import functools
from collections.abc import Callable, Iterable
from importlib import resources

from drivers.card.certificate import Certificate, parse_certificate

MAX_LENGTH = 4


class Chains:
    """Known authorities; `test_authorities_der` gives those of this data folder, asked for at each search."""

    def __init__(self, test_authorities_der: Callable[[], Iterable[bytes]] = tuple) -> None:
        self._test_authorities_der = test_authorities_der

    def find(self, certificate: Certificate) -> tuple[bytes, ...] | None:
        """DER of the issuers from the certificate's own up to the root; None when no root is reached."""
        from drivers.card.issuing import is_issued  # noqa: PLC0415 - at the first card

        authorities = self._authorities()
        chain: list[Certificate] = []
        subject = certificate
        while not subject.issuer.matches(subject.subject) or not chain:
            issuer = next((authority for authority in authorities if is_issued(subject, authority)), None)
            if issuer is None or len(chain) == MAX_LENGTH:
                return None
            chain.append(issuer)
            subject = issuer
        return tuple(authority.der for authority in chain)

    def refutes(self, certificate_der: bytes) -> bool:
        """Whether a known issuer has not signed this: its bytes are damaged."""
        from agent.certificates.damage import is_damaged  # noqa: PLC0415 - at the first card

        return is_damaged(certificate_der, self._authorities())

    def _authorities(self) -> list[Certificate]:
        return [*igc_sante(), *map(parse_certificate, self._test_authorities_der())]


@functools.cache
def igc_sante() -> tuple[Certificate, ...]:
    """The nine production authorities of IGC-Santé (2013 to 2033), as the ANS publishes them."""
    folder = resources.files(__package__).joinpath("igc-sante")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".pem")), key=lambda file: file.name)
    return tuple(parse_certificate(_pem_content(file.read_text("ascii"))) for file in files)


def _pem_content(text: str) -> bytes:
    """The bytes between the two lines of RFC 7468."""
    return binascii.a2b_base64("".join(line for line in text.splitlines() if not line.startswith("-----")))
