"""The signature of a submission set, as the DMP takes it (IHE DSG: a manifest of OIDs under XAdES 1.1.1).

It is a document of the set itself. The set has no content: its hash is one zero byte. What the signature is for stands
in elements of no namespace that nothing signs; both are as the DMP's own samples have them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from agent.signing.dmp.dsig import (
    DIGESTS,
    Reference,
    add_certificate,
    add_reference,
    hash_of,
    new_signature,
    put_value,
    signed_info,
)
from agent.signing.dmp.names import read_certificate, write_name
from agent.signing.dmp.terms import SubmissionTerms
from agent.signing.dmp.words import Hash
from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.preparation import Outside, Signer, Unsigned
from agent.signing.words import Scheme
from agent.signing.xml import C14n, Element, canonicalise, canonicalise_document, parse_xml
from agent.signing.xml_elements import add, add_scoped, base64_text, new_root, write
from agent.signing.xml_names import DS, ds

TERMS = SubmissionTerms
MEDIA_TYPE: Final = "text/xml"
XADES: Final = "http://uri.etsi.org/01903/v1.1.1#"
METHOD: Final = C14n.INCLUSIVE_WITH_COMMENTS
MANIFEST_ID, PROPERTIES_ID = "IHEManifest", "S0-SignedProperties"
MANIFEST_TYPE, PROPERTIES_TYPE = DS + "Manifest", XADES + "SignedProperties"
PURPOSE: Final = "1.2.840.10065.1.12.1.14"  # source (ASTM E1762)
NO_CONTENT: Final = b"\0"


class SubmissionUnsigned(Unsigned):
    """Everything but the value; `name` is the OID of the set."""

    media_type = MEDIA_TYPE

    def __init__(self, documents: Sequence[Document], terms: SubmissionTerms, signer: Signer) -> None:
        self.name = terms.set_oid
        self.hash_name = terms.hash
        signature_id = new_signature_id()
        manifest = write_manifest(documents, terms)
        qualifying = write_properties(signer, signature_id, terms.hash)
        references = (
            Reference(f"#{MANIFEST_ID}", _hash_element(manifest, terms.hash), type=MANIFEST_TYPE),
            Reference(f"#{PROPERTIES_ID}", _hash_element(qualifying[0], terms.hash), type=PROPERTIES_TYPE),
        )
        self._signature = new_signature(METHOD, terms.hash, references, Id=signature_id)
        add_certificate(self._signature, signer.certificate_der)
        add(self._signature, ds("Object")).append(manifest)
        _add_purpose(add(self._signature, ds("Object")), signature_id)
        add(self._signature, ds("Object")).append(qualifying)

    @property
    def to_sign(self) -> bytes:
        """Canonical SignedInfo."""
        return canonicalise(signed_info(self._signature), METHOD)

    def complete(self, value: bytes) -> bytes:
        """Put the value in."""
        put_value(self._signature, value)
        return write(self._signature)


def new_signature_id() -> str:
    """A UUID that begins with a letter, as an XML id must."""
    return next(text for text in (str(uuid.uuid4()) for _ in range(1000)) if text[0].isalpha())


def write_manifest(documents: Sequence[Document], terms: SubmissionTerms) -> Element:
    """The set, then its documents in their order: those with a hash of the caller's, the others by their content."""
    manifest = new_root(ds("Manifest"), {None: DS}, Id=MANIFEST_ID)
    add_reference(manifest, Reference(f"urn:oid:{terms.set_oid}", NO_CONTENT), terms.hash)
    contents = iter(documents)
    for entry in terms.entries:
        digest = entry.digest or _hash_document(next(contents), terms.hash, is_xml=entry.is_xml)
        transforms = (METHOD,) if entry.is_xml else ()
        add_reference(manifest, Reference(f"urn:oid:{entry.oid}", digest, transforms), terms.hash)
    return manifest


def _hash_document(document: Document, hash_name: Hash, *, is_xml: bool) -> bytes:
    content = document.read()
    if is_xml:
        content = canonicalise_document(parse_xml(content, document.name), METHOD)
    return hash_of(content, hash_name)


def _hash_element(element: Element, hash_name: Hash) -> bytes:
    """What a reference without transforms hashes: canonical XML without comments (XML-DSig §4.4.3.2)."""
    return hash_of(canonicalise(element, C14n.INCLUSIVE), hash_name)


def _add_purpose(parent: Element, signature_id: str) -> None:
    properties = add_scoped(parent, "SignatureProperties", {None: ""})
    add(properties, "SignatureProperty", PURPOSE, Id="purposeOfSignature", Target=f"#{signature_id}")


def write_properties(signer: Signer, signature_id: str, hash_name: Hash) -> Element:
    """QualifyingProperties (ETSI TS 101 903 V1.1.1): local time, certificates up to the root, an implied policy."""
    qualifying = new_root(f"{{{XADES}}}QualifyingProperties", {None: XADES}, Target=f"#{signature_id}")
    signed = add(qualifying, f"{{{XADES}}}SignedProperties", Id=PROPERTIES_ID)
    properties = add(signed, f"{{{XADES}}}SignedSignatureProperties")
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    add(properties, f"{{{XADES}}}SigningTime", now)
    certificates = add(properties, f"{{{XADES}}}SigningCertificate")
    for certificate_der in (signer.certificate_der, *signer.chain_der):
        _add_certificate(certificates, certificate_der, hash_name)
    policy = add(properties, f"{{{XADES}}}SignaturePolicyIdentifier")
    add(policy, f"{{{XADES}}}SignaturePolicyImplied")
    add(signed, f"{{{XADES}}}SignedDataObjectProperties")
    return qualifying


def _add_certificate(parent: Element, certificate_der: bytes, hash_name: Hash) -> None:
    certificate = read_certificate(certificate_der)
    element = add(parent, f"{{{XADES}}}Cert")
    digest = add(element, f"{{{XADES}}}CertDigest")
    add(digest, f"{{{XADES}}}DigestMethod", Algorithm=DIGESTS[hash_name])
    add(digest, f"{{{XADES}}}DigestValue", base64_text(hash_of(certificate_der, hash_name)))
    serial = add(element, f"{{{XADES}}}IssuerSerial")
    add_scoped(serial, ds("X509IssuerName"), {None: DS}, write_name(certificate.issuer))
    add_scoped(serial, ds("X509SerialNumber"), {None: DS}, str(certificate.serial_number))


def check(documents: Sequence[Document], terms: SubmissionTerms, outside: Outside) -> None:
    """Refuse documents that cannot be read, before anybody is asked."""
    del outside
    write_manifest(documents, terms)


def prepare(
    documents: Sequence[Document], terms: SubmissionTerms, signer: Signer, outside: Outside
) -> Iterator[SubmissionUnsigned]:
    """A single signature over all documents."""
    del outside
    if signer.scheme is not Scheme.RS256:
        raise TermsRefusedError("the DMP takes RSASSA-PKCS1-v1_5")
    yield SubmissionUnsigned(documents, terms, signer)
