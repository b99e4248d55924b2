"""What a signature is to be, out of the members of a call."""

from __future__ import annotations

from agent.api.problems import CallError
from agent.api.schemas import AppearanceBody, DocumentBody, PolicyBody, TermsBody
from agent.signing.documents import Document
from agent.signing.preparation import Appearance, Policy, SignatureTerms
from agent.signing.words import RULES, Level, Packaging


def read_terms(body: TermsBody) -> SignatureTerms:
    """Settle packaging and level by the rules of the format. Raises CallError for what the format does not have."""
    rules, level = RULES[body.format], body.level or Level.B
    if level not in rules.levels:
        raise CallError(f"format {body.format} has no level {level}")
    return SignatureTerms(
        format=body.format,
        level=level,
        packaging=_packaging(body, rules.packagings),
        serialization=body.serialization,
        policy=_policy(body.policy),
        claimed_role=body.claimed_role,
        reason=body.reason,
        location=body.location,
        field=body.field,
        appearance=_appearance(body.appearance),
    )


def _policy(body: PolicyBody | None) -> Policy | None:
    return None if body is None else Policy(body.identifier, body.digest, body.uri)


def _appearance(body: AppearanceBody | None) -> Appearance | None:
    return None if body is None else Appearance(body.page, body.x, body.y, body.width, body.height)


def _packaging(body: TermsBody, possible: tuple[Packaging, ...]) -> Packaging:
    if body.packaging is not None:
        if body.detached not in (None, body.packaging is Packaging.DETACHED):
            raise CallError("detached and packaging contradict each other")
        wanted: tuple[Packaging, ...] = (body.packaging,)
    elif body.detached is None:
        wanted = possible
    else:
        wanted = tuple(each for each in Packaging if (each is Packaging.DETACHED) is body.detached)
    for packaging in possible:
        if packaging in wanted:
            return packaging
    raise CallError(f"format {body.format} is not packed like that")


def read_document(document: DocumentBody, terms: SignatureTerms) -> Document:
    """A document by its content, or by the caller's SHA-256 of it where that is enough. Raises CallError."""
    if document.content is not None:
        if document.digest is not None or document.digest_algorithm is not None:
            raise CallError("a document has content or digest, not both")
        return Document.of(document.name, document.content, document.media_type, document.uri)
    if not RULES[terms.format].takes_digests or terms.packaging is not Packaging.DETACHED:
        raise CallError("this format takes documents with content, without digest")
    if document.digest is None or document.digest_algorithm != "sha256" or len(document.digest) != 32:
        raise CallError("a document without content has a digest of 32 bytes and digestAlgorithm sha256")
    return Document(document.name, None, document.digest, None, document.media_type, document.uri)
