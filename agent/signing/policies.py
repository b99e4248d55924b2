"""How a signature policy is named: by an OID, plain or as a URN (RFC 3061), or by another URI (RFC 3986)."""

from __future__ import annotations

import re
from typing import Final

from agent.signing.errors import TermsRefusedError
from agent.signing.preparation import Policy

URN_OID: Final = "urn:oid:"
REFUSAL: Final = "a policy is named by an OID, as 1.2.3 or urn:oid:1.2.3, or (but in CMS and CAdES) by another URI"

_ARC: Final = r"(?:0|[1-9][0-9]{0,38})"  # 39 digits: the largest UUID (X.667)
_OID: Final = re.compile(rf"(?:{URN_OID})?((?:[01]\.[1-3]?[0-9]|2\.{_ARC})(?:\.{_ARC})*)")
"""Below the arcs 0 and 1 there are 40: DER has no others (X.690 §8.19.4)."""
_URI: Final = re.compile(rf"(?!(?i:{URN_OID}))[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{{|}}]+")


def read_oid(policy: Policy) -> str:
    """The OID, plain. Raises TermsRefusedError where the policy is named otherwise."""
    found = _OID.fullmatch(policy.identifier)
    if found is None:
        raise TermsRefusedError(REFUSAL)
    return found[1]


def read_uri(policy: Policy) -> str:
    """The name as a URI: `urn:oid:…` for an OID. Raises TermsRefusedError where it is neither."""
    if _URI.fullmatch(policy.identifier):
        return policy.identifier
    return f"{URN_OID}{read_oid(policy)}"
