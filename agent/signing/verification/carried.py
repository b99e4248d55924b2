"""What a signature carries beside what is signed: refused where it is seen to be damaged, whether it is needed or not.

Nothing here is trusted: who is believed is the judge's. So is a certificate, CRL or OCSP response whose issuer is not
at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from asn1crypto import crl, ocsp, x509
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator

from agent.certificates.anchors import igc_sante
from agent.certificates.damage import is_altered_copy, is_damaged
from agent.certificates.issuers import is_self_issued
from agent.signing.signeddata import SignatureFaultError, any_bytes, read_as_it_stands
from agent.signing.verification.findings import Evidence, Reason, Stamp
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.extensions import read_authority_key_id, read_subject_key_id
from drivers.card.issuing import NotIssuedError, is_issued, require_issued
from drivers.errors import CardUnknownError, NotSupportedError

MAX_CARRIED: Final = 64
"""Of each kind: each costs a look at a signature."""


def require_undamaged(evidence: Evidence, signers_der: Iterable[bytes], stamps: Iterable[Stamp] = ()) -> None:
    """Raise SignatureFaultError for anything that is not what its issuer signed.

    Where there is evidence, every certificate has a part: it is one of the signers', of who stamped or answered, or
    issued some of these. One that has none was altered.
    """
    stamps = tuple(stamps)
    stamping = [der for stamp in stamps for der in (stamp.certificate_der, *stamp.certificates_der)]
    carried_der = list(dict.fromkeys((*evidence.certificates_der, *stamping)))
    if max(map(len, (carried_der, evidence.crls_der, evidence.ocsps_der))) > MAX_CARRIED:
        raise SignatureFaultError(Reason.MALFORMED, f"more than {MAX_CARRIED} certificates or answers")
    carried = _parse_all(carried_der)
    authorities = [*igc_sante().authorities, *carried]
    with any_bytes():
        is_wrong = any(_is_wrong(each, authorities) for each in carried)
    if is_wrong:
        raise _altered("a certificate")
    answering = [who for der in evidence.crls_der for who in _check_list(der, authorities)]
    answering += [who for der in evidence.ocsps_der for who in _check_response(der, authorities)]
    if evidence.crls_der or evidence.ocsps_der:
        ends_der = {*signers_der, *(stamp.certificate_der for stamp in stamps)}
        _require_part(carried, [*answering, *(each for each in carried if each.der in ends_der)])


def _parse_all(listed_der: list[bytes]) -> list[Certificate]:
    certificates = parse_certificates(listed_der)
    if len(certificates) != len(listed_der):
        raise SignatureFaultError(Reason.MALFORMED, "a certificate in it cannot be read")
    return certificates


def _is_wrong(certificate: Certificate, authorities: list[Certificate]) -> bool:
    return (
        is_damaged(certificate.der, authorities)
        or is_altered_copy(certificate, authorities)
        or _contradicts_itself(certificate)
    )


def _contradicts_itself(certificate: Certificate) -> bool:
    """Whether two places that say the same differ (RFC 5280 §4.1.1.2), or it is its own issuer in one of two ways."""
    whole = x509.Certificate.load(certificate.der)
    algorithms = whole["signature_algorithm"], whole["tbs_certificate"]["signature"]
    if len(set(map(read_as_it_stands, algorithms))) != 1:
        return True
    if not is_self_issued(certificate):
        key = read_authority_key_id(certificate)
        return key is not None and key == read_subject_key_id(certificate)
    try:
        require_issued(certificate, certificate)
    except NotIssuedError:
        return True
    except NotSupportedError:
        return False
    return False


def _require_part(carried: list[Certificate], reached: list[Certificate]) -> None:
    waiting = [each for each in carried if each not in reached]
    while found := [each for each in waiting if any(is_issued(below, each) for below in reached)]:
        reached += found
        waiting = [each for each in waiting if each not in found]
    if waiting:
        raise SignatureFaultError(Reason.ALTERED, "a certificate in it has no part in what is signed and stamped")


def parse_certificates(listed_der: Iterable[bytes]) -> list[Certificate]:
    """Those that can be read."""
    found = []
    for der in listed_der:
        try:
            found.append(parse_certificate(der))
        except CardUnknownError:
            continue
    return found


def _check_list(der: bytes, authorities: list[Certificate]) -> list[Certificate]:
    """Whose CRL it is, as far as they are at hand. Raises SignatureFaultError."""
    with any_bytes():
        listed = crl.CertificateList.load(der, strict=True)
        named = _list_named(read_as_it_stands(listed.issuer), authorities)
        issuers = [each for each in named if _has_signed(each, listed, "tbs_cert_list")]
        if named and not issuers:
            raise _altered("a CRL")
        return issuers


def _list_named(name_der: bytes, authorities: Iterable[Certificate]) -> list[Certificate]:
    """Those of that name; none where somebody's issuer has it. Raises SignatureFaultError for a stranger's."""
    named = [each for each in authorities if each.subject.der == name_der]
    if not named and not any(each.issuer.der == name_der for each in authorities):
        raise SignatureFaultError(Reason.ALTERED, "an answer in it is of an authority that nothing in it names")
    return named


def _check_response(der: bytes, authorities: list[Certificate]) -> list[Certificate]:
    """Whose OCSP response it is, as far as they are at hand. Raises SignatureFaultError."""
    with any_bytes():
        response = ocsp.OCSPResponse.load(der, strict=True)
        if response["response_status"].native != "successful":
            raise _altered("an OCSP response")
        basic = response.basic_ocsp_response
        own = _parse_all([read_as_it_stands(each) for each in basic["certs"] or ()])
        if any(_is_wrong(each, authorities) or _has_no_issuer(each, authorities) for each in own):
            raise _altered("the certificate of an OCSP responder")
        named = _list_responders(response.response_data["responder_id"], [*own, *authorities])
        responders = [each for each in named if _has_signed(each, basic, "tbs_response_data")]
        if (named or own) and not responders:
            raise _altered("an OCSP response")
        return responders


def _has_no_issuer(responder: Certificate, authorities: list[Certificate]) -> bool:
    """Whether it says that it is of an authority that is at hand, and is not; or of one that nothing here names."""
    named = _list_named(responder.issuer.der, authorities)
    return bool(named) and not any(is_issued(responder, each) for each in named)


def _list_responders(identifier: ocsp.ResponderId, known: list[Certificate]) -> list[Certificate]:
    """Whom it says to be from, by name or by key (RFC 6960 §4.2.1)."""
    if identifier.name == "by_name":
        return _list_named(read_as_it_stands(identifier), known)
    key: bytes = identifier.native
    return [each for each in known if x509.Certificate.load(each.der).public_key.sha1 == key]


def _has_signed(issuer: Certificate, answer: Any, part: str) -> bool:
    """Whether this key has signed that part of an answer."""
    key = x509.Certificate.load(issuer.der).public_key
    signed, value = read_as_it_stands(answer[part]), answer["signature"].native
    try:
        DefaultSignatureValidator().validate_signature(value, signed, key, answer["signature_algorithm"])
    except (InvalidSignature, AssertionError):  # asserted: a key of the kind that signs like that
        return False
    return True


def _altered(what: str) -> SignatureFaultError:
    return SignatureFaultError(Reason.ALTERED, f"{what} in it is not what its issuer signed")
