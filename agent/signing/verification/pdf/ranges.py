"""What a signature in a PDF covers, by its bytes alone: /ByteRange and the room left out (ISO 32000-1 §12.8.1).

Stricter than the standard: two ranges from the first byte on, around one hexadecimal string, in one case of letters,
that is the signature. So no room is left for anything to hide in (the attacks named USF and SWA in the literature).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import parser

from agent.signing.signeddata import HASHES, SignatureFaultError
from agent.signing.verification.findings import Reason

HEXADECIMAL: Final = re.compile(rb"<([0-9A-F]*|[0-9a-f]*)>")
TAIL: Final = re.compile(rb"startxref[\r\n\t ]+(\d{1,20})[\r\n\t ]+%%EOF[\r\n\t \x00]*\Z")
TAIL_BYTES: Final = 1024


@dataclass(frozen=True, slots=True)
class Covered:
    """`start` and `end`: of the room for the signature, brackets included; `total`: where the second range ends.

    `signature`: what stands in the room, without the zeros that fill it up.
    """

    start: int
    end: int
    total: int
    signature: bytes


def read_range(content: bytes, byte_range: Sequence[Any], value: bytes) -> Covered:
    """Look whether these ranges leave out the signature and nothing else. Raises SignatureFaultError.

    `byte_range`, `value`: the entries /ByteRange and /Contents, as they were parsed.
    """
    numbers = [int(each) for each in byte_range] if all(isinstance(each, int) for each in byte_range) else []
    if len(numbers) != 4 or numbers[0] != 0 or min(numbers) < 0:
        raise SignatureFaultError(Reason.NOT_COVERED, f"a /ByteRange of other parts: {list(byte_range)[:8]}")
    _, start, end, rest = numbers
    total = end + rest
    if not 0 < start < end < total <= len(content):
        raise SignatureFaultError(Reason.NOT_COVERED, f"a /ByteRange that does not fit the file: {numbers}")
    room = HEXADECIMAL.fullmatch(content, start, end)
    if room is None or len(room[1]) % 2 or bytes.fromhex(room[1].decode("ascii")) != value:
        raise SignatureFaultError(Reason.NOT_COVERED, "the /ByteRange leaves out something else than the signature")
    return Covered(start, end, total, _strip(value))


def _strip(value: bytes) -> bytes:
    """The one structure that stands there, followed by nothing but zeros."""
    try:
        length = parser.peek(value)
    except (ValueError, IndexError) as error:
        raise SignatureFaultError(Reason.MALFORMED, "the signature is no CMS") from error
    if value[length:].strip(b"\0"):
        raise SignatureFaultError(Reason.MALFORMED, "something stands behind the signature")
    return value[:length]


def digest_covered(content: bytes, covered: Covered, name: str) -> bytes:
    """The hash of both ranges, b"" for a hash that is not taken."""
    if name not in HASHES:
        return b""
    digest, view = hashlib.new(name), memoryview(content)
    digest.update(view[: covered.start])
    digest.update(view[covered.end : covered.total])
    return digest.digest()


def ends_with_table(content: bytes, startxref: int) -> bool:
    """Whether the file ends where its last cross-reference table says: what stands behind it, some programs show."""
    found = TAIL.search(content, max(0, len(content) - TAIL_BYTES))
    return found is not None and int(found[1]) == startxref
