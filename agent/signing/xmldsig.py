"""XML signatures (W3C XML Signature 1.1) with exclusive canonical form, SHA-256 and the chain of certificates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms, Signer, refuse_options
from agent.signing.xml_packaging import pack
from agent.signing.xml_signature import SignatureDraft, XmlUnsigned

TERMS = SignatureTerms


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:  # noqa: ARG001 - the seam's
    """Refuse documents that are not safe XML where they must be, and what XMLDSig has no place for."""
    refuse_options(
        terms, "serialization", "policy", "claimed_role", "reason", "location", "field", "appearance"
    )  # fmt: skip
    for document in documents:
        pack(document, terms.packaging)


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside  # noqa: ARG001 - the seam's
) -> Iterator[XmlUnsigned]:  # fmt: skip
    """Make one for each document."""
    for document in documents:
        packed = pack(document, terms.packaging)
        draft = SignatureDraft(signer)
        draft.refer(packed)
        draft.refer_to_key()
        yield XmlUnsigned(document.name, draft, packed.place)
