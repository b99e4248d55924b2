"""JSON Web Signatures (RFC 7515), compact or flattened JSON, around the document or detached from it (appendix F)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from agent.certificates.issuers import is_self_issued
from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.jose import MEDIA_TYPES, encode, shorten
from agent.signing.preparation import Outside, SignatureTerms, Signer, Unsigned, refuse_options, refuse_uris
from agent.signing.words import Level, Packaging, Serialization
from drivers.card.certificate import parse_certificate

TERMS = SignatureTerms
Header = dict[str, Any]


class JwsUnsigned(Unsigned):
    """A protected header and a payload; complete, it is ASCII in the serialization of the terms.

    `payload` None: the signature covers an empty one (its header says what is signed, as JAdES has it).
    """

    def __init__(self, name: str, header: Mapping[str, Any], payload: bytes | None, terms: SignatureTerms) -> None:
        self.name = name
        self._serialization = terms.serialization or Serialization.COMPACT
        self.media_type = MEDIA_TYPES[self._serialization]
        self._header = encode(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode())
        self._payload = encode(payload or b"")
        self._detached = terms.packaging is Packaging.DETACHED

    @property
    def to_sign(self) -> bytes:
        """The JWS signing input (RFC 7515 §5.1)."""
        return b".".join((self._header, self._payload))

    def complete(self, value: bytes) -> bytes:
        """Serialise, without the payload where it is detached."""
        payload = b"" if self._detached else self._payload
        if self._serialization is Serialization.COMPACT:
            return b".".join((self._header, payload, encode(value)))
        members = {"protected": self._header.decode(), "signature": encode(value).decode()}
        if not self._detached:
            members = {"payload": payload.decode()} | members
        return json.dumps(members, separators=(",", ":")).encode()


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:
    """Refuse what a JWS has no place for."""
    del outside
    refuse_options(terms, "policy", "claimed_role", "reason", "location", "field", "appearance")
    refuse_uris(documents, terms)
    require_level_b(terms)
    for document in documents:
        document.read()


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside
) -> Iterator[JwsUnsigned]:
    """Make one for each document."""
    del outside
    common = describe_signer(signer) | {"typ": describe_type(terms)}
    for document in documents:
        yield JwsUnsigned(document.name, common | _content_type(document), document.read(), terms)


def describe_signer(signer: Signer) -> Header:
    """How it is signed, and with whose certificate. The root is left out: who verifies must have it from elsewhere."""
    issuers = [der for der in signer.chain_der if not is_self_issued(parse_certificate(der))]
    return {
        "alg": str(signer.scheme),
        "x5c": [base64.b64encode(der).decode() for der in (signer.certificate_der, *issuers)],
        "x5t#S256": encode(sha256(signer.certificate_der).digest()).decode(),
    }


def describe_type(terms: SignatureTerms) -> str:
    """The `typ` of a serialization (RFC 7515 §4.1.9)."""
    return shorten(MEDIA_TYPES[terms.serialization or Serialization.COMPACT]).upper()


def require_level_b(terms: SignatureTerms) -> None:
    """Raise TermsRefusedError for any other level."""
    if terms.level is not Level.B:
        raise TermsRefusedError(f"format {terms.format} has no level {terms.level}")


def _content_type(document: Document) -> Header:
    return {} if document.media_type is None else {"cty": shorten(document.media_type)}
