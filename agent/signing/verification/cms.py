"""Read CMS and CAdES (RFC 5652, ETSI EN 319 122-1): each signer, with its time-stamps and the level that they make.

Taken: `data` in the signature or beside it, by signers with signed attributes and a hash of the SHA-2 family. The layers
around what is signed may be BER. Unsigned attributes are of a list, so that one that was damaged is not passed over.
"""

from __future__ import annotations

from dataclasses import replace
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
    load_signed_data,
    matches_reference,
    read_as_it_stands,
)
from agent.signing.tokens import imprint_of
from agent.signing.verification.cms_levels import find_level, read_evidence, read_stamps
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.words import Format, Level

CONTENT_TYPE: Final = "data"
VERSIONS: Final = frozenset({"v1", "v3", "v4", "v5"})


def read_signatures(content: bytes, detached: bytes | None) -> list[Finding]:
    """Check every signer of a DER or BER ContentInfo; `detached`: the document beside it. Raises UnreadableError."""
    try:
        data = load_signed_data(content)
        inside = _read_content(data)
        signed, fault = detached if inside is None else inside, None
        if None not in (inside, detached) and inside != detached:
            fault = SignatureFaultError(Reason.NOT_COVERED, "it holds a document, which is not the one beside it")
        return read_signers(data, None if signed is None else imprint_of(signed), fault)
    except SignatureFaultError as error:
        raise UnreadableError(str(error)) from error


def read_signers(
    data: cms.SignedData, imprint: Imprint | None, fault: SignatureFaultError | None = None
) -> list[Finding]:
    """Check every signer over that content; None where it is not at hand. `fault`: what is wrong with all of them.

    Raises SignatureFaultError.
    """
    with any_bytes():
        fault = fault or _find_fault(data)
        return [_read_signer(data, signer, imprint, fault) for signer in data["signer_infos"]]


def _read_content(data: cms.SignedData) -> bytes | None:
    """The document in it, None when there is none."""
    with any_bytes():
        inside = data["encap_content_info"]["content"]
        return None if isinstance(inside, core.Void) else bytes(inside)


def _find_fault(data: cms.SignedData) -> SignatureFaultError | None:
    """What is wrong with the whole."""
    content_type = data["encap_content_info"]["content_type"].native
    if content_type != CONTENT_TYPE:
        return SignatureFaultError(Reason.MALFORMED, f"it signs no document but {content_type}")
    if data["version"].native not in VERSIONS:
        return SignatureFaultError(Reason.MALFORMED, "a version that there is not")
    named = {each["algorithm"].native for each in data["digest_algorithms"]}
    if not {signer["digest_algorithm"]["algorithm"].native for signer in data["signer_infos"]} <= named:
        return SignatureFaultError(Reason.MALFORMED, "the hash of a signer is not among those that it names")
    return None


def _read_signer(
    data: cms.SignedData, signer: cms.SignerInfo, imprint: Imprint | None, fault: SignatureFaultError | None
) -> Finding:
    finding = Finding(Format.CMS)
    try:
        with any_bytes():
            certificate = find_signer_certificate(signer, list_certificates(data))
            finding = _describe(data, signer, certificate)
            if fault is not None:
                raise fault
            if imprint is None:
                raise SignatureFaultError(Reason.CONTENT_ABSENT, "the document is not in the signature, nor beside it")
            check_signer(signer, certificate, CONTENT_TYPE, imprint)
            stamps = read_stamps(data, signer, imprint)
            if finding.level is not None:
                finding = replace(finding, level=find_level(finding, stamps))
            return replace(finding, stamps=stamps.all)
    except SignatureFaultError as error:
        return replace(finding, level=None, reason=error.reason, hint=str(error))


def _describe(data: cms.SignedData, signer: cms.SignerInfo, certificate: x509.Certificate) -> Finding:
    """Who signed and when, as the signer says, and what it brings; nothing of it is checked yet."""
    attributes = signer["signed_attrs"]
    claimed = find_attribute(attributes, "signing_time")
    is_cades = bool(matches_reference(signer, certificate))
    return Finding(
        Format.CADES if is_cades else Format.CMS,
        Level.B if is_cades and claimed is not None else None,
        certificate_der=read_as_it_stands(certificate),
        claimed_at=None if claimed is None else claimed.native,
        evidence=read_evidence(data),
    )
