"""Chains from a certificate to a root, built from what this workstation has: nothing is ever fetched for them.

Roots are IGC-Santé's, pinned; those of test domains that the settings name; and, where the settings trust it, the test
root of this data folder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from agent.certificates.anchors import igc_sante
from agent.certificates.authority_files import read_authorities
from agent.certificates.issuers import is_self_issued, may_have_issued, may_issue
from drivers.card.certificate import Certificate, parse_certificate
from drivers.errors import CardUnknownError

MAX_LENGTH = 4
MAX_CHECKS = 32
"""Signatures looked at for one chain: authorities that issue one another in a maze end the search, not the agent."""
MAX_LENT, MAX_KEPT, MAX_NOT_LENT = 16, 64, 256
"""Authorities looked at of one token, and kept of all."""


@dataclass(frozen=True, slots=True)
class TrustTerms:
    """What the settings add. `intermediates` link a certificate to a root and are never roots themselves."""

    test_root: bool = False
    test_authorities: tuple[Path, ...] = ()
    intermediates: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who is believed, in DER: roots; links to them; and those of the roots that revoke nothing."""

    roots_der: tuple[bytes, ...] = ()
    links_der: tuple[bytes, ...] = ()
    barren_der: tuple[bytes, ...] = ()


class Chains:
    """Known authorities; `test_authorities_der` gives those of this data folder, asked for at each search."""

    def __init__(
        self, test_authorities_der: Callable[[], Iterable[bytes]] = tuple, terms: TrustTerms | None = None
    ) -> None:
        self._test_authorities_der = test_authorities_der
        self._terms = terms or TrustTerms()
        self._lent: dict[bytes, Certificate] = {}
        self._not_lent: set[bytes] = set()

    def lend(self, authorities_der: Iterable[bytes]) -> None:
        """Use authorities that a token holds as links from now on; those that lead to no root are not kept.

        All of them share the limit of one search: keys in them may be made to take long.
        """
        known = self._lent.keys() | self._not_lent
        new = [der for der in islice(authorities_der, MAX_LENT) if der not in known]
        if new and len(self._lent) < MAX_KEPT:
            self._keep(new)

    def _keep(self, new: list[bytes]) -> None:
        """Keep those that lead to a root. Whatever does not is looked at anew once there is another link."""
        search = self._search(new, datetime.now(UTC))
        found = [authority for authority in _parse(new) if search.climb(authority, ()) is not None]
        self._lent |= {authority.der: authority for authority in found[: MAX_KEPT - len(self._lent)]}
        if found or len(self._not_lent) > MAX_NOT_LENT:
            self._not_lent = set()
        self._not_lent |= set(new) - self._lent.keys()

    def find(
        self, certificate: Certificate, lent_der: Iterable[bytes] = (), now: datetime | None = None
    ) -> tuple[bytes, ...] | None:
        """DER of the issuers from the certificate's own up to the root; None when no root is reached.

        `lent_der`: authorities to use besides, for this once. Each issuer is one that may issue, now unless said
        otherwise.
        """
        chain = self._search(lent_der, now or datetime.now(UTC)).climb(certificate, ())
        return None if chain is None else tuple(authority.der for authority in chain)

    def _search(self, lent_der: Iterable[bytes], now: datetime) -> _Search:
        anchors = self._anchors()
        roots = {authority.der for authority in anchors if is_self_issued(authority)}
        return _Search([*anchors, *self._intermediates, *self._lent.values(), *_parse(lent_der)], roots, now)

    def list_authorities(self) -> Authorities:
        """Everybody who counts in `find`, for a process that has to judge by the same."""
        known = [*self._anchors(), *self._intermediates, *self._lent.values()]
        roots = tuple(each.der for each in self._anchors() if is_self_issued(each))
        links = tuple(each.der for each in known if each.der not in roots)
        return Authorities(roots, links, tuple(self._test_authorities_der()))

    def is_of_test_root(self, chain_der: tuple[bytes, ...]) -> bool:
        """Whether a chain ends at the test root that this data folder made, which revokes nothing."""
        return bool(chain_der) and chain_der[-1] in tuple(self._test_authorities_der())

    def refutes(self, certificate_der: bytes) -> bool:
        """Whether a known issuer has not signed this: its bytes are damaged."""
        from agent.certificates.damage import is_damaged  # noqa: PLC0415 - at the first card

        return is_damaged(certificate_der, [*igc_sante().authorities, *self._made_here()])

    def _anchors(self) -> tuple[Certificate, ...]:
        made_here = self._made_here() if self._terms.test_root else ()
        return (*igc_sante().authorities, *made_here, *self._test_authorities)

    def _made_here(self) -> tuple[Certificate, ...]:
        return tuple(map(parse_certificate, self._test_authorities_der()))

    @functools.cached_property
    def _test_authorities(self) -> tuple[Certificate, ...]:
        return read_authorities(self._terms.test_authorities)

    @functools.cached_property
    def _intermediates(self) -> tuple[Certificate, ...]:
        return read_authorities(self._terms.intermediates)


def find_chain(
    certificate: Certificate, known: Iterable[Certificate], roots_der: Iterable[bytes], at: datetime
) -> tuple[Certificate, ...] | None:
    """The issuers of a certificate among those known, from its own up to a root; None when no root is reached."""
    return _Search(list(known), set(roots_der), at).climb(certificate, ())


class _Search:
    """One search upwards, with a limit to what it looks at."""

    def __init__(self, known: list[Certificate], roots: set[bytes], now: datetime) -> None:
        self._known = known
        self._roots = roots
        self._now = now
        self._checks_left = MAX_CHECKS

    def climb(self, subject: Certificate, below: tuple[Certificate, ...]) -> tuple[Certificate, ...] | None:
        """Give the issuers from the subject's own to a root, after those that stand below."""
        if len(below) == MAX_LENGTH:
            return None
        for issuer in self._issuers(subject, below):
            chain = (*below, issuer)
            found = chain if issuer.der in self._roots else self.climb(issuer, chain)
            if found is not None:
                return found
        return None

    def _issuers(self, subject: Certificate, below: tuple[Certificate, ...]) -> Iterator[Certificate]:
        """Those that may have issued the subject, and did. An authority stands in a chain once."""
        from drivers.card.issuing import is_issued  # noqa: PLC0415 - at the first card

        between = sum(not is_self_issued(authority) for authority in below)  # RFC 5280 §4.2.1.9
        for authority in self._known:
            fits = may_have_issued(authority, subject) and may_issue(authority, between, self._now)
            if fits and authority not in below and self._checks_left:
                self._checks_left -= 1
                if is_issued(subject, authority):
                    yield authority


def _parse(lent_der: Iterable[bytes]) -> Iterator[Certificate]:
    """Authorities of a token: one that cannot be read is as good as absent."""
    for der in islice(lent_der, MAX_LENT):
        try:
            yield parse_certificate(der)
        except CardUnknownError:
            continue
