"""The root part of multipart/related (RFC 2387, RFC 2046 §5.1; MTOM, XOP): found in the bytes that have come so far.

Nothing is decoded and nothing is repaired: what two readers could take for two different parts is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from typing import Final

MAX_HEADERS: Final = 8 * 1024
BLANK_LINE: Final = b"\r\n\r\n"
PLAIN_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})
SINGLE: Final = ("Content-Type", "Content-ID", "Content-Transfer-Encoding", "Content-Length")

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_LENGTH = re.compile(rb"(?im)(^content-length:[ \t]*)\d+(?=[ \t]*\r$)")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


class MimeError(ValueError):
    """No multipart/related whose root part can be told; the message says why, in English, for a developer."""


@dataclass(frozen=True, slots=True)
class Related:
    """What a Content-Type says: the delimiter between parts, and the Content-ID of the root (None: the first part)."""

    delimiter: bytes
    start: str | None


@dataclass(frozen=True, slots=True)
class Root:
    """Where the root part stands: from its headers to the CRLF before the next delimiter. Offsets in bytes."""

    headers_start: int
    body_start: int
    body_end: int
    media_type: str

    def replace(self, held: bytes, content: bytes) -> tuple[bytes, bytes]:
        """What comes before and after the root with another content; a Content-Length of the part's own follows it."""
        headers = held[self.headers_start : self.body_start]
        headers = _LENGTH.sub(lambda found: found[1] + str(len(content)).encode(), headers)
        return held[: self.headers_start] + headers, held[self.body_end :]


def read_related(content_type: str) -> Related:
    """Read the parameters of multipart/related. Raises MimeError."""
    boundary = _read_parameter(content_type, "boundary")
    if boundary is None or not _BOUNDARY.fullmatch(boundary):
        raise MimeError("multipart/related without a boundary")
    start = _read_parameter(content_type, "start")
    return Related(b"--" + boundary.encode(), None if start is None else _bare_id(start))


def _read_parameter(content_type: str, name: str) -> str | None:
    """As loosely as it is written: many programs leave quotes out where RFC 2045 wants them."""
    message = Message()
    message["Content-Type"] = content_type
    found = [value for key, value in message.get_params([]) if key.lower() == name]
    if len(found) > 1 or any(not isinstance(value, str) for value in found):
        raise MimeError(f"Content-Type has {name} twice, or in pieces")
    return found[0] if found else None


def find_root(held: bytes, related: Related, *, is_all: bool) -> Root | None:
    """The root part, once it is there as a whole; None: more has to come. Raises MimeError.

    `is_all`: nothing more will come.
    """
    position = _first_delimiter(held, related.delimiter)
    while position is not None:
        part = _read_part(held, position + len(related.delimiter), b"\r\n" + related.delimiter)
        if part is None:
            break
        root, content_id = part
        if related.start in (None, content_id):
            return root
        position = root.body_end + 2
    if is_all:
        raise MimeError("the body ends before its root part does")
    return None


def _first_delimiter(held: bytes, delimiter: bytes) -> int | None:
    if held.startswith(delimiter):
        return 0
    found = held.find(b"\r\n" + delimiter)
    return None if found < 0 else found + 2


def _read_part(held: bytes, after_delimiter: int, ending: bytes) -> tuple[Root, str | None] | None:
    """A whole part with its Content-ID. Raises MimeError at the last delimiter."""
    line_end = held.find(b"\r\n", after_delimiter)
    if line_end < 0:
        return None
    if held[after_delimiter:line_end].strip(b" \t"):
        raise MimeError("no part is the root, or the boundary stands within a longer line")
    headers_end = held.find(BLANK_LINE, line_end)
    if headers_end < 0 or headers_end - line_end > MAX_HEADERS:
        if len(held) - line_end > MAX_HEADERS:
            raise MimeError("a part of too many headers")
        return None
    if held.find(ending, line_end, headers_end) >= 0:
        raise MimeError("a part whose headers do not end before the next part")
    body_start = headers_end + len(BLANK_LINE)
    body_end = held.find(ending, body_start - 2)
    if body_end < 0:
        return None
    return _describe(held, line_end + 2, body_start, max(body_start, body_end))


def _describe(held: bytes, headers_start: int, body_start: int, body_end: int) -> tuple[Root, str | None]:
    block = held[headers_start:body_start]
    if _BARE.search(block):
        raise MimeError("a part whose headers end their lines in two ways")
    headers = BytesParser().parsebytes(block, headersonly=True)
    if any(len(headers.get_all(name, [])) > 1 for name in SINGLE):
        raise MimeError("a part with the same header twice")
    if str(headers.get("Content-Transfer-Encoding", "binary")).strip().lower() not in PLAIN_ENCODINGS:
        raise MimeError("a part that is encoded: send it as it is (binary)")
    content_id = headers.get("Content-ID")
    return Root(headers_start, body_start, body_end, headers.get_content_type()), content_id and _bare_id(content_id)


def _bare_id(text: str) -> str:
    return str(text).strip().removeprefix("<").removesuffix(">")
