"""From a certificate up to somebody who is believed: found as for cards, then held against all of RFC 5280 §6.1."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from asn1crypto import x509
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import PathValidationError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule
from pyhanko_certvalidator.validate import async_validate_path

from agent.certificates.chains import find_chain
from agent.certificates.damage import is_altered_copy, is_damaged
from agent.certificates.issuers import is_self_issued
from agent.signing.synchronous import run
from agent.signing.verification.carried import parse_certificates
from agent.signing.verification.messages import Trust
from drivers.card.certificate import Certificate

MAX_LENT: Final = 24
"""Certificates of one signature that are looked at as links."""
NOT_HERE: Final = CertRevTrustPolicy(
    RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
)
"""Revocation is looked at apart: see `revocations`."""
Chain = tuple[Certificate, ...]


@dataclass
class Paths:
    """Ways to those whom `trust` names. `is_known`: given to this workstation, not by the signature."""

    trust: Trust

    def find_signers(self, certificate: Certificate, lent_der: Iterable[bytes], at: datetime) -> Chain | None:
        """Issuers from the certificate's own up to a root, each valid then; None where there is no such way."""
        return self._find(certificate, self.trust.authorities.roots_der, lent_der, at)

    def find_stampers(self, certificate: Certificate, lent_der: Iterable[bytes], at: datetime) -> Chain | None:
        """The same for a time-stamp authority, which may have a root of its own."""
        return self._find(certificate, self._stampers_roots_der, lent_der, at)

    def is_known(self, authority: Certificate) -> bool:
        """Whether it was given to this workstation, not brought by the signature."""
        return authority.der in self._known_der

    def refutes(self, certificate_der: bytes) -> bool:
        """Whether its bytes were altered: a known issuer has not signed it, or it is a known one but for some bytes."""
        copies = parse_certificates([certificate_der])
        return is_damaged(certificate_der, self._known) or any(is_altered_copy(each, self._known) for each in copies)

    def is_barren(self, chain: Chain) -> bool:
        """Whether nobody tells of revocations there: the test root of this data folder."""
        return chain[-1].der in self.trust.authorities.barren_der

    @cached_property
    def _known(self) -> list[Certificate]:
        authorities = self.trust.authorities
        return parse_certificates((*authorities.roots_der, *authorities.links_der, *self.trust.stamping_der))

    @cached_property
    def _known_der(self) -> frozenset[bytes]:
        return frozenset(each.der for each in self._known)

    @cached_property
    def _stampers_roots_der(self) -> tuple[bytes, ...]:
        """Of those named for them the self-issued ones; the others are links."""
        named = filter(is_self_issued, parse_certificates(self.trust.stamping_der))
        return (*self.trust.authorities.roots_der, *(each.der for each in named))

    def _find(
        self, certificate: Certificate, roots: tuple[bytes, ...], lent_der: Iterable[bytes], at: datetime
    ) -> Chain | None:
        lent = parse_certificates(list(dict.fromkeys(lent_der))[:MAX_LENT])
        chain = find_chain(certificate, [*self._known, *lent], roots, at)
        return chain if chain is not None and _holds(certificate, chain, at) else None


def _holds(certificate: Certificate, chain: Chain, at: datetime) -> bool:
    """Whether constraints on names and policies and critical extensions are met too.

    Its own dates are not looked at: they are a reason of their own.
    """
    *between, root = (x509.Certificate.load(each.der) for each in chain)
    leaf = x509.Certificate.load(certificate.der)
    path = ValidationPath(CertTrustAnchor(root), list(reversed(between)), leaf)
    moment = min(max(at, certificate.not_before), certificate.not_after)
    context = ValidationContext(
        trust_roots=[root],
        moment=moment,
        best_signature_time=moment,
        allow_fetching=False,
        revinfo_policy=NOT_HERE,
        time_tolerance=timedelta(0),
    )
    try:
        run(async_validate_path(context, path))
    except (PathValidationError, ValueError, TypeError, KeyError):
        return False
    return True
