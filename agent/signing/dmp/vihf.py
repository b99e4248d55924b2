"""The VIHF: who asks the DMP, from where, for which patient and why (CI-SIS, Transport synchrone pour client lourd)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from agent.signing.dmp.assertions import AssertionUnsigned, add_subject, find_frame, new_assertion, write_moment
from agent.signing.dmp.attributes import AttributeStatement
from agent.signing.dmp.terms import Context, Professional, Structure, VihfTerms
from agent.signing.dmp.words import Mode
from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.preparation import Outside, Signer
from agent.signing.xml import Element
from agent.signing.xml_elements import add
from agent.signing.xml_names import saml

TERMS = VihfTerms
MODES: Final[Mapping[Mode, str]] = {
    Mode.DIRECT: "DIRECTE",
    Mode.INDIRECT: "INDIRECTE",
    Mode.AIR: "INDIRECTE_RENFORCEE",
}
SECTORS: Final = "1.2.250.1.71.4.2.4"  # nomenclature R02
SUBJECT_ID: Final = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
ROLE: Final = "urn:oasis:names:tc:xacml:2.0:subject:role"
RESOURCE_ID: Final = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
PURPOSE: Final = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
CONFIDENTIALITY: Final = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"


def check(documents: Sequence[Document], terms: VihfTerms, outside: Outside) -> None:
    """Look at the message that it goes into; what the members may be, the call's own schema says."""
    del outside
    find_frame(documents, terms.envelope)


def prepare(
    documents: Sequence[Document], terms: VihfTerms, signer: Signer, outside: Outside
) -> Iterator[AssertionUnsigned]:
    """A single assertion."""
    del outside
    frame = find_frame(documents, terms.envelope)
    yield AssertionUnsigned(write_vihf(terms, signer), signer, terms.hash, frame)


def write_vihf(terms: VihfTerms, signer: Signer) -> Element:
    """Issuer, subject, how they were authenticated, attributes: in the order of the schema."""
    if terms.professional is None or terms.structure is None:
        raise TermsRefusedError("who asks, or from where, is missing")
    moment = write_moment()
    assertion = new_assertion(signer.certificate_der, moment)
    add_subject(assertion, terms.professional.id)
    _add_authentication(assertion, moment, terms.context)
    statement = AttributeStatement(assertion)
    _add_professional(statement, terms.professional, terms.structure)
    _add_access(statement, terms)
    _add_software(statement, terms)
    return assertion


def _add_authentication(assertion: Element, moment: str, context: Context) -> None:
    statement = add(assertion, saml("AuthnStatement"), AuthnInstant=moment)
    element = add(statement, saml("AuthnContext"))
    add(element, saml("AuthnContextClassRef"), context.class_ref)
    if context.declaration is not None:
        add(element, saml("AuthnContextDecl"), context.declaration)


def _add_professional(statement: AttributeStatement, who: Professional, where: Structure) -> None:
    statement.add_text("Identifiant_Structure", where.id)
    statement.add_text("Secteur_Activite", None if where.sector is None else f"{where.sector}^{SECTORS}")
    statement.add_text(SUBJECT_ID, who.name)
    statement.add_coded(ROLE, "Role", who.roles)


def _add_access(statement: AttributeStatement, terms: VihfTerms) -> None:
    statement.add_text("VIHF_Version", terms.version)
    statement.add_text(terms.mode_attribute, MODES[terms.mode])
    statement.add_text(RESOURCE_ID, terms.patient)
    statement.add_text("Ressource_URN", terms.resource)
    statement.add_coded(PURPOSE, "PurposeOfUse", [terms.purpose])
    statement.add_text("Mode_Acces_Raison", terms.access_reason)
    statement.add_text(CONFIDENTIALITY, terms.confidentiality)


def _add_software(statement: AttributeStatement, terms: VihfTerms) -> None:
    software = terms.software
    statement.add_text("LPS_ID", software.id)
    statement.add_text("LPS_Nom", software.name)
    statement.add_text("LPS_Version", software.version)
    statement.add_text("LPS_ID_HOMOLOGATION_DMP", software.homologation_id)
