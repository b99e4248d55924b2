"""JAdES signatures at baseline B (ETSI TS 119 182-1 V1.2.1 §6), around the document or detached from it by its hash."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from agent.signing.documents import BYTES, Document
from agent.signing.jose import BY_URI_HASH, encode, shorten
from agent.signing.jws import Header, JwsUnsigned, describe_signer, describe_type, require_level_b
from agent.signing.policies import read_uri
from agent.signing.preparation import Outside, Policy, SignatureTerms, Signer, refuse_options, refuse_uris
from agent.signing.words import Packaging

TERMS = SignatureTerms


def check(documents: Sequence[Document], terms: SignatureTerms, outside: Outside) -> None:
    """Refuse what JAdES has no place for."""
    del outside
    refuse_options(terms, "reason", "location", "field", "appearance")
    require_level_b(terms)
    _claims(terms)
    if terms.packaging is not Packaging.DETACHED:
        refuse_uris(documents, terms)
        for document in documents:
            document.read()


def prepare(
    documents: Sequence[Document], terms: SignatureTerms, signer: Signer, outside: Outside
) -> Iterator[JwsUnsigned]:
    """Make one for each document."""
    del outside
    common = describe_signer(signer) | {"typ": describe_type(terms), "iat": int(time.time())} | _claims(terms)
    detached = terms.packaging is Packaging.DETACHED
    for document in documents:
        content = _by_hash(document) if detached else {"cty": _kind(document)}
        yield JwsUnsigned(document.name, common | content, None if detached else document.read(), terms)


def _claims(terms: SignatureTerms) -> Header:
    """Role and policy (§5.2.5, §5.2.7)."""
    claims: Header = {}
    if terms.claimed_role is not None:
        role = {"mediaType": "text/plain", "encoding": "binary", "qVals": [terms.claimed_role]}
        claims["srAts"] = {"claimed": [role]}
    if terms.policy is not None:
        claims["sigPId"] = _describe_policy(terms.policy)
    return claims


def _describe_policy(policy: Policy) -> dict[str, Any]:
    """An object identifier stands as a URN (§5.4.1, RFC 3061). Raises TermsRefusedError."""
    described = {"id": {"id": read_uri(policy)}, "digAlg": "S256", "digVal": encode(policy.sha256).decode()}
    return described if policy.uri is None else described | {"sigPQuals": [{"spURI": policy.uri}]}


def _by_hash(document: Document) -> Header:
    """The document named and hashed in `sigD`, with an empty payload (§5.2.8.3.3).

    Only with b64 false (RFC 7797) is that the hash of the document itself, not of its base64url: whoever has made it
    need not send the document, and whoever verifies it need not encode it.
    """
    signed_data = {
        "mId": BY_URI_HASH,
        "pars": [document.uri or quote(document.name, safe="")],
        "hashM": "S256",
        "hashV": [encode(document.sha256).decode()],
        "ctys": [_kind(document)],
    }
    return {"b64": False, "sigD": signed_data, "crit": ["b64", "sigD"]}


def _kind(document: Document) -> str:
    return shorten(document.media_type or BYTES)
