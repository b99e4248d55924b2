"""Routes about batches: a manifest, the contents that it needs, one start, and the signatures one by one."""

from __future__ import annotations

import hashlib

from aiohttp import web
from msgspec import structs

from agent.access.callers import Ability, Caller
from agent.api.batch_views import batch_in_brief, batch_view
from agent.api.callers import name_caller, refuse_ungranted_page, require
from agent.api.context import services
from agent.api.problems import BodyTooLargeError, CallError, UnsupportedMediaError
from agent.api.schemas import (
    LARGE_BODY,
    UPLOAD_BODY,
    BatchBody,
    BatchDocumentBody,
    StartBody,
    StopBody,
    TermsBody,
    read_body,
)
from agent.api.signing import name_format
from agent.api.terms import read_terms
from agent.api.views import signature_view
from agent.signing.batch import Batch, Item
from agent.signing.documents import Document
from agent.signing.preparation import SignatureTerms
from agent.signing.words import RULES, Format
from agent.signing.workshop import Task

OCTETS = "application/octet-stream"


async def create_batch(request: web.Request) -> web.Response:
    """POST /v1/batches: fix what is to be signed; nothing is asked of the person but the ability."""
    refuse_ungranted_page(request, Ability.BATCH)
    body = await read_body(request, BatchBody, LARGE_BODY)
    items = _read_items(body)
    caller = await require(request, Ability.BATCH)
    served = services(request)
    await served.signing.desk.look(caller, [_example(terms) for terms in _each_terms(items)])
    batch = Batch(caller, items, body.scheme, _label(items), body.card_number)
    served.signing.batches.add(batch)
    return web.json_response(batch_in_brief(batch), status=201)


async def list_batches(request: web.Request) -> web.Response:
    """GET /v1/batches: the caller's own."""
    owner = await _require_owner(request)
    return web.json_response(
        {"batches": [batch_in_brief(batch) for batch in services(request).signing.batches.list_for(owner)]}
    )


async def read_batch(request: web.Request) -> web.Response:
    """GET /v1/batches/{id}: how far it is, document by document."""
    return web.json_response(batch_view(await _find(request)))


async def add_content(request: web.Request) -> web.Response:
    """PUT /v1/batches/{id}/documents/{n}: the content of a document, as it is; any other than announced is refused."""
    batch = await _find(request)
    batch.require_open()
    if request.content_type != OCTETS:
        raise UnsupportedMediaError(f"contents are sent as {OCTETS}")
    item = _item(request, batch)
    size, sha256, content = await _receive(request, item)
    batch.require_open()  # it may have been started while the content came
    item.take(size, sha256, content)
    return web.Response(status=204)


async def start_batch(request: web.Request) -> web.Response:
    """POST /v1/batches/{id}/start: ask for one code and sign all that is left, in the background."""
    owner = await _require_owner(request)
    await read_body(request, StartBody)
    batch = services(request).signing.batches.start(owner, request.match_info["id"])
    return web.json_response(batch_in_brief(batch), status=202)


async def stop_batch(request: web.Request) -> web.Response:
    """POST /v1/batches/{id}/stop: pause it before the card's next transaction; what is signed stays."""
    owner = await _require_owner(request)
    await read_body(request, StopBody)
    return web.json_response(
        batch_in_brief(await services(request).signing.batches.stop(owner, request.match_info["id"]))
    )


async def read_signature(request: web.Request) -> web.Response:
    """GET /v1/batches/{id}/documents/{n}: the signature of a document, or what keeps it from one."""
    batch = await _find(request)
    return web.json_response(signature_view(batch.signature(_place(request, batch))))


async def cancel_batch(request: web.Request) -> web.Response:
    """DELETE /v1/batches/{id}: stop it, and forget it with its signatures."""
    owner = await _require_owner(request)
    await services(request).signing.batches.cancel(owner, request.match_info["id"])
    return web.Response(status=204)


async def _require_owner(request: web.Request) -> Caller:
    """A caller that has the ability; it is asked for where a batch is made, never here."""
    caller = await name_caller(request)
    services(request).grants.require(caller, Ability.BATCH)
    return caller


async def _find(request: web.Request) -> Batch:
    return services(request).signing.batches.find(await _require_owner(request), request.match_info["id"])


def _place(request: web.Request, batch: Batch) -> int:
    """The place in the manifest, from 0, in plain digits."""
    text = request.match_info["n"]
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) < len(batch.items)):
        raise CallError("no such document in this batch")
    return int(text)


def _item(request: web.Request, batch: Batch) -> Item:
    return batch.items[_place(request, batch)]


async def _receive(request: web.Request, item: Item) -> tuple[int, bytes, bytes | None]:
    """Size, hash and, where the signature needs it, content. Raises BodyTooLargeError, BatchRoomError."""
    cap = LARGE_BODY if item.needs_content else UPLOAD_BODY
    if (request.content_length or 0) > cap:
        raise BodyTooLargeError(f"this document takes {cap} bytes")
    if not item.needs_content:
        return await _read(request, cap, None)
    content, expected = bytearray(), request.content_length or LARGE_BODY
    batches = services(request).signing.batches
    batches.reserve(expected)
    try:
        return await _read(request, cap, content)
    finally:
        batches.reserve(-expected)


async def _read(request: web.Request, cap: int, content: bytearray | None) -> tuple[int, bytes, bytes | None]:
    digest, size = hashlib.sha256(), 0
    async for piece in request.content.iter_chunked(64 * 1024):
        digest.update(piece)
        size += len(piece)
        if size > cap:
            raise BodyTooLargeError(f"this document takes {cap} bytes")
        if content is not None:
            content += piece
    return size, digest.digest(), None if content is None else bytes(content)


def _read_items(body: BatchBody) -> list[Item]:
    """The documents with their terms. Raises CallError for names that stand twice, and for what a format lacks."""
    if len({document.name for document in body.documents}) < len(body.documents):
        raise CallError("two documents have the same name")
    known: dict[tuple[object, ...], SignatureTerms] = {}
    return [_read_item(body, document, known) for document in body.documents]


def _read_item(body: BatchBody, document: BatchDocumentBody, known: dict[tuple[object, ...], SignatureTerms]) -> Item:
    key = (document.format, document.level, document.packaging)
    if key not in known:
        known[key] = read_terms(_own_terms(body, document))
        if known[key].format is Format.RAW:
            raise CallError("a batch is of documents in a format; raw signatures are asked one call at a time")
    announced = Document(document.name, None, document.digest, None, document.media_type, document.uri)
    return Item(announced, known[key], document.size)


def _own_terms(body: BatchBody, document: BatchDocumentBody) -> TermsBody:
    """The batch's terms with what this document has otherwise; another format begins with its own usual ones."""
    terms: TermsBody = body
    if document.format not in (None, body.format):
        terms = structs.replace(terms, format=document.format, level=None, packaging=None, detached=None)
    if document.level is not None:
        terms = structs.replace(terms, level=document.level)
    if document.packaging is not None:
        terms = structs.replace(terms, packaging=document.packaging, detached=None)
    return terms


def _example(terms: SignatureTerms) -> Task:
    """What tells whether the terms hold, without a document; a format that joins them wants one."""
    return Task(str(terms.format), terms, [Document.of("x", b"")] if RULES[terms.format].joins else [])


def _each_terms(items: list[Item]) -> list[SignatureTerms]:
    """Each terms once, in order."""
    return list(dict.fromkeys(item.terms for item in items))


def _label(items: list[Item]) -> str:
    """The formats, as people meet them."""
    return ", ".join(dict.fromkeys(name_format(terms.format, terms.level) for terms in _each_terms(items)))
