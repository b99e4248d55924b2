"""Where a certificate says that its revocation is told: OCSP responders and CRLs (RFC 5280 §4.2.2.1 and §4.2.1.13).

These are claims of the certificate: nothing is fetched from a host that the settings do not name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drivers.card.certificate import Certificate
from drivers.card.der import TAG_OID, TAG_SEQUENCE, Elements, read_oid, read_whole
from drivers.errors import CardUnknownError

OID_AUTHORITY_ACCESS, OID_DISTRIBUTION_POINTS = "1.3.6.1.5.5.7.1.1", "2.5.29.31"
OID_OCSP = "1.3.6.1.5.5.7.48.1"
URI, DISTRIBUTION_POINT, FULL_NAME = 0x86, 0xA0, 0xA0
MAX_ENTRIES = 8
MAX_URL = 1024
SCHEMES = ("http://", "https://")
"""LDAP, which IGC-Santé names besides, is left aside: the same list is published over HTTP."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs, in the order of the certificate."""

    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ocsp or self.crl)


def read_addresses(certificate: Certificate) -> Addresses:
    """Read both extensions; what cannot be read names nothing."""
    return Addresses(
        tuple(_read(certificate.extensions.get(OID_AUTHORITY_ACCESS), _ocsp_urls)),
        tuple(_read(certificate.extensions.get(OID_DISTRIBUTION_POINTS), _crl_urls)),
    )


def _read(content: bytes | None, find: Callable[[bytes], Iterator[str]]) -> list[str]:
    try:
        return [] if content is None else list(find(content))
    except (CardUnknownError, UnicodeDecodeError):
        return []


def _ocsp_urls(content: bytes) -> Iterator[str]:
    for description in _entries(content, "an authority information access"):
        if read_oid(description.take(TAG_OID).value) == OID_OCSP:
            yield from _url(description)


def _crl_urls(content: bytes) -> Iterator[str]:
    for point in _entries(content, "distribution points"):
        name = point.take_if(DISTRIBUTION_POINT)
        full = Elements(name.value, "a distribution point").take_if(FULL_NAME) if name else None
        names = Elements(full.value if full else b"", "a distribution point")
        while not names.ended:
            yield from _url(names)


def _entries(content: bytes, what: str) -> Iterator[Elements]:
    outer = Elements(read_whole(content, TAG_SEQUENCE, what).value, what)
    for entry in outer.take_all(TAG_SEQUENCE, MAX_ENTRIES):
        yield Elements(entry.value, what)


def _url(names: Elements) -> Iterator[str]:
    """The next general name, if it is a URL of a scheme that is spoken here."""
    name = names.take_any()
    text = name.value[:MAX_URL].decode("ascii") if name.tag == URI else ""
    if text.lower().startswith(SCHEMES):
        yield text
