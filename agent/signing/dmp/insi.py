"""The assertion that INSi takes of a card's holder (Assurance Maladie, TLSi): who, and for which billing number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.signing.dmp.assertions import (
    BARE,
    AssertionUnsigned,
    add_subject,
    find_frame,
    new_assertion,
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
    """Look at the message that it goes into; what the members may be, the call's own schema says."""
    del outside
    find_frame(documents, terms.envelope)


def prepare(
    documents: Sequence[Document], terms: InsiTerms, signer: Signer, outside: Outside
) -> Iterator[AssertionUnsigned]:
    """A single assertion; without attributes it has no statement of them, since that may not be empty."""
    del outside
    frame = find_frame(documents, terms.envelope)
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
    yield AssertionUnsigned(assertion, signer, terms.hash, frame)
