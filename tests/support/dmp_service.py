"""A DMP that answers whether a patient's record exists (transaction TD0.2), as far as its public documents tell.

PRPA_IN201307UV02 in, PRPA_IN201308UV02 out, for patients who do not exist. The sentences of its faults are the DMP's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

from support.soap_service import Call, FaultError, Signed, SoapService, find_name, soap_service

HL7 = "urn:hl7-org:v3"
ACTION = f"{HL7}:PRPA_IN201307UV02"
PATIENT = "207058575627097"
WITHOUT_RECORD = "1810163220751"
RESOURCE = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
ROLE = "urn:oasis:names:tc:xacml:2.0:subject:role"
WITH_SPECIALITY = frozenset({"10", "21"})
"""Physicians and pharmacists: their second role is asked for."""


@dataclass
class Dmp:
    """`records`: whose INS have a record; `strangers`: structures that it does not know."""

    records: set[str] = field(default_factory=lambda: {PATIENT})
    strangers: set[str] = field(default_factory=set)

    def answer(self, call: Call) -> str:
        if call.find("/s:Envelope/s:Header/wsa:Action").text != ACTION:
            raise FaultError("transaction inconnue")
        value = call.find("/s:Envelope/s:Body/hl7:PRPA_IN201307UV02//hl7:patientIdentifier/hl7:value")
        root, ins = value.get("root", ""), value.get("extension", "")
        signed = self._admit(call)
        if signed.attributes.get(RESOURCE) != [f"{ins}^^^&{root}&ISO^NH"]:
            raise FaultError("le patient du VIHF est un autre", "s:DMPAccessDeniedByRightsService")
        return _write_answer(call, root, ins, ins in self.records)

    def _admit(self, call: Call) -> Signed:
        """Who asks: by TLS and by VIHF the same, with the key that each is for."""
        signed, certificate = call.signed, call.certificate
        if signed is None or certificate is None:
            raise FaultError("le VIHF est absent")
        if not signed.is_for_signatures or find_name(signed.certificate) != find_name(certificate):
            raise FaultError("certificat de signature refusé", "s:DMPInvalidCertificate")
        if self.strangers & set(signed.attributes["Identifiant_Structure"]):
            raise FaultError("Structure introuvable ou Inactive")
        roles = signed.attributes[ROLE]
        if roles[0] in WITH_SPECIALITY and len(roles) < 2:
            raise FaultError("Aucune spécialité dans le vihf")
        return signed


def _write_answer(call: Call, root: str, ins: str, exists: bool) -> str:
    query = call.find("//hl7:queryByParameter/hl7:queryId")
    query_id = f"<queryId root={quoteattr(query.get('root'))} extension={quoteattr(query.get('extension'))}/>"
    code = "OK" if exists else "NF"
    acknowledged = f'<queryAck>{query_id}<queryResponseCode code="{code}"/></queryAck>'
    subject = _write_subject(root, ins) if exists else ""
    act = f'<controlActProcess classCode="CACT" moodCode="EVN">{subject}{acknowledged}</controlActProcess>'
    return (
        f'<PRPA_IN201308UV02 xmlns="{HL7}" ITSVersion="XML_1.0">'
        '<interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201308UV02"/>'
        f'<acknowledgement typeCode="AA"/>{act}</PRPA_IN201308UV02>'
    )


def _write_subject(root: str, ins: str) -> str:
    patient = f'<patient classCode="PAT"><id root={quoteattr(root)} extension={quoteattr(ins)}/><statusCode code="active"/></patient>'
    event = f'<registrationEvent classCode="REG" moodCode="EVN"><subject1 typeCode="SBJ">{patient}</subject1></registrationEvent>'
    return f'<subject typeCode="SUBJ">{event}</subject>'


@contextmanager
def dmp_service(folder: Path, data_dir: Path) -> Iterator[tuple[Dmp, SoapService]]:
    dmp = Dmp()
    with soap_service(folder, data_dir, dmp.answer) as service:
        yield dmp, service
