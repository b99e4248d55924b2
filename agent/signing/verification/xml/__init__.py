"""Signatures in XML: XML-DSig (W3C, 1.1), XAdES (ETSI EN 319 132-1, and 1.1.1 as the DMP has it), SAML assertions.

`reading` finds signatures and checks each: `shape` what a ds:Signature looks like, strictly; `algorithms` which are
taken; `references` what is hashed, `manifests` lists of it; `keys` who signed; `coverage` whether what is signed is
what a person takes for the document; `properties` what XAdES adds; `profiles` which French profile it is; `faults`
why not.
Nothing but these shapes is read: transforms that compute (XPath, XSLT), addresses and keys to be fetched, and
algorithms of no list are refused.
"""

from __future__ import annotations

from agent.signing.verification.findings import Finding
from agent.signing.verification.xml.reading import read_document

__all__ = ["read_signatures"]


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Find and check every ds:Signature; none is an empty list. `detached`: what a reference to the outside names.

    Raises UnreadableError.
    """
    return read_document(content, lambda _: detached, is_given=detached is not None)
