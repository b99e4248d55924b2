"""Which family of formats a file is of: told by its first bytes alone, whatever its name says."""

from __future__ import annotations

import base64
import re
from typing import Final

_PEM: Final = re.compile(
    rb"\s*-----BEGIN (CMS|PKCS7|PKCS #7 SIGNED DATA)-----\r?\n([A-Za-z0-9+/=\s]+)-----END \1-----\s*\Z"
)
_COMPACT: Final = re.compile(rb"\s*[A-Za-z0-9_-]{2,65536}\.[A-Za-z0-9_-]*\.")
_XML: Final = re.compile(rb"(\xef\xbb\xbf)?\s*<|\xff\xfe<\x00|\xfe\xff\x00<")
_ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06")
PDF_WINDOW: Final = 1024
"""Readers of PDF look for its header so far into a file (ISO 32000-1, implementation note 13 of Annex H)."""


def find_family(content: bytes) -> str | None:
    """A name of `readers.READERS`, or None for what no format of signatures begins with."""
    if content.startswith(b"%PDF-"):
        return "pdf"
    if content.startswith(_ZIPS):
        return "asic"
    if _XML.match(content):
        return "xml"
    if content[:1] == b"\x30" or _PEM.match(content):
        return "cms"
    if content.lstrip()[:1] == b"{" or _COMPACT.match(content):
        return "jose"
    return "pdf" if b"%PDF-" in content[:PDF_WINDOW] else None


def unwrap(content: bytes) -> bytes:
    """DER out of PEM (RFC 7468 §9); everything else as it is."""
    found = _PEM.match(content)
    return content if found is None else base64.b64decode(found[2])
