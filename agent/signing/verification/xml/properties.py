"""What XAdES adds to a signature (EN 319 132-1 §5; TS 101 903 V1.1.1 for the DMP): who, when, and what others say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from lxml import etree

from agent.signing.signeddata import SignatureFaultError
from agent.signing.tokens import read_stamp
from agent.signing.verification.findings import Evidence, Reason, Stamp
from agent.signing.verification.xml.algorithms import digest
from agent.signing.verification.xml.faults import XmlFaultError, malformed
from agent.signing.verification.xml.references import Source
from agent.signing.verification.xml.shape import Signature, children_of, read_base64, require_attributes, text_of
from agent.signing.words import Level
from agent.signing.xml import C14n, Element, canonicalise
from agent.signing.xml_names import SIGNED_PROPERTIES, XADES, ds

FAMILY: Final = "http://uri.etsi.org/01903/"
DMP: Final = FAMILY + "v1.1.1#"
TYPES: Final = {
    XADES: SIGNED_PROPERTIES,
    DMP: DMP + "SignedProperties",
}
MAX_PARTS: Final = 64
"""Time-stamps, certificates, lists and answers of one signature that are read, of each."""


@dataclass(frozen=True, slots=True)
class Properties:
    """`namespace`: the version. Every stamp holds; nothing else that others say is believed yet."""

    namespace: str
    claimed_at: datetime | None = None
    stamps: tuple[Stamp, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def level(self) -> Level | None:
        """The highest whose parts are there; a level is defined for the current version alone."""
        if self.namespace != XADES:
            return None
        if not self.stamps:
            return Level.B
        return Level.LT if self.evidence.crls_der or self.evidence.ocsps_der else Level.T


def find_qualifying(signature: Signature) -> Element | None:
    """The QualifyingProperties in the Objects of a signature. Raises XmlFaultError for several, or another version."""
    found = [child for each in signature.objects for child in each if is_of_xades(child)]
    if not found:
        return None
    if len(found) > 1 or etree.QName(found[0]).localname != "QualifyingProperties":
        raise malformed("a signature has one QualifyingProperties of its own")
    if etree.QName(found[0]).namespace not in (XADES, DMP):
        raise malformed("a version of XAdES that is not read")
    qualifying: Element = found[0]
    return qualifying


def is_of_xades(element: Element) -> bool:
    """Whether it is an element of some version of XAdES."""
    return isinstance(element.tag, str) and element.tag.startswith(f"{{{FAMILY}")


def read_properties(qualifying: Element, signature: Signature, signer_der: bytes, source: Source) -> Properties:
    """Read them once every reference holds. Raises XmlFaultError when they are not signed, or of another signer."""
    namespace = str(etree.QName(qualifying).namespace)
    if any(not isinstance(each.tag, str) for each in qualifying.iter()):
        raise malformed("a comment or instruction in QualifyingProperties")
    require_attributes(qualifying, ("Id", "Target"))
    if signature.id is None or qualifying.get("Target") != f"#{signature.id}":
        raise malformed("QualifyingProperties of another signature")
    signed, unsigned = _split(qualifying, namespace)
    _require_signed(signed, signature, source, TYPES[namespace])
    _check_formats(signed, namespace, signature, source)
    parts = signed.find(f"{{{namespace}}}SignedSignatureProperties")
    if parts is None:
        raise malformed("SignedProperties without SignedSignatureProperties")
    _require_signer(parts, namespace, signer_der, old=source.old)
    others = [] if unsigned is None else list(unsigned.iter())
    return Properties(
        namespace,
        _read_time(parts.find(f"{{{namespace}}}SigningTime")),
        tuple(_read_stamps(others, namespace, signature)),
        Evidence(
            certificates_der=_read_all(others, "EncapsulatedX509Certificate"),
            crls_der=_read_all(others, "EncapsulatedCRLValue"),
            ocsps_der=_read_all(others, "EncapsulatedOCSPValue"),
        ),
    )


def _split(qualifying: Element, namespace: str) -> tuple[Element, Element | None]:
    children = children_of(qualifying)
    names = [child.tag for child in children]
    expected = [f"{{{namespace}}}SignedProperties", f"{{{namespace}}}UnsignedProperties"]
    if not names or names != expected[: len(names)]:
        raise malformed("QualifyingProperties has SignedProperties, then UnsignedProperties")
    return children[0], children[1] if len(children) > 1 else None


def _require_signed(signed: Element, signature: Signature, source: Source, kind: str) -> None:
    typed = [reference for reference in signature.references if reference.type == kind]
    if len(typed) != 1 or typed[0].uri in ("", "#") or source.find(typed[0].uri) is not signed:
        raise XmlFaultError(Reason.NOT_COVERED, "the SignedProperties are not signed")
    if typed[0].decoded or typed[0].enveloped or typed[0].no_signatures:
        raise malformed("the SignedProperties are signed as something else")


def _check_formats(signed: Element, namespace: str, signature: Signature, source: Source) -> None:
    """The attributes of an Object are signed with it, but not where it is decoded: then DataObjectFormat says them."""
    for reference in signature.references:
        told = source.find(reference.uri).get("MimeType") if reference.decoded else None
        path = f".//{{{namespace}}}DataObjectFormat[@ObjectReference='#{reference.id}']/{{{namespace}}}MimeType"
        said = signed.findtext(path) if told is not None and reference.id and "'" not in reference.id else None
        if told is not None and said != told:
            raise XmlFaultError(Reason.NOT_COVERED, "the media type of an Object is not the one that is signed")


def _require_signer(parts: Element, namespace: str, signer_der: bytes, *, old: bool) -> None:
    """One of the certificates named is the signer's (§5.2.2)."""
    named = [
        cert
        for name in ("SigningCertificate", "SigningCertificateV2")
        for group in parts.iterfind(f"{{{namespace}}}{name}")
        for cert in group.iterfind(f"{{{namespace}}}Cert/{{{namespace}}}CertDigest")
    ]
    if not named:
        raise malformed("no SigningCertificate")
    if not any(_names(cert, namespace, signer_der, old=old) for cert in named[:MAX_PARTS]):
        raise XmlFaultError(Reason.SIGNATURE_WRONG, "SigningCertificate names another certificate than KeyInfo")


