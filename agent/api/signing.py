"""POST /v1/signatures: documents in a format, or hashes; each call is an entry of the journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from aiohttp import web

from agent.access.callers import Ability, Caller
from agent.access.consents import asker_of
from agent.api.callers import require
from agent.api.context import call, services
from agent.api.media import MULTIPART
from agent.api.problems import CallError
from agent.api.schemas import LARGE_BODY, SignatureBody, document_digest, read_body
from agent.api.terms import read_document, read_terms
from agent.api.uploads import read_upload
from agent.api.using import begin
from agent.api.views import signature_view
from agent.cards.uses import UnlockedKey, UseRequest
from agent.people.prompt import Action
from agent.signing.documents import Document, NamedDigest, Signature
from agent.signing.raw import sign_raw
from agent.signing.signing import PADDINGS
from agent.signing.words import RULES, Format, Level, Packaging
from agent.signing.workshop import Task
from drivers.base import KeyRole

SHOWN = {
    Format.RAW: "RSA",
    Format.CMS: "CMS / CAdES",
    Format.CADES: "CAdES",
    Format.XADES: "XAdES",
    Format.XMLDSIG: "XML-DSig",
    Format.PADES: "PDF / PAdES",
    Format.ASIC_E: "ASiC-E / XAdES",
    Format.JWS: "JWS",
    Format.JADES: "JAdES",
}
"""As people meet these names."""

WITHOUT_LEVELS = frozenset({Format.RAW, Format.XMLDSIG, Format.JWS})
NOT_RAW = ("level", "serialization", "policy", "claimed_role", "reason", "location", "field", "appearance")


async def sign(request: web.Request) -> web.Response:
    """POST /v1/signatures: sign documents in a format, with one code for all of them."""
    state = begin(request, Ability.SIGN)
    body, documents = await _read_signature_body(request)
    state.record.subject = ", ".join(document.name for document in body.documents)[:255]
    signatures = await (_sign_raw(request, body) if body.format is Format.RAW else _sign(request, body, documents))
    return web.json_response({"signatures": [signature_view(signature) for signature in signatures]})


async def _read_signature_body(request: web.Request) -> tuple[SignatureBody, list[Document]]:
    """Read what is to be signed, from JSON or from an upload; no documents for the format raw."""
    if request.content_type == MULTIPART:
        return await read_upload(request)
    body = await read_body(request, SignatureBody, LARGE_BODY)
    if body.format is Format.RAW:
        return body, []
    terms = read_terms(body)
    return body, [read_document(document, terms) for document in body.documents]


async def _sign(request: web.Request, body: SignatureBody, documents: list[Document]) -> list[Signature]:
    terms = read_terms(body)
    caller = await require(request, Ability.SIGN)
    use = describe_use(request, caller, body)
    if not all(document.is_seen for document in documents):
        use.record.action = str(Action.SIGN_DIGESTS)
        use = replace(use, action=Action.SIGN_DIGESTS)
    else:
        use = replace(use, sizes=tuple(document.size or 0 for document in documents))
    task = Task(str(body.format), terms, documents, count=1 if RULES[body.format].joins else None)
    granted = still_granted(request, caller, Ability.SIGN)
    return await services(request).signing.desk.sign(use, task, body.scheme, granted)


async def _sign_raw(request: web.Request, body: SignatureBody) -> list[Signature]:
    _refuse_options(body)
    digests = [
        NamedDigest(document.name, document_digest(document, PADDINGS[body.scheme])) for document in body.documents
    ]
    caller = await require(request, Ability.SIGN_RAW)
    granted = still_granted(request, caller, Ability.SIGN_RAW)

    async def make(key: UnlockedKey) -> list[Signature]:
        granted()
        return await sign_raw(key, digests)

    use = replace(describe_use(request, caller, body), sample=digests[0].digest)
    return await services(request).uses.sign(use, KeyRole.SIGNATURE, make)


def _refuse_options(body: SignatureBody) -> None:
    """Raise CallError for what raw signatures have no place for: nothing that is asked for is passed over."""
    if body.packaging not in (None, Packaging.DETACHED) or body.detached is False:
        raise CallError("format raw is detached")
    given = [name for name in NOT_RAW if getattr(body, name) is not None]
    if given:
        raise CallError(f"format raw takes no {', '.join(given)}")
    if any(document.uri is not None for document in body.documents):
        raise CallError("format raw takes no uri")


def describe_use(request: web.Request, caller: Caller, body: SignatureBody) -> UseRequest:
    """What the person is asked and the journal is told."""
    return UseRequest(
        asker_of(caller),
        Action.SIGN_RAW if body.format is Format.RAW else Action.SIGN,
        call(request).record,
        subjects=tuple(document.name for document in body.documents),
        format=name_format(body.format, body.level or Level.B),
        card_number=body.card_number,
    )


def name_format(chosen: Format, level: Level) -> str:
    """Format and level, as people meet them."""
    return SHOWN[chosen] if chosen in WITHOUT_LEVELS else f"{SHOWN[chosen]}-{level}"


def still_granted(request: web.Request, caller: Caller, ability: Ability) -> Callable[[], None]:
    """Raise when the grant was taken back while the person was asked."""
    return partial(services(request).grants.require, caller, ability)
