"""POST /v1/signatures as multipart/form-data (RFC 7578): the part `request`, then one file per document, streamed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import BodyPartReader, MultipartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from agent.api.problems import BodyTooLargeError, CallError
from agent.api.schemas import LARGE_BODY, SMALL_BODY, UPLOAD_BODY, DocumentBody, SignatureBody, parse_body
from agent.api.terms import read_terms
from agent.signing.documents import Document
from agent.signing.preparation import SignatureTerms
from agent.signing.words import RULES, Format, Packaging


async def read_upload(request: web.Request) -> tuple[SignatureBody, list[Document]]:
    """Read request and files. Nothing is kept of a file but its hash, unless the signature is to hold it.

    Raises CallError, BodyTooLargeError.
    """
    async with as_call_errors():
        reader = await request.multipart()
        body = parse_body(await read_part(await next_part(reader, "request"), SMALL_BODY), SignatureBody)
        if body.format is Format.RAW:
            raise CallError("an upload is not signed in the format raw")
        terms = read_terms(body)
        documents = [await _read_document(reader, document, terms) for document in body.documents]
        if await reader.next() is not None:
            raise CallError("more files than documents")
    return body, documents


@asynccontextmanager
async def as_call_errors() -> AsyncIterator[None]:
    """Whatever aiohttp raises on a broken body becomes CallError."""
    try:
        yield
    except (ValueError, AssertionError, RuntimeError, LookupError, HttpProcessingError) as error:
        raise CallError("the body is not multipart/form-data as RFC 7578 has it") from error


async def next_part(reader: MultipartReader, what: str) -> BodyPartReader:
    """The part that has to follow. Raises CallError."""
    part = await reader.next()
    if part is None:
        raise CallError(f"the part for {what} is missing")
    part = require_plain(part)
    if what == "request" and part.name != "request":
        raise CallError("the first part is named request")
    return part


def require_plain(part: MultipartReader | BodyPartReader) -> BodyPartReader:
    """Raise CallError for a part of parts, and for one in an encoding."""
    if not isinstance(part, BodyPartReader):
        raise CallError("a part holds no parts")
    if hdrs.CONTENT_TRANSFER_ENCODING in part.headers or hdrs.CONTENT_ENCODING in part.headers:
        raise CallError("a part is sent as it is, without an encoding")
    return part


async def read_part(part: BodyPartReader, cap: int) -> bytes:
    """All of a part. Raises BodyTooLargeError."""
    content = bytearray()
    while piece := await part.read_chunk():
        content += piece
        if len(content) > cap:
            raise BodyTooLargeError(f"this part takes {cap} bytes")
    return bytes(content)


async def _read_document(reader: MultipartReader, document: DocumentBody, terms: SignatureTerms) -> Document:
    if document.content is not None or document.digest is not None or document.digest_algorithm is not None:
        raise CallError("in an upload the contents follow as files")
    part = await next_part(reader, document.name)
    if part.filename is not None and part.filename != document.name:
        raise CallError(f"the file {part.filename!r} stands where the document {document.name!r} is expected")
    if terms.packaging is not Packaging.DETACHED or not RULES[terms.format].takes_digests:
        content = await read_part(part, LARGE_BODY)
        return Document.of(document.name, content, document.media_type, document.uri)
    size, sha256 = await _hash_part(part)
    return Document(document.name, size, sha256, None, document.media_type, document.uri)


async def _hash_part(part: BodyPartReader) -> tuple[int, bytes]:
    """Size and SHA-256."""
    digest, length = hashlib.sha256(), 0
    while piece := await part.read_chunk():
        digest.update(piece)
        length += len(piece)
        if length > UPLOAD_BODY:
            raise BodyTooLargeError(f"an upload takes {UPLOAD_BODY} bytes")
    return length, digest.digest()
