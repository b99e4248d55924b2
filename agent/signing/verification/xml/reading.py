"""From bytes to findings: each ds:Signature of a document, checked part by part, the cheapest refusals first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from lxml import etree

from agent.signing.errors import DocumentRefusedError
from agent.signing.signeddata import SignatureFaultError
from agent.signing.verification.carried import require_undamaged
from agent.signing.verification.findings import Evidence, Finding, Reason, UnreadableError
from agent.signing.verification.xml.algorithms import require_method
from agent.signing.verification.xml.coverage import find_covered
from agent.signing.verification.xml.faults import XmlFaultError
from agent.signing.verification.xml.keys import find_signer
from agent.signing.verification.xml.manifests import check_manifests
from agent.signing.verification.xml.profiles import OLD, Profile, find_profile
from agent.signing.verification.xml.properties import DMP, Properties, find_qualifying, is_of_xades, read_properties
from agent.signing.verification.xml.references import Resolver, Source, require_holds
from agent.signing.verification.xml.shape import Signature, read_signature
from agent.signing.words import Format
from agent.signing.xml import Element, parse_xml
from agent.signing.xml_algorithms import RSA_SHA1, SHA1
from agent.signing.xml_names import ds

MAX_SIGNATURES: Final = 50
_ENCODING: Final = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^>]{0,200}?\sencoding\s*=\s*[\"']([^\"'>]+)")


def read_document(
    content: bytes, resolve: Resolver, container: str | None = None, *, is_given: bool = False
) -> list[Finding]:
    """Check every signature that is not part of what another one holds. `container`: a root that only holds signatures.

    `is_given`: the caller gave a document besides; a signature that names none is not valid then. Raises
    UnreadableError.
    """
    declared = _ENCODING.match(content)
    if declared and not (declared[1].isupper() or declared[1].islower()):
        raise UnreadableError("an encoding in mixed letters: nothing signs how its name is written")
    try:
        root = parse_xml(content)
    except DocumentRefusedError as error:
        raise UnreadableError(str(error)) from error
    source = Source(content, root, resolve)
    elements = [each for each in root.iter(ds("Signature")) if not _is_held(each)]
    if len(elements) > MAX_SIGNATURES:
        raise UnreadableError(f"more than {MAX_SIGNATURES} signatures")
    return [_read_one(_Check(each, source, container, is_given)) for each in elements]


def _is_held(element: Element) -> bool:
    return any(ancestor.tag == ds("Signature") for ancestor in element.iterancestors())


def _read_one(check: _Check) -> Finding:
    is_xades = any(map(is_of_xades, check.element.iterfind(f"{ds('Object')}/*")))
    finding = Finding(Format.XADES if is_xades else Format.XMLDSIG)
    try:
        with _faults():
            check.run()
    except XmlFaultError as error:
        return replace(finding, **(check.told() | {"reason": error.reason, "hint": str(error)}))
    return replace(finding, **check.told())


@contextmanager
def _faults() -> Iterator[None]:
    """What the reading of XML refuses is a fault of the signature."""
    try:
        yield
    except DocumentRefusedError as error:
        raise XmlFaultError(Reason.MALFORMED, str(error)) from error
    except SignatureFaultError as error:
        raise XmlFaultError(error.reason, f"what it carries: {error}") from error


@dataclass
class _Check:
    """One signature, and what is known of it so far."""

    element: Element
    source: Source
    container: str | None
    is_given: bool
    profile: Profile | None = None
    signer_der: bytes | None = None
    names: tuple[str, ...] = ()
    signature: Signature | None = None
    properties: Properties | None = None
    hint: str = ""

    def run(self) -> None:
        """Check everything. Raises XmlFaultError with what is wrong first."""
        self.signature = signature = read_signature(self.element)
        qualifying = find_qualifying(signature)
        namespace = None if qualifying is None else etree.QName(qualifying).namespace
        self.profile = find_profile(signature, self.source, namespace, DMP)
        self.source.old, self.source.looked_outside = self.profile in OLD, False
        require_method(signature.method, old=self.source.old)
        self.signer_der = find_signer(signature)
        absent = self._check_references(signature)
        listed = check_manifests(signature, self.source, self.profile)
        if self.is_given and not self.source.looked_outside:
            raise XmlFaultError(
                Reason.NOT_COVERED, "the signature says nothing about the document that is given with it"
            )
        covered = find_covered(signature, self.source, self.profile, stands_alone=self._stands_alone)
        self.names = tuple(dict.fromkeys(listed or covered))
        if qualifying is not None:
            self.properties = read_properties(qualifying, signature, self.signer_der, self.source)
        require_undamaged(self.evidence, [self.signer_der], self.properties.stamps if self.properties else ())
        if absent is not None:
            raise absent
        self.hint = "; ".join(self._notes(signature))

    def _notes(self, signature: Signature) -> Iterator[str]:
        """What a developer should know of a signature that holds."""
        if self.profile is Profile.SUBMISSION and not self.is_given:
            yield "the documents were not given: what holds is the list of their hashes"
        elif self.profile not in (None, Profile.SUBMISSION) and self.element.getparent() is not self.source.root:
            yield "the assertion is signed, the message around it is not"
        methods = {signature.method, *(reference.digest_method for reference in signature.references)}
        if methods & {SHA1, RSA_SHA1}:
            yield "SHA-1, which this profile still demands"

    @property
    def _stands_alone(self) -> bool:
        parent = self.element.getparent()
        return parent is None or (parent is self.source.root and parent.tag == self.container)

    def _check_references(self, signature: Signature) -> XmlFaultError | None:
        """Every hash holds, but those of documents that are not given: the last of these is told in the end."""
        absent = None
        for reference in signature.references:
            try:
                require_holds(reference, signature, self.source)
            except XmlFaultError as error:
                if error.reason is not Reason.CONTENT_ABSENT:
                    raise
                absent = error
        return absent

    def told(self) -> dict[str, Any]:
        """What a finding says of it."""
        told: dict[str, Any] = {
            "certificate_der": self.signer_der,
            "names": self.names,
            "hint": self.hint,
            "profile": self.profile and str(self.profile),
            "evidence": self.evidence,
        }
        if self.properties is not None:
            told |= {
                "level": self.properties.level,
                "claimed_at": self.properties.claimed_at,
                "stamps": self.properties.stamps,
            }
        return told

    @property
    def evidence(self) -> Evidence:
        """What the properties have, with the certificates besides the signer's."""
        carried = () if self.signature is None else self.signature.certificates_der
        others = tuple(der for der in carried if der != self.signer_der)
        if self.properties is None:
            return Evidence(certificates_der=others)
        brought = self.properties.evidence
        return replace(brought, certificates_der=(*others, *brought.certificates_der))
