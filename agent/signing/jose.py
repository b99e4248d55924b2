"""What JWS and JAdES have in common with their reader: base64url, and how hashes and kinds of content are named."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from agent.signing.words import Serialization

MEDIA_TYPES: Final = {
    Serialization.COMPACT: "application/jose",
    Serialization.JSON: "application/jose+json",
}
BY_URI_HASH: Final = "http://uri.etsi.org/19182/ObjectIdByURIHash"
"""The data is named by a URI, and its hash stands in the header (ETSI TS 119 182-1 §5.2.8.3.3)."""
HASHES: Final = {"S256": "sha256", "S384": "sha384", "S512": "sha512"}
"""Names of hashes in JAdES, and hashlib's."""

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*\Z")


def encode(content: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2), as ASCII."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def decode(text: str) -> bytes:
    """The one reading of base64url without padding. Raises ValueError for any other spelling of the same bytes."""
    if not _ALPHABET.match(text):
        raise ValueError("not base64url")
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode(content) != text.encode("ascii"):  # bits of the last character that are no content
        raise ValueError("not canonical base64url")
    return content


def shorten(media_type: str) -> str:
    """A media type as `typ`, `cty` and `ctys` have it: without `application/` (RFC 7515 §4.1.10)."""
    kind, _, name = media_type.partition("/")
    return name if kind == "application" else media_type
