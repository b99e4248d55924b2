"""The assertion that INSi takes of a card's holder (Assurance Maladie, TLSi): who, and for which billing number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.signing.dmp.assertions import (
    BARE,
    AssertionUnsigned,
    add_subject,
    new_assertion,
    refuse_documents,
    require,
    write_moment,
)
from agent.signing.dmp.attributes import AttributeStatement
from agent.signing.dmp.terms import InsiTerms
from agent.signing.documents import Document
from agent.signing.preparation import Outside, Signer

TERMS = InsiTerms
QUALIFIER = "CPS"


def check(documents: Sequence[Document], terms: InsiTerms, outside: Outside) -> None:
    """Refuse documents; what the members may be, the call's own schema says."""
    del terms, outside
    refuse_documents(documents)


def prepare(
    documents: Sequence[Document], terms: InsiTerms, signer: Signer, outside: Outside
) -> Iterator[AssertionUnsigned]:
    """A single assertion; without attributes it has no statement of them, since that may not be empty."""
    check(documents, terms, outside)
    assertion = new_assertion(signer.certificate_der, write_moment(), BARE)
    add_subject(assertion, require(terms.name_id, "the holder's number"), NameQualifier=QUALIFIER)
    attributes = {
        "identifiantFacturation": terms.billing_id,
        "codeSpecialiteAMO": terms.speciality,
        "secteurActivite": terms.sector,
    }
    if any(attributes.values()):
        statement = AttributeStatement(assertion)
        for name, value in attributes.items():
            statement.add_text(name, value)
    yield AssertionUnsigned(assertion, signer, terms.hash, terms.envelope)
