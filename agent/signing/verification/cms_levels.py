"""The levels of CAdES as they are found (ETSI EN 319 122-1 §6): time-stamps, evidence, and archive time-stamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import cms

from agent.certificates.anchors import igc_sante
from agent.certificates.chains import find_chain
from agent.certificates.issuers import is_self_issued
from agent.certificates.revocation.validation import AnswerError, Subject
from agent.signing.archive import ARCHIVE, find_archived_input
from agent.signing.signeddata import SIGNATURE_STAMP, Imprint, SignatureFaultError, list_certificates, read_as_it_stands
from agent.signing.tokens import read_stamp
from agent.signing.verification.carried import parse_certificates
from agent.signing.verification.findings import Evidence, Finding, Reason, Stamp
from agent.signing.words import Level
from drivers.card.certificate import Certificate

LEFT_ASIDE: Final = frozenset(
    {
        "1.2.840.113549.1.9.6",  # counter-signature
        *(f"1.2.840.113549.1.9.16.2.{number}" for number in (21, 22, 23, 24, 25, 26, 27, 44, 45, 48)),
        "0.4.0.1733.2.5",  # long-term-validation
    }
)
"""Unsigned attributes of CMS and of older CAdES (RFC 5126 §6) that say nothing here."""
MAX_STAMPS: Final = 32
MAX_LINKS: Final = 16
MAX_ANSWERS: Final = 32


@dataclass(frozen=True, slots=True)
class Stamps:
    """Time-stamps whose value and imprint hold: over the signature's value, and over all that was there then."""

    signature: tuple[Stamp, ...]
    archive: tuple[Stamp, ...]

    @property
    def all(self) -> tuple[Stamp, ...]:
        """Both."""
        return (*self.signature, *self.archive)


def read_evidence(data: cms.SignedData) -> Evidence:
    """Certificates and revocation values in the fields of SignedData. Raises SignatureFaultError."""
    lists, responses = [], []
    for choice in data["crls"] or ():
        if choice.name == "crl":
            lists.append(read_as_it_stands(choice.chosen))
        elif choice.chosen["other_rev_info_format"].native == "ocsp_response":
            responses.append(read_as_it_stands(choice.chosen["other_rev_info"]))
        else:
            raise SignatureFaultError(Reason.MALFORMED, "revocation values of an unknown kind")
    return Evidence(tuple(map(read_as_it_stands, list_certificates(data))), tuple(lists), tuple(responses))


def read_stamps(data: cms.SignedData, signer: cms.SignerInfo, content: Imprint) -> Stamps:
    """Check every time-stamp of a signer. Raises SignatureFaultError for one that does not hold."""
    values = list(_list_values(signer))
    if len(values) > MAX_STAMPS:
        raise SignatureFaultError(Reason.MALFORMED, f"more than {MAX_STAMPS} time-stamps")
    value: bytes = signer["signature"].native
    return Stamps(
        tuple(read_stamp(token, value) for name, token in values if name == SIGNATURE_STAMP),
        tuple(
            read_stamp(token, find_archived_input(token, data, signer, content))
            for name, token in values
            if name == ARCHIVE
        ),
    )


def _list_values(signer: cms.SignerInfo) -> Iterator[tuple[str, bytes]]:
    """The time-stamps among the unsigned attributes, each with its kind."""
    for attribute in signer["unsigned_attrs"] or ():
        name = attribute["type"].native
        if name in (SIGNATURE_STAMP, ARCHIVE):
            yield from ((name, read_as_it_stands(value)) for value in attribute["values"])
        elif attribute["type"].dotted not in LEFT_ASIDE:
            raise SignatureFaultError(Reason.MALFORMED, f"an unsigned attribute of an unknown kind, {name}")


def find_level(finding: Finding, stamps: Stamps) -> Level:
    """The highest level whose parts are all there (§6.3)."""
    if not stamps.signature:
        return Level.B
    if not _is_proven(finding, stamps):
        return Level.T
    return Level.LTA if stamps.archive else Level.LT


def _is_proven(finding: Finding, stamps: Stamps) -> bool:
    """Whether the evidence tells of every certificate below a root, of the signer and of who stamped its value."""
    assert finding.certificate_der is not None
    at, evidence = stamps.signature[0].time, finding.evidence
    subjects = [finding.certificate_der, *(stamp.certificate_der for stamp in stamps.signature)]
    lent = [*evidence.certificates_der, *(der for stamp in stamps.signature for der in stamp.certificates_der)]
    known = [*igc_sante().authorities, *parse_certificates(list(dict.fromkeys(lent))[:MAX_LINKS])]
    roots = [each.der for each in known if is_self_issued(each)]
    for subject in parse_certificates(subjects):
        chain = find_chain(subject, known, roots, at)
        path = () if chain is None else (subject, *chain)
        told = [_is_told(path[place].der, path[place + 1 :], evidence) for place in range(len(path) - 1)]
        if not told or not all(told):
            return False
    return True


def _is_told(certificate_der: bytes, issuers: Iterable[Certificate], evidence: Evidence) -> bool:
    """Whether an answer among the evidence is about this certificate, as its authority signed it."""
    subject = Subject(certificate_der, [each.der for each in issuers])
    answers: list[tuple[Any, Any, bytes]] = [
        *((subject.judge_ocsp, subject.date_ocsp, der) for der in evidence.ocsps_der[:MAX_ANSWERS]),
        *((subject.judge_crl, subject.date_crl, der) for der in evidence.crls_der[:MAX_ANSWERS]),
    ]
    for judge, date, der in answers:
        try:
            judge(der, date(der))
        except AnswerError:
            continue
        return True
    return False
