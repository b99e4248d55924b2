"""What is to be verified, out of a call: from JSON, or from multipart/form-data (RFC 7578) for larger files.

An upload has the part `request` first, then the file of each document, in order; a part named `detachedContent` after
it is what its signatures sign.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from io import BytesIO
from typing import BinaryIO, Final, cast

from aiohttp import BodyPartReader, MultipartReader, web

from agent.api.problems import BodyTooLargeError, CallError
from agent.api.schemas import SMALL_BODY, SignedBody, VerificationBody, parse_body
from agent.api.uploads import as_call_errors, next_part, read_part, require_plain
from agent.certificates.pem import read_certificates
from agent.signing.messages import MAX_BLOBS
from agent.signing.verification.verifier import Held, Question

DETACHED: Final = "detachedContent"
IN_MEMORY: Final = 1024 * 1024


def read_anchors(anchors: tuple[bytes, ...]) -> list[bytes]:
    """DER of each certificate. Raises CallError."""
    try:
        return [der for anchor in anchors for der in read_certificates(anchor)]
    except ValueError as error:
        raise CallError("an anchor is a certificate, DER or PEM") from error


def hold(document: SignedBody) -> Question:
    """A document of a JSON body. Raises CallError."""
    if document.content is None:
        raise CallError("a document has content")
    return Question(document.name, _held(document.content), _held_or_none(document.detached_content))


def _held(content: bytes) -> Held:
    return Held(BytesIO(content), len(content))


def _held_or_none(content: bytes | None) -> Held | None:
    return None if content is None else _held(content)


async def read_verification_upload(request: web.Request, stack: ExitStack) -> tuple[VerificationBody, list[Question]]:
    """Read request and files; these are in unnamed files of this process until the stack ends.

    Raises CallError, BodyTooLargeError.
    """
    async with as_call_errors():
        reader = await request.multipart()
        body = parse_body(await read_part(await next_part(reader, "request"), SMALL_BODY), VerificationBody)
        upload = _Upload(reader, stack)
        questions = [await upload.read(document) for document in body.documents]
        upload.require_end()
    return body, questions


class _Upload:
    """The files of one upload, one part ahead of what is read: whether one is detached shows in the next."""

    def __init__(self, reader: MultipartReader, stack: ExitStack) -> None:
        self._reader = reader
        self._stack = stack
        self._ahead: BodyPartReader | None = None
        self._ended = False
        self._left = MAX_BLOBS

    async def read(self, document: SignedBody) -> Question:
        """The file of a document, and the one that it signs if that follows."""
        if document.content is not None or document.detached_content is not None:
            raise CallError("in an upload the contents follow as files")
        part = self._ahead or await next_part(self._reader, document.name)
        if part.name == DETACHED:
            raise CallError("a detached content follows the file with its signature")
        content = await self._hold(part)
        await self._look_ahead()
        if self._ahead is None or self._ahead.name != DETACHED:
            return Question(document.name, content)
        detached = await self._hold(self._ahead)
        await self._look_ahead()
        return Question(document.name, content, detached)

    def require_end(self) -> None:
        """Raise CallError for a file of no document."""
        if self._ahead is not None:
            raise CallError("more files than documents")

    async def _look_ahead(self) -> None:
        part = await self._reader.next()
        self._ahead = None if part is None else require_plain(part)

    async def _hold(self, part: BodyPartReader) -> Held:
        file = self._stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - the stack is one
        size = 0
        while piece := await part.read_chunk():
            file.write(piece)
            size += len(piece)
            self._left -= len(piece)
            if self._left < 0:
                raise BodyTooLargeError(f"an upload takes {MAX_BLOBS} bytes")
        return Held(cast("BinaryIO", file), size)
