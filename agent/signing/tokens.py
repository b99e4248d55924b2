"""Time-stamp tokens as they are read here (RFC 3161 §2.4.2, RFC 5816): value, imprint, and what their signer may do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import cms, tsp, x509

from agent.signing.signeddata import (
    HASHES,
    Imprint,
    SignatureFaultError,
    any_bytes,
    check_signer,
    find_signer_certificate,
    list_certificates,
    load_signed_data,
    matches_reference,
    read_as_it_stands,
)
from agent.signing.verification.findings import Reason, Stamp


@dataclass(frozen=True, slots=True)
class Token:
    """A token whose value and imprint hold. `certificates_der`: those that it carries besides its signer's."""

    time: datetime
    nonce: int | None
    certificate_der: bytes
    certificates_der: tuple[bytes, ...]

    @property
    def stamp(self) -> Stamp:
        """What a reader of signatures tells of it."""
        return Stamp(self.time, self.certificate_der, self.certificates_der)


def imprint_of(content: bytes) -> Imprint:
    """The digests of bytes that are at hand."""

    def imprint(name: str) -> bytes:
        return hashlib.new(name, content).digest() if name in HASHES else b""

    return imprint


def read_stamp(token_der: bytes, content: bytes) -> Stamp:
    """Check a token over these bytes; whether its signer is believed is the judge's. Raises SignatureFaultError."""
    return read_token(token_der, imprint_of(content)).stamp


def read_own_token(token_der: bytes) -> Token:
    """A token whose imprint was checked when it was made. Raises SignatureFaultError."""
    data = load_signed_data(token_der)
    with any_bytes():
        info = tsp.TSTInfo.load(bytes(data["encap_content_info"]["content"]), strict=True)
        digest: bytes = info["message_imprint"]["hashed_message"].native
    return read_token(token_der, lambda _: digest)


def read_token(token_der: bytes, imprint: Imprint) -> Token:
    """Check everything that the token itself says. Raises SignatureFaultError."""
    data = load_signed_data(token_der)
    with any_bytes():
        info = _read_info(data, imprint)
        certificate = _check_signer(data)
        own, *others = map(read_as_it_stands, (certificate, *list_certificates(data)))
        return Token(info["gen_time"].native, info["nonce"].native, own, tuple(der for der in others if der != own))


def _read_info(data: cms.SignedData, imprint: Imprint) -> tsp.TSTInfo:
    content = data["encap_content_info"]
    if content["content_type"].native != "tst_info":
        raise SignatureFaultError(Reason.MALFORMED, "no time-stamp")
    info = tsp.TSTInfo.load(bytes(content["content"]), strict=True)
    if info["version"].native != "v1" or info["gen_time"].native.tzinfo is None:
        raise SignatureFaultError(Reason.MALFORMED, "a time-stamp of another version, or without its time zone")
    if any(each["critical"].native for each in info["extensions"] or ()):
        raise SignatureFaultError(Reason.MALFORMED, "a time-stamp with a critical extension")
    name = info["message_imprint"]["hash_algorithm"]["algorithm"].native
    if name not in HASHES:
        raise SignatureFaultError(Reason.ALGORITHM_REFUSED, f"a time-stamp over {name}")
    if info["message_imprint"]["hashed_message"].native != imprint(name):
        raise SignatureFaultError(Reason.ALTERED, "a time-stamp over something else")
    return info


def _check_signer(data: cms.SignedData) -> x509.Certificate:
    """The one signer, who names its certificate (§2.4.2), and may do nothing but stamp (§2.3)."""
    if len(data["signer_infos"]) != 1:
        raise SignatureFaultError(Reason.MALFORMED, "a time-stamp of more signers than one, or none")
    (signer,) = data["signer_infos"]
    certificate = find_signer_certificate(signer, list_certificates(data))
    if not matches_reference(signer, certificate):
        raise SignatureFaultError(Reason.MALFORMED, "a time-stamp whose signer does not name its certificate")
    content = bytes(data["encap_content_info"]["content"])
    check_signer(signer, certificate, "tst_info", imprint_of(content))
    if not _may_only_stamp(certificate):
        raise SignatureFaultError(Reason.KEY_USAGE, "the signer of a time-stamp is no time-stamp authority")
    return certificate


def _may_only_stamp(certificate: x509.Certificate) -> bool:
    purposes, usage = certificate.extended_key_usage_value, certificate.key_usage_value
    signs = usage is None or bool({"digital_signature", "non_repudiation"} & usage.native)
    is_critical = "extended_key_usage" in certificate.critical_extensions
    return purposes is not None and purposes.native == ["time_stamping"] and is_critical and signs
