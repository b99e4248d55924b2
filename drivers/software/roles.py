"""What a software certificate is for: the offers of IGC-Santé, by KeyUsage and extended key usage.

No published table ties its policy identifiers to offers, so they decide nothing here.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from enum import StrEnum

from drivers.base import KeyRole
from drivers.card.extensions import DATA_ENCIPHERMENT, DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, NON_REPUDIATION

OID_SERVER_AUTH, OID_CLIENT_AUTH, OID_EMAIL_PROTECTION = (f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2, 4))
KEY_AGREEMENT = 4
ENCIPHERMENT = frozenset({KEY_ENCIPHERMENT, DATA_ENCIPHERMENT, KEY_AGREEMENT})


class Role(StrEnum):
    """An offer of IGC-Santé, as its platform spells them."""

    AUTH_CLI = "AUTH_CLI"
    SIGN = "SIGN"
    CONF = "CONF"
    SSL_SERV = "SSL_SERV"
    S_MIME = "S/MIME"

    @property
    def lends(self) -> KeyRole | None:
        """What a key of that role is lent as; None for one that the agent lends to nobody."""
        return {Role.AUTH_CLI: KeyRole.AUTHENTICATION, Role.SIGN: KeyRole.SIGNATURE}.get(self)


def find_role(usage: AbstractSet[int] | None, purposes: AbstractSet[str] | None) -> Role | None:
    """The role of bits of KeyUsage and purposes, either None where there is no such extension (RFC 5280 §4.2.1).

    None for what fits no role, or does not say: it is unknown, and nothing is made of it. A server's key is a
    server's, whatever else it may do.
    """
    if usage is None:
        return None
    purposes = purposes or frozenset()
    signs, commits, enciphers = DIGITAL_SIGNATURE in usage, NON_REPUDIATION in usage, bool(ENCIPHERMENT & usage)
    if OID_SERVER_AUTH in purposes:
        return Role.SSL_SERV
    if commits:
        return Role.SIGN if OID_CLIENT_AUTH not in purposes else None
    if OID_CLIENT_AUTH in purposes:
        return Role.AUTH_CLI if signs else None
    if signs:
        return Role.S_MIME if enciphers and OID_EMAIL_PROTECTION in purposes else None
    return Role.CONF if enciphers else None
