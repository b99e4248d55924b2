"""Read CMS and CAdES (RFC 5652, ETSI EN 319 122-1): each signer, with its time-stamps and the level that they make.

Taken: `data` in the signature or beside it, by signers with signed attributes and a hash of the SHA-2 family. What
is around that may be BER. Unsigned attributes are of a list, so that one that was damaged is not passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from asn1crypto import cms, core, x509

from agent.signing.signeddata import (
    Imprint,
    SignatureFaultError,
    any_bytes,
    check_signer,
    find_attribute,
    find_signer_certificate,
    list_certificates,
    list_signers_der,
    load_signed_data,
    matches_reference,
    read_as_it_stands,
)
from agent.signing.tokens import imprint_of
from agent.signing.verification.carried import require_undamaged
from agent.signing.verification.cms_levels import find_level, read_evidence, read_stamps
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.words import Format, Level

CONTENT_TYPE: Final = "data"


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Check every signer of a DER or BER ContentInfo; `detached`: the document beside it. Raises UnreadableError."""
    try:
        data = load_signed_data(content)
        with any_bytes():
            inside, fault = _read_content(data), _find_fault(data)
        if None not in (inside, detached) and inside != detached:
            fault = SignatureFaultError(Reason.NOT_COVERED, "it holds a document, which is not the one beside it")
        signed = detached if inside is None else inside
        if signed is None:
            fault = SignatureFaultError(Reason.CONTENT_ABSENT, "the document is not in the signature, nor beside it")
        return _Signed(data, imprint_of(signed or b""), fault).read_signers()
    except SignatureFaultError as error:
        raise UnreadableError(str(error)) from error


def read_signers(data: cms.SignedData, imprint: Imprint) -> list[Finding]:
    """Check every signer over a content that another reader found. Raises SignatureFaultError."""
    return _Signed(data, imprint).read_signers()


def _read_content(data: cms.SignedData) -> bytes | None:
    """The document in it, None when there is none."""
    inside = data["encap_content_info"]["content"]
    return None if isinstance(inside, core.Void) else bytes(inside)


def _find_fault(data: cms.SignedData) -> SignatureFaultError | None:
    content_type = data["encap_content_info"]["content_type"].native
    if content_type == CONTENT_TYPE:
        return None
    return SignatureFaultError(Reason.MALFORMED, f"it signs no document but {content_type}")


@dataclass(frozen=True, slots=True)
class _Signed:
    """What all signers share. `fault`: what is wrong with all of them."""

    data: cms.SignedData
    imprint: Imprint
    fault: SignatureFaultError | None = None

    def read_signers(self) -> list[Finding]:
        """Raises SignatureFaultError."""
        with any_bytes():
            findings = [self._read(signer) for signer in self.data["signer_infos"]]
            return self._look_beside(findings)

    def _look_beside(self, findings: list[Finding]) -> list[Finding]:
        """What stands beside the signers is everybody's: damaged, it leaves none of them valid."""
        held = [finding for finding in findings if finding.reason is None]
        try:
            if held:
                stamps = [stamp for finding in held for stamp in finding.stamps]
                require_undamaged(held[0].evidence, list_signers_der(self.data), stamps)
        except SignatureFaultError as error:
            return [each if each.reason is not None else _refuse(each, error) for each in findings]
        return findings

    def _read(self, signer: cms.SignerInfo) -> Finding:
        finding = Finding(Format.CMS)
        try:
            with any_bytes():
                certificate = find_signer_certificate(signer, list_certificates(self.data))
                finding = self._describe(signer, certificate)
                return self._check(finding, signer, certificate)
        except SignatureFaultError as error:
            return _refuse(finding, error)

    def _describe(self, signer: cms.SignerInfo, certificate: x509.Certificate) -> Finding:
        """Who signed and when, as the signer says, and what it brings; nothing of it is checked yet."""
        claimed = find_attribute(signer["signed_attrs"], "signing_time")
        moment = None if claimed is None else claimed.native
        is_cades = bool(matches_reference(signer, certificate))
        return Finding(
            Format.CADES if is_cades else Format.CMS,
            Level.B if is_cades and moment is not None else None,
            certificate_der=read_as_it_stands(certificate),
            claimed_at=moment if moment is not None and moment.tzinfo is not None else None,
            evidence=read_evidence(self.data),
        )

    def _check(self, finding: Finding, signer: cms.SignerInfo, certificate: x509.Certificate) -> Finding:
        """Add what holds. Raises SignatureFaultError."""
        if self.fault is not None:
            raise self.fault
        check_signer(signer, certificate, CONTENT_TYPE, self.imprint)
        stamps = read_stamps(self.data, signer, self.imprint)
        level = None if finding.level is None else find_level(finding, stamps)
        return replace(finding, level=level, stamps=stamps.all)


def _refuse(finding: Finding, fault: SignatureFaultError) -> Finding:
    return replace(finding, level=None, reason=fault.reason, hint=str(fault))
