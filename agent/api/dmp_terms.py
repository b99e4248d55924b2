"""What the DMP and INSi are to be told, out of the members of a call. Every function raises CallError, or InsError."""

from __future__ import annotations

from collections.abc import Sequence

from agent.api.dmp_schemas import (
    CodedBody,
    EnvelopeBody,
    InsiBody,
    PatientBody,
    SubmissionBody,
    SubmittedBody,
    VihfBody,
)
from agent.api.problems import CallError
from agent.patients import check_ins, write_patient
from agent.signing.dmp.bearer import Told
from agent.signing.dmp.terms import (
    Coded,
    Context,
    Entry,
    Envelope,
    InsiTerms,
    Professional,
    Software,
    Structure,
    SubmissionTerms,
    VihfTerms,
)
from agent.signing.dmp.words import Hash, Mode
from agent.signing.documents import Document
from drivers.base import HASH_LENGTHS

XML = "text/xml"
SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
NORMAL = Coded("normal", "1.2.250.1.213.1.1.4.248", "mode acces VIHF 2.0", "Accès normal")


def read_submission(body: SubmissionBody) -> tuple[SubmissionTerms, list[Document]]:
    """The set, and the documents of it whose content is at hand."""
    terms = SubmissionTerms(
        set_oid=_oid(body.submission_set_id),
        entries=tuple(_entry(document, body.hash) for document in body.documents),
        hash=body.hash,
    )
    names = [terms.set_oid, *(entry.oid for entry in terms.entries)]
    if len(set(names)) != len(names):
        raise CallError("the submission set and its documents have ids of their own")
    contents = [each for each in body.documents if each.content is not None]
    return terms, [Document.of(_oid(each.id), each.content or b"", each.media_type) for each in contents]


def _entry(document: SubmittedBody, hash_name: Hash) -> Entry:
    is_xml = document.media_type == XML
    if "xml" in document.media_type and not is_xml:
        raise CallError(f"a CDA has the mediaType {XML}")
    if document.content is not None:
        if document.digest is not None or document.digest_algorithm is not None:
            raise CallError("a document has content or digest, not both")
        return Entry(_oid(document.id), is_xml)
    if document.digest is None or document.digest_algorithm is not hash_name:
        raise CallError(f"a document without content has digest and digestAlgorithm {hash_name}")
    if len(document.digest) != HASH_LENGTHS[hash_name]:
        raise CallError(f"the digest is not a {hash_name} value")
    return Entry(_oid(document.id), is_xml, document.digest)


def _oid(text: str) -> str:
    return text.removeprefix("urn:oid:")


def read_vihf(body: VihfBody) -> VihfTerms:
    """All that the caller says; in direct mode without what the card will tell."""
    return VihfTerms(
        mode=body.mode,
        version=body.version,
        context=_context(body),
        mode_attribute=body.mode_attribute,
        resource=body.resource,
        purpose=NORMAL if body.purpose_of_use is None else _coded(body.purpose_of_use),
        hash=body.hash,
        software=Software(body.software.id, body.software.name, body.software.version, body.software.homologation_id),
        professional=_professional(body),
        structure=_structure(body),
        patient=None if body.patient is None else _patient(body.patient),
        access_reason=body.access_reason,
        confidentiality=body.confidentiality,
        envelope=read_envelope(body.envelope),
    )


def read_told(body: VihfBody) -> Told:
    """What the caller of direct mode says of the card's holder."""
    structure, professional = body.structure, body.professional
    return Told(
        structure_id=structure.id if structure else None,
        sector=structure.sector if structure else None,
        roles=_list_coded(professional.roles) if professional else (),
    )


def _context(body: VihfBody) -> Context:
    given = body.authentication
    if body.mode is Mode.DIRECT:
        if given is not None:
            raise CallError("in direct mode the card authenticates: leave authentication out")
        return Context(SMARTCARD)
    if given is None:
        raise CallError("authentication is missing: say how the structure has authenticated the professional")
    return Context(given.class_ref, given.declaration)


def _professional(body: VihfBody) -> Professional | None:
    who = body.professional
    if body.mode is Mode.DIRECT:
        if who is not None and (who.id is not None or who.name is not None):
            raise CallError("in direct mode the card tells who asks: leave professional.id and professional.name out")
        return None
    if who is None or who.id is None or who.name is None or not who.roles:
        raise CallError("this mode takes professional with id, name and roles")
    return Professional(who.id, who.name, _list_coded(who.roles))


def _structure(body: VihfBody) -> Structure | None:
    where = body.structure
    if body.mode is Mode.DIRECT:
        return None
    if where is None or where.id is None or where.sector is None:
        raise CallError("this mode takes structure with id and sector")
    return Structure(where.id, where.sector)


def _patient(body: PatientBody) -> str:
    check_ins(body.ins, body.kind)
    return write_patient(body.ins, body.kind)


def _list_coded(bodies: Sequence[CodedBody]) -> tuple[Coded, ...]:
    return tuple(map(_coded, bodies))


def _coded(body: CodedBody) -> Coded:
    return Coded(body.code, body.code_system, body.code_system_name, body.display_name)


def read_insi(body: InsiBody) -> InsiTerms:
    """All but the holder's number, which the card tells."""
    return InsiTerms(
        hash=body.hash,
        billing_id=body.billing_id,
        sector=body.sector,
        speciality=body.speciality,
        envelope=read_envelope(body.envelope),
    )


def read_envelope(body: EnvelopeBody | None) -> Envelope | None:
    """A message around the assertion, where one is wanted."""
    return None if body is None else Envelope(body.to, body.action, body.reply_to, body.message_id)
