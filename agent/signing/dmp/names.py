"""Distinguished names as the DMP reads them."""

from __future__ import annotations

from agent.signing.xml_elements import is_xml_text
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.names import Name


def read_certificate(der: bytes) -> Certificate:
    """Parse as loosely as a card is read: the subject's order is kept even where DER would have another."""
    return parse_certificate(der)


def write_name(name: Name) -> str:
    """The form of RFC 2253 that the DMP's samples have: attributes beyond its own list by OID and in hexadecimal."""
    return name.rfc2253(is_xml_text)
