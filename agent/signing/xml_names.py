"""Namespaces of what is signed and verified in XML, and names in them as lxml writes them."""

from __future__ import annotations

from typing import Final

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
"""Type of the reference to them, whatever the version (EN 319 132-1 §4.4.2)."""
ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
ODF: Final = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
SECURITY: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
SOAP: Final = "http://www.w3.org/2003/05/soap-envelope"
XML: Final = "http://www.w3.org/XML/1998/namespace"
XS: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"


def ds(name: str) -> str:
    """A name of XMLDSig."""
    return f"{{{DS}}}{name}"


def saml(name: str) -> str:
    """A name of SAML 2.0 assertions."""
    return f"{{{SAML}}}{name}"


def xades(name: str) -> str:
    """A name of XAdES 1.3.2."""
    return f"{{{XADES}}}{name}"
