"""Who is believed, and what is known of each certificate: chains, states and the watch on revocations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from agent.certificates.chains import Chains, TrustTerms
from agent.certificates.revocation.checker import Checker
from agent.certificates.revocation.memory import Verdicts
from agent.certificates.revocation.verdict import Reason
from agent.certificates.revocation.watch import RevocationTerms, RevocationWatch
from agent.certificates.states import CertificateStates
from agent.children import child_command
from agent.settings import Settings

FOLDER: Final = "revocation"


@dataclass(frozen=True, slots=True)
class Trust:
    """The parts that others use."""

    chains: Chains
    states: CertificateStates
    watch: RevocationWatch

    def knows_issuer(self, certificate_der: bytes) -> bool:
        """Whether a certificate leads to a known root; one that cannot be read leads nowhere."""
        return self.states.find(certificate_der).revocation.reason not in (Reason.ISSUER_UNKNOWN, Reason.UNREADABLE)


def open_trust(settings: Settings, test_root_der: Callable[[], Iterable[bytes]]) -> Trust:
    """Put together what the settings allow; with `revocation` off nobody is ever asked."""
    terms = TrustTerms(
        test_root=settings.trust_test_cards or settings.virtual or settings.unattended,
        test_authorities=settings.test_authorities,
        intermediates=settings.intermediate_authorities,
    )
    chains, folder = Chains(test_root_der, terms), settings.data_dir / FOLDER
    verdicts = Verdicts(folder)
    verdicts.load()
    states = CertificateStates(chains, verdicts.find, revocation=settings.revocation)
    asked = RevocationTerms(settings.revocation_hosts if settings.revocation else (), folder)
    return Trust(
        chains, states, RevocationWatch(chains, states, verdicts, Checker(child_command("_revocation")), asked)
    )
