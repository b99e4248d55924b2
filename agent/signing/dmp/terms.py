"""What a caller wants for the DMP or INSi, settled: values alone, which the daemon makes and the worker reads."""

from __future__ import annotations

import msgspec

from agent.signing.dmp.words import Hash, Mode


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that goes to the worker as JSON."""


class Entry(Terms, frozen=True):
    """A document of a submission set by its OID. `digest` None: its content follows as a document.

    `is_xml`: its canonical form is hashed, as for a CDA; else its bytes.
    """

    oid: str
    is_xml: bool
    digest: bytes | None = None


class SubmissionTerms(Terms, frozen=True):
    """A submission set by its OID, and the documents in it."""

    set_oid: str
    entries: tuple[Entry, ...]
    hash: Hash


class Envelope(Terms, frozen=True):
    """SOAP 1.2 with WS-Addressing around an assertion. None: anonymous, and an id that nobody had yet."""

    to: str
    action: str
    reply_to: str | None = None
    message_id: str | None = None


class Coded(Terms, frozen=True):
    """A value of HL7's type CE; the members that are None are left out."""

    code: str
    code_system: str
    code_system_name: str | None = None
    display_name: str | None = None


class Software(Terms, frozen=True):
    """The caller's own: LPS_ID, LPS_Nom, LPS_Version, LPS_ID_HOMOLOGATION_DMP."""

    id: str | None = None
    name: str | None = None
    version: str | None = None
    homologation_id: str | None = None


class Professional(Terms, frozen=True):
    """In whose name a VIHF speaks. `id`: IdNat_PS; `name` None: not written. `roles`: profession, then speciality."""

    id: str
    name: str | None
    roles: tuple[Coded, ...]


class Structure(Terms, frozen=True):
    """Where the professional works: IdNat_Struct, and the sector (R02)."""

    id: str
    sector: str | None


class Context(Terms, frozen=True):
    """How a professional was authenticated: a class of SAML and, where one is given, a declaration."""

    class_ref: str
    declaration: str | None = None


class VihfTerms(Terms, frozen=True):
    """A VIHF. `professional` and `structure` are None until the card has told them.

    `patient`: in the form of HL7's type CX. `mode_attribute`: how the attribute of the mode is spelled.
    """

    mode: Mode
    version: str
    context: Context
    mode_attribute: str
    resource: str
    purpose: Coded
    hash: Hash
    software: Software
    professional: Professional | None = None
    structure: Structure | None = None
    patient: str | None = None
    access_reason: str | None = None
    confidentiality: str | None = None
    envelope: Envelope | None = None


class InsiTerms(Terms, frozen=True):
    """An assertion for INSi. `name_id` is None until the card has told it.

    `billing_id`: identifiantFacturation; `sector`: secteurActivite; `speciality`: codeSpecialiteAMO.
    """

    hash: Hash
    name_id: str | None = None
    billing_id: str | None = None
    sector: str | None = None
    speciality: str | None = None
    envelope: Envelope | None = None
