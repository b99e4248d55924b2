"""The properties that make an XML signature XAdES (ETSI EN 319 132-1 §5), in the order of its schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from agent.signing.evidence import EvidenceSet
from agent.signing.policies import URN_OID, read_uri
from agent.signing.preparation import Policy, SignatureTerms
from agent.signing.xml import C14n, Element, new_id
from agent.signing.xml_elements import add, add_scoped, base64_text
from agent.signing.xml_names import DS, XADES, ds, xades
from agent.signing.xml_signature import add_digest


def add_signed_properties(
    signature: Element, formats: Iterable[tuple[str, str]], terms: SignatureTerms, certificate_der: bytes
) -> Element:
    """Add an Object with them; `formats`: id of a reference and its media type. Gives xades:SignedProperties.

    Raises TermsRefusedError.
    """
    signature.set("Id", new_id())
    scope: dict[str | None, str] = {"xades": XADES, "ds": DS}
    holder = add(signature, ds("Object"))
    qualifying = add_scoped(holder, xades("QualifyingProperties"), scope, Target=f"#{signature.get('Id')}")
    signed = add(qualifying, xades("SignedProperties"), Id=new_id())
    _add_signature_properties(signed, terms, certificate_der)
    objects = add(signed, xades("SignedDataObjectProperties"))
    for reference_id, media_type in formats:
        described = add(objects, xades("DataObjectFormat"), ObjectReference=f"#{reference_id}")
        add(described, xades("MimeType"), media_type)
    return signed


def _add_signature_properties(signed: Element, terms: SignatureTerms, certificate_der: bytes) -> None:
    own = add(signed, xades("SignedSignatureProperties"))
    add(own, xades("SigningTime"), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _add_certificate(own, certificate_der)
    if terms.policy is not None:
        _add_policy(own, terms.policy)
    if terms.claimed_role is not None:
        roles = add(add(own, xades("SignerRoleV2")), xades("ClaimedRoles"))
        add(roles, xades("ClaimedRole"), terms.claimed_role)


def _add_certificate(parent: Element, certificate_der: bytes) -> None:
    """SigningCertificateV2 (§5.2.2), without the issuer's name: its written form is what programs disagree about."""
    certificate = add(add(parent, xades("SigningCertificateV2")), xades("Cert"))
    add_digest(add(certificate, xades("CertDigest")), hashlib.sha256(certificate_der).digest())


def _add_policy(parent: Element, policy: Policy) -> None:
    """SignaturePolicyIdentifier (§5.2.9). Raises TermsRefusedError."""
    policy_id = add(add(parent, xades("SignaturePolicyIdentifier")), xades("SignaturePolicyId"))
    identifier = read_uri(policy)
    qualifier = {"Qualifier": "OIDAsURN"} if identifier.startswith(URN_OID) else {}  # §5.1.2
    add(add(policy_id, xades("SigPolicyId")), xades("Identifier"), identifier, **qualifier)
    add_digest(add(policy_id, xades("SigPolicyHash")), policy.sha256)
    if policy.uri is not None:
        qualifiers = add(policy_id, xades("SigPolicyQualifiers"))
        add(add(qualifiers, xades("SigPolicyQualifier")), xades("SPURI"), policy.uri)


def add_time_stamp(unsigned: Element, token_der: bytes) -> None:
    """SignatureTimeStamp (§5.3), over the canonical form of ds:SignatureValue."""
    stamp = add(unsigned, xades("SignatureTimeStamp"))
    add(stamp, ds("CanonicalizationMethod"), Algorithm=C14n.EXCLUSIVE.value)
    add(stamp, xades("EncapsulatedTimeStamp"), base64_text(token_der))


def add_evidence(unsigned: Element, evidence: EvidenceSet) -> None:
    """CertificateValues and RevocationValues (§5.4), of the signer and of who stamped."""
    certificates = add(unsigned, xades("CertificateValues"))
    for der in evidence.certificates_der:
        add(certificates, xades("EncapsulatedX509Certificate"), base64_text(der))
    values = add(unsigned, xades("RevocationValues"))
    for kind, item, contents in (
        ("CRLValues", "EncapsulatedCRLValue", evidence.crls_der),
        ("OCSPValues", "EncapsulatedOCSPValue", evidence.ocsps_der),
    ):
        if contents:
            parent = add(values, xades(kind))
            for der in contents:
                add(parent, xades(item), base64_text(der))


def add_unsigned_properties(signed_properties: Element) -> Element:
    """Add the place for what comes after the signature's value."""
    unsigned = add(signed_properties.getparent(), xades("UnsignedProperties"))
    return add(unsigned, xades("UnsignedSignatureProperties"))
