"""Which profile a signature is of: the DMP's submission set, and assertions about who is asking (SAML 2.0)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from agent.signing.verification.xml.references import Source
from agent.signing.verification.xml.shape import Signature
from agent.signing.xml import Element
from agent.signing.xml_names import DS, SECURITY, SOAP, ds, saml

ASSERTION: Final = saml("Assertion")
SOAPS: Final = (SOAP, "http://schemas.xmlsoap.org/soap/envelope/")
MANIFEST: Final = DS + "Manifest"


class Profile(StrEnum):
    """The words of the API."""

    SUBMISSION = "dmp-submission"
    VIHF = "vihf"
    INSI = "insi"
    SAML = "saml"


OLD: Final = frozenset({Profile.SUBMISSION, Profile.VIHF})
"""Those whose own documents still name SHA-1."""


def find_profile(signature: Signature, source: Source, namespace: str | None, dmp: str) -> Profile | None:
    """By the shape of the document alone; whether it is signed as the profile says is looked at later."""
    if signature.element is source.root:
        kinds = {reference.type for reference in signature.references}
        is_submission = namespace == dmp and kinds == {MANIFEST, f"{dmp}SignedProperties"}
        return Profile.SUBMISSION if is_submission else None
    parent = signature.element.getparent()
    return _assertion_profile(parent) if parent is not None and parent.tag == ASSERTION else None


def _assertion_profile(assertion: Element) -> Profile:
    names = {element.get("Name") for element in assertion.iter(saml("Attribute"))}
    if "VIHF_Version" in names:
        return Profile.VIHF
    subject = assertion.find(f"{saml('Subject')}/{saml('NameID')}")
    is_insi = subject is not None and subject.get("NameQualifier") == "CPS"
    return Profile.INSI if is_insi else Profile.SAML


def is_only_assertion(assertion: Element, source: Source) -> bool:
    """Whether nobody could take another for it: the only one of the document, at its root or in its security header."""
    assertions = [each for each in source.root.iter() if _local(each) == "Assertion"]
    signatures = list(source.root.iter(ds("Signature")))
    if assertions != [assertion] or len(signatures) != 1:
        return False
    return assertion is source.root or _is_in_header(assertion, source)


def _is_in_header(assertion: Element, source: Source) -> bool:
    path = [assertion, *assertion.iterancestors()]
    tags = [each.tag for each in path[1:]]
    shapes = [[f"{{{SECURITY}}}Security", f"{{{soap}}}Header", f"{{{soap}}}Envelope"] for soap in SOAPS]
    return tags in shapes and path[-1] is source.root


def _local(element: Element) -> str | None:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else None
