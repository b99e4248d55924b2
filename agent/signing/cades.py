"""What CAdES adds to a CMS signature: signed attributes of policy and role, and the levels T, LT and LTA.

ETSI EN 319 122-1 §6: the time-stamp is an unsigned attribute; certificates and revocation values stand in the fields of
SignedData, OCSP responses as RFC 5940 has them; an archive time-stamp v3 covers all of it.
"""

from __future__ import annotations

from typing import Final

from asn1crypto import cms, core, ocsp
from pyhanko.sign.ades.api import CAdESSignedAttrSpec, SignerAttrSpec
from pyhanko.sign.ades.cades_asn1 import (
    SignaturePolicyId,
    SignaturePolicyIdentifier,
    SigPolicyQualifierInfo,
)

from agent.signing.archive import ARCHIVE, put_index, write_imprint_input, write_index
from agent.signing.evidence import EvidenceSet, gather_evidence
from agent.signing.mechanisms import HASH
from agent.signing.policies import read_oid
from agent.signing.preparation import Outside, Policy, SignatureTerms, Signer
from agent.signing.signeddata import SIGNATURE_STAMP, WholeCertificate
from agent.signing.timestamps import TimeStamps
from agent.signing.words import Level

TITLE: Final = "2.5.4.12"  # X.520: the position or function of somebody, as text
VERSION_WITH_OTHERS: Final = "v5"  # of SignedData that holds OCSP responses (RFC 5652 §5.1)


def describe_attributes(terms: SignatureTerms) -> CAdESSignedAttrSpec | None:
    """Policy and claimed role, where they are asked for. Raises TermsRefusedError."""
    if terms.policy is None and terms.claimed_role is None:
        return None
    return CAdESSignedAttrSpec(
        signature_policy_identifier=_write_policy(terms.policy) if terms.policy is not None else None,
        signer_attributes=_write_role(terms.claimed_role) if terms.claimed_role is not None else None,
    )


def _write_policy(policy: Policy) -> SignaturePolicyIdentifier:
    """Signature-policy-identifier (§5.2.9.1), by an OID, with where the policy stands (§5.2.9.2)."""
    content = {
        "sig_policy_id": read_oid(policy),
        "sig_policy_hash": {"digest_algorithm": {"algorithm": HASH}, "digest": policy.sha256},
    }
    if policy.uri is not None:
        uri = {"sig_policy_qualifier_id": "sp_uri", "sig_qualifier": core.IA5String(policy.uri)}
        content["sig_policy_qualifiers"] = [SigPolicyQualifierInfo(uri)]
    return SignaturePolicyIdentifier(name="signature_policy_id", value=SignaturePolicyId(content))


def _write_role(role: str) -> SignerAttrSpec:
    """Signer-attributes-v2 with one claimed attribute (§5.2.6.1)."""
    title = cms.AttCertAttribute({"type": TITLE, "values": [core.UTF8String(role)]})
    return SignerAttrSpec(claimed_attrs=[title], certified_attrs=[])


class CadesLevels:
    """Bring CMS signatures from level B to another; whom it asks, it asks for one after another."""

    def __init__(self, level: Level, signer: Signer, outside: Outside) -> None:
        self._level = level
        self._signer = signer
        self._outside = outside
        self._stamps = None if level is Level.B else TimeStamps(outside)

    def raise_(self, info: cms.ContentInfo, content_sha256: bytes) -> bytes:
        """DER of the ContentInfo with what the level adds. Raises TimeStampError, EvidenceError."""
        if self._stamps is not None:
            token = self._stamps.stamp(info["content"]["signer_infos"][0]["signature"].native)
            _add(info, SIGNATURE_STAMP, cms.ContentInfo.load(token))
            if self._level is not Level.T:
                signer = self._signer
                _put_evidence(
                    info["content"], gather_evidence(signer.certificate_der, signer.chain_der, self._outside, [token])
                )
            if self._level is Level.LTA:
                info = _archive(info, content_sha256, self._stamps)
        der: bytes = info.dump()
        return der


def _add(info: cms.ContentInfo, name: str, value: cms.ContentInfo) -> None:
    (signer,) = info["content"]["signer_infos"]
    attribute = cms.CMSAttribute({"type": name, "values": [value]})
    signer["unsigned_attrs"] = cms.CMSAttributes([*(signer["unsigned_attrs"] or ()), attribute])


def _put_evidence(data: cms.SignedData, evidence: EvidenceSet) -> None:
    certificates = {each.dump(): each for each in data["certificates"]}
    for der in evidence.certificates_der:
        choice = cms.CertificateChoices(name="certificate", value=WholeCertificate.load(der))
        certificates.setdefault(choice.dump(), choice)
    data["certificates"] = cms.CertificateSet(certificates.values())
    lists = [cms.RevocationInfoChoice.load(der) for der in evidence.crls_der]
    data["crls"] = cms.RevocationInfoChoices([*lists, *map(_write_response, evidence.ocsps_der)])
    if evidence.ocsps_der:
        data["version"] = VERSION_WITH_OTHERS


def _write_response(der: bytes) -> cms.RevocationInfoChoice:
    """An OCSP response among the revocation values (RFC 5940 §2.1)."""
    response = {"other_rev_info_format": "ocsp_response", "other_rev_info": ocsp.OCSPResponse.load(der)}
    return cms.RevocationInfoChoice(name="other", value=cms.OtherRevocationInfoFormat(response))


def _archive(info: cms.ContentInfo, content_sha256: bytes, stamps: TimeStamps) -> cms.ContentInfo:
    """Stamp what is written, not what is about to be."""
    written = cms.ContentInfo.load(info.dump())
    data = written["content"]
    (signer,) = data["signer_infos"]
    index = write_index(data, signer, HASH)
    token = stamps.stamp(write_imprint_input(data, signer, content_sha256, index))
    _add(written, ARCHIVE, put_index(token, index))
    return written