def _names(cert_digest: Element, namespace: str, signer_der: bytes, *, old: bool) -> bool:
    """The DMP's version has DigestMethod and DigestValue in its own namespace."""
    parts = {etree.QName(child).localname: child for child in children_of(cert_digest)}
    spaces = {etree.QName(child).namespace for child in cert_digest}
    if parts.keys() != {"DigestMethod", "DigestValue"} or not spaces <= {ds("")[1:-1], namespace}:
        raise malformed("a CertDigest of another form")
    method = parts["DigestMethod"].get("Algorithm", "")
    return digest(method, signer_der, old=old) == read_base64(parts["DigestValue"])


def _read_time(element: Element | None) -> datetime | None:
    """What the signer says; a time without its zone says nothing."""
    if element is None:
        return None
    try:
        moment = datetime.fromisoformat(text_of(element))
    except ValueError as error:
        raise malformed("a SigningTime of another form") from error
    return moment if moment.tzinfo is not None else None


def _read_stamps(others: list[Element], namespace: str, signature: Signature) -> Iterator[Stamp]:
    """SignatureTimeStamps (§5.3), over the canonical SignatureValue. One that does not hold is a fault."""
    stamps = [element for element in others if element.tag == f"{{{namespace}}}SignatureTimeStamp"]
    for element in stamps[:MAX_PARTS]:
        content = canonicalise(signature.value_element, _form_of(element))
        for token in element.iterfind(f"{{{namespace}}}EncapsulatedTimeStamp"):
            try:
                yield read_stamp(read_base64(token), content)
            except SignatureFaultError as error:
                raise XmlFaultError(error.reason, f"a time-stamp: {error}") from error


def _form_of(stamp: Element) -> C14n:
    """The canonical form that a time-stamp is over; the inclusive one where none is named."""
    named = stamp.find(ds("CanonicalizationMethod"))
    if named is None:
        return C14n.INCLUSIVE
    try:
        return C14n(named.get("Algorithm", ""))
    except ValueError as error:
        raise XmlFaultError(Reason.ALGORITHM_REFUSED, "the canonical form of a time-stamp") from error


def _read_all(others: list[Element], name: str) -> tuple[bytes, ...]:
    found = [element for element in others if is_of_xades(element) and etree.QName(element).localname == name]
    return tuple(map(read_base64, found[:MAX_PARTS]))
