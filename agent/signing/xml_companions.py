"""Signatures that a document holds already: they must not break by one more, nor hide anything from it."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from agent.signing.errors import DocumentRefusedError
from agent.signing.xml import Element
from agent.signing.xml_algorithms import XPATH, XPATH_FILTER
from agent.signing.xml_names import DS, ds

_LEAVES_OUT = {
    XPATH: re.compile(r"not\(ancestor-or-self::(\w+):Signature\)\Z"),
    XPATH_FILTER: re.compile(r"/(?:/|descendant::)(\w+):Signature\Z"),
}


_HIDES = etree.XPath(
    """
    boolean(
      *[not(self::ds:SignedInfo or self::ds:SignatureValue or self::ds:KeyInfo or self::ds:Object)]
      | ds:Object/*[not(
          self::ds:Manifest or self::ds:SignatureProperties
          or local-name() = 'QualifyingProperties' and starts-with(namespace-uri(), 'http://uri.etsi.org/01903/'))]
      | text()[normalize-space()]
      | ds:Object/text()[normalize-space()])
    """,
    namespaces={"ds": DS},
)


_OWN: Final = re.compile(
    r"http://www\.w3\.org/(2000/09/xmldsig#|2009/xmldsig11#|20[0-9/]+xmldsig-more#|2001/10/xml-exc-c14n#"
    r"|2002/06/xmldsig-filter2)|http://uri\.etsi\.org/01903/v[0-9.]+#"
)
"""Namespaces whose elements a signature is made of."""
_SAML: Final = "urn:oasis:names:tc:SAML:"


def hides_content(signature: Element) -> bool:
    """Whether anything stands in a signature that is not about signatures (XMLDSig, XAdES of any version)."""
    return bool(_HIDES(signature))


def find_foreign(part: Element) -> Element | None:
    """The first element of another vocabulary in a part of a signature: who looks for its name would find it."""
    return next(
        (each for each in part.iter(etree.Element) if not _OWN.fullmatch(etree.QName(each).namespace or "")), None
    )


def refuse_assertions(root: Element, name: str) -> None:
    """Raise DocumentRefusedError for a document that, signed, could log somebody in: assertions are asked for as such.

    Wherever in it one stands: signatures are left out of what is signed, so that one holds at any other place too.
    """
    if any((etree.QName(each).namespace or "").startswith(_SAML) for each in root.iter(etree.Element)):
        raise DocumentRefusedError("it holds an assertion (SAML), which is not signed as a document", name)


def refuse_companions(root: Element, name: str) -> None:
    """Raise DocumentRefusedError for a signature that a further one in the root would break or be blind for."""
    if root.tag == ds("Signature"):
        raise DocumentRefusedError("the document is itself a signature", name)
    for signature in root.iter(ds("Signature")):
        if hides_content(signature) or find_foreign(signature) is not None:
            raise DocumentRefusedError("it has a signature that holds content of its own", name)
        if any(_breaks(reference, root) for reference in signature.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}")):
            raise DocumentRefusedError("it has a signature that a further one in the document would break", name)


def _breaks(reference: Element, root: Element) -> bool:
    return _covers(reference.get("URI"), root) and not any(map(_leaves_out, reference.iter(ds("XPath"), _FILTER)))


_FILTER = f"{{{XPATH_FILTER}}}XPath"


def _covers(uri: str | None, root: Element) -> bool:
    """Whether the root is what is signed; of a pointer that is not understood, it is assumed."""
    if uri is None or uri == "" or uri.startswith("#xpointer"):
        return True
    return uri.startswith("#") and uri[1:] in root.attrib.values()


def _leaves_out(xpath: Element) -> bool:
    """Whether it takes all signatures out of what is signed."""
    algorithm = xpath.getparent().get("Algorithm")
    expression = re.sub(r"\s+", "", xpath.text or "")
    found = _LEAVES_OUT[algorithm].match(expression) if algorithm in _LEAVES_OUT else None
    if found is None or xpath.nsmap.get(found[1]) != DS:
        return False
    return bool(algorithm == XPATH or xpath.get("Filter") == "subtract")
