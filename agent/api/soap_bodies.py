"""A SOAP message in a request's body: its envelope is held, what comes with it flows on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from agent.api.mime_roots import MimeError, Root, find_root, read_related
from agent.api.problems import UnsupportedMediaError
from agent.signing.errors import EnvelopeRefusedError

MAX_HELD: Final = 1024 * 1024
PIECE: Final = 64 * 1024
SOAP: Final = "application/soap+xml"
XOP: Final = "application/xop+xml"
RELATED: Final = "multipart/related"
SOAP_1_1: Final = "text/xml"


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """What has been read of a body, up to the end of its envelope at least; `rest` gives what follows.

    `root` None: the body is the envelope. `length`: of the whole body, None where the caller sends it in chunks.
    """

    held: bytes
    root: Root | None
    rest: AsyncIterator[bytes]
    length: int | None

    @property
    def envelope(self) -> bytes:
        """The SOAP message itself."""
        return self.held if self.root is None else self.held[self.root.body_start : self.root.body_end]

    def with_envelope(self, content: bytes) -> tuple[AsyncIterator[bytes], int | None]:
        """The body with another envelope, and its length where that is known."""
        before, after = (b"", b"") if self.root is None else self.root.replace(self.held, content)
        grown = len(before) + len(content) + len(after) - len(self.held)
        return self._flow(before + content + after), None if self.length is None else self.length + grown

    async def _flow(self, first: bytes) -> AsyncIterator[bytes]:
        yield first
        async for piece in self.rest:
            yield piece


async def hold_message(request: web.Request) -> HeldMessage:
    """Read as far as the envelope goes. Raises EnvelopeRefusedError, UnsupportedMediaError."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise UnsupportedMediaError("an assertion goes into no compressed body")
    if request.content_type == SOAP_1_1:
        raise EnvelopeRefusedError("text/xml is SOAP 1.1: send SOAP 1.2 (application/soap+xml)")
    pieces = request.content.iter_chunked(PIECE)
    if request.content_type == SOAP:
        return HeldMessage(await _read_whole(pieces), None, pieces, request.content_length)
    if request.content_type != RELATED:
        raise UnsupportedMediaError(f"an assertion goes into {SOAP} or {RELATED}")
    try:
        return await _hold_root(request, pieces)
    except MimeError as error:
        raise EnvelopeRefusedError(str(error)) from error


async def _read_whole(pieces: AsyncIterator[bytes]) -> bytes:
    held = bytearray()
    async for piece in pieces:
        held += piece
        _require_room(held)
    return bytes(held)


async def _hold_root(request: web.Request, pieces: AsyncIterator[bytes]) -> HeldMessage:
    related = read_related(request.headers.get(hdrs.CONTENT_TYPE, ""))
    held = bytearray()
    async for piece in pieces:
        held += piece
        root = find_root(bytes(held), related, is_all=False)
        if root is not None:
            break
        _require_room(held)
    else:
        root = find_root(bytes(held), related, is_all=True)
    assert root is not None
    if root.media_type not in (SOAP, XOP):
        raise EnvelopeRefusedError(f"its root part is {root.media_type}: send {XOP} or {SOAP}")
    return HeldMessage(bytes(held), root, pieces, request.content_length)


def _require_room(held: bytearray) -> None:
    if len(held) > MAX_HELD:
        raise EnvelopeRefusedError(f"the envelope is not within the first {MAX_HELD} bytes")
