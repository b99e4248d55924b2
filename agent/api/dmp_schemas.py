"""JSON bodies of the routes for the DMP and INSi."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.api.schemas import MAX_DOCUMENTS, Body, CardNumber, Line, MediaType, Name, Uri
from agent.patients import PatientKind
from agent.services.dmp_links import Page
from agent.signing.dmp.words import Hash, Mode

# Prefixed or bare, as XDS and as code systems have it.
_ARCS = r"[0-2](\.(0|[1-9][0-9]*))+"
UniqueId = Annotated[str, Meta(max_length=136, pattern=rf"^(urn:oid:)?{_ARCS}\Z")]
CodeSystem = Annotated[str, Meta(max_length=128, pattern=rf"^{_ARCS}\Z")]
Code = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[!-~]+\Z")]
Sector = Annotated[str, Meta(pattern=r"^[A-Z]{2}[0-9]{2}\Z")]
Number = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z/._-]+\Z")]
Ins = Annotated[str, Meta(min_length=13, max_length=15)]
Address = Annotated[str, Meta(max_length=1024, pattern=r"^[!-~]*\Z")]


class SubmittedBody(Body, frozen=True):
    """A document of a submission set by its uniqueId, with its content or the caller's own hash of it.

    `mediaType`: text/xml for a CDA, whose canonical form is hashed; whatever else is hashed as it is. `name`: what the
    person is shown beside the id; it is not signed.
    """

    id: UniqueId
    media_type: MediaType
    name: Name | None = None
    content: bytes | None = None
    digest: bytes | None = None
    digest_algorithm: Hash | None = None


class SubmissionBody(Body, frozen=True):
    """POST /v1/dmp/submission-signature. `hash`: sha1 as the DMP documents it; whether it takes sha256 is not known."""

    submission_set_id: UniqueId
    documents: Annotated[tuple[SubmittedBody, ...], Meta(min_length=1, max_length=MAX_DOCUMENTS)]
    hash: Hash = Hash.SHA1
    card_number: CardNumber | None = None


class CodedBody(Body, frozen=True):
    """A coded value (HL7 CE); `codeSystem`: an OID."""

    code: Code
    code_system: CodeSystem
    code_system_name: Line | None = None
    display_name: Line | None = None


class ProfessionalBody(Body, frozen=True):
    """In whose name a structure speaks: IdNat_PS and name; in direct mode the card tells both.

    `roles`: profession, then speciality; in direct mode only what the card does not tell.
    """

    id: Number | None = None
    name: Line | None = None
    roles: Annotated[tuple[CodedBody, ...], Meta(max_length=8)] = ()


class StructureBody(Body, frozen=True):
    """IdNat_Struct and sector (R02); in direct mode they choose among those of the card."""

    id: Number | None = None
    sector: Sector | None = None


class PatientBody(Body, frozen=True):
    """A patient's INS: 13 characters, or 15 with its key."""

    ins: Ins
    kind: PatientKind


class SoftwareBody(Body, frozen=True):
    """The caller's own software, as its homologation has it."""

    id: Line | None = None
    name: Line | None = None
    version: Line | None = None
    homologation_id: Line | None = None


class EnvelopeBody(Body, frozen=True):
    """A SOAP 1.2 message whose header holds the assertion; its body is left to the caller."""

    action: Uri
    to: Address = ""
    reply_to: Uri | None = None
    message_id: Uri | None = None


class AuthenticationContextBody(Body, frozen=True):
    """How a structure has authenticated the professional: a class of SAML, and a declaration."""

    class_ref: Uri
    declaration: Uri | None = None


class VihfBody(Body, frozen=True):
    """POST /v1/assertions/vihf. A code is asked for each one."""

    mode: Mode
    version: Literal["3.0", "4.0"] = "3.0"
    professional: ProfessionalBody | None = None
    structure: StructureBody | None = None
    patient: PatientBody | None = None
    purpose_of_use: CodedBody | None = None
    access_reason: Line | None = None
    confidentiality: Line | None = None
    software: SoftwareBody = SoftwareBody()
    resource: Uri = "urn:dmp"
    authentication: AuthenticationContextBody | None = None
    mode_attribute: Literal["Authentification_mode", "Authentification_Mode"] = "Authentification_mode"
    hash: Hash = Hash.SHA256
    envelope: EnvelopeBody | None = None
    card_number: CardNumber | None = None


class InsiBody(Body, frozen=True):
    """POST /v1/assertions/insi. A code is asked for each one."""

    billing_id: Line | None = None
    sector: Line | None = None
    speciality: Line | None = None
    hash: Hash = Hash.SHA256
    envelope: EnvelopeBody | None = None
    card_number: CardNumber | None = None


class LinkBody(Body, frozen=True):
    """POST /v1/dmp/links. `ins` as it is to stand in the address; `open` False: nothing is opened.

    A page of the DMP is a patient's, except TableauDeBord, which may be one's, and Parametrages, which is nobody's.
    """

    page: Page
    ins: Ins | None = None
    kind: PatientKind = PatientKind.NIR
    open: bool = True
