"""Who vouches for time-stamp authorities: the settings' certificates and IGC-Santé's; self-issued ones are roots."""

from __future__ import annotations

import functools

from agent.certificates.chains import Chains, TrustTerms
from agent.signing.preparation import Outside
from agent.signing.tokens import Token
from drivers.card.certificate import parse_certificate
from drivers.errors import CardUnknownError


def find_authority_chain(token: Token, outside: Outside) -> tuple[bytes, ...] | None:
    """DER of the issuers of the token's signer, valid with it at the token's time; None where no root is reached."""
    try:
        certificate = parse_certificate(token.certificate_der)
    except CardUnknownError:
        return None
    if not certificate.not_before <= token.time <= certificate.not_after:
        return None
    return _chains(outside.timestamp_authorities_der).find(certificate, token.certificates_der, token.time)


@functools.lru_cache(maxsize=4)
def _chains(authorities_der: tuple[bytes, ...]) -> Chains:
    return Chains(lambda: authorities_der, TrustTerms(test_root=True))
