"""X.509 certificates as cards hold them (RFC 5280 §4.1), read loosely.

Genuine cards of 2016 have an RDN of three attributes that DER would sort otherwise; libraries refuse them, we do not.
The bytes of a certificate are kept and handed out as they are. What is trusted is decided elsewhere: see `issuing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drivers.card.der import (
    TAG_BIT_STRING,
    TAG_BOOLEAN,
    TAG_INTEGER,
    TAG_OCTET_STRING,
    TAG_OID,
    TAG_SEQUENCE,
    Element,
    Elements,
    read_bits,
    read_integer,
    read_oid,
    read_time,
    read_whole,
)
from drivers.card.names import Name, parse_name
from drivers.errors import CardUnknownError

MAX_CERTIFICATE = 0x10000  # bytes; a card file has half of it at most
MAX_EXTENSIONS = 64
VERSION, ISSUER_ID, SUBJECT_ID, EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3
VERSIONS = range(3)  # v1 to v3


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate. `extensions`: contents of extnValue by dotted identifier, without those of `repeated`.

    `repeated` stand more than once, so that none of them can be believed. Moments are in UTC. `signature_oid` is the
    algorithm that stands beside the signature, `signed_oid` the one within what is signed: they must be the same.
    """

    der: bytes
    serial_number: int
    subject: Name
    issuer: Name
    not_before: datetime
    not_after: datetime
    public_key_der: bytes
    extensions: Mapping[str, bytes] = field(hash=False)
    repeated: frozenset[str]
    tbs_der: bytes
    signature_oid: str
    signed_oid: str
    signature: bytes


def parse_certificate(der: bytes) -> Certificate:
    """Parse a certificate, all of these bytes. Raises CardUnknownError."""
    if len(der) > MAX_CERTIFICATE:
        raise CardUnknownError("a certificate longer than any")
    outer = Elements(read_whole(der, TAG_SEQUENCE, "a certificate").value, "a certificate")
    tbs, algorithm, signature = outer.take(TAG_SEQUENCE), outer.take(TAG_SEQUENCE), outer.take(TAG_BIT_STRING)
    parts = Elements(tbs.value, "what a certificate certifies")
    _require_version(parts.take_if(VERSION))
    serial_number = read_integer(parts.take(TAG_INTEGER).value)
    signed_algorithm = parts.take(TAG_SEQUENCE)
    issuer = parse_name(parts.take(TAG_SEQUENCE))
    validity = Elements(parts.take(TAG_SEQUENCE).value, "a validity")
    subject = parse_name(parts.take(TAG_SEQUENCE))
    public_key = parts.take(TAG_SEQUENCE)
    extensions, repeated = _read_extensions(parts)
    return Certificate(
        der=der,
        serial_number=serial_number,
        subject=subject,
        issuer=issuer,
        not_before=read_time(validity.take_any()),
        not_after=read_time(validity.take_any()),
        public_key_der=public_key.der,
        extensions=extensions,
        repeated=repeated,
        tbs_der=tbs.der,
        signature_oid=_algorithm(algorithm),
        signed_oid=_algorithm(signed_algorithm),
        signature=read_bits(signature.value),
    )


def _require_version(element: Element | None) -> None:
    if element is not None:
        version = read_whole(element.value, TAG_INTEGER, "the version of a certificate")
        if read_integer(version.value) not in VERSIONS:
            raise CardUnknownError("a certificate of an unknown version")


def _algorithm(element: Element) -> str:
    return read_oid(Elements(element.value, "an algorithm").take(TAG_OID).value)


def _read_extensions(parts: Elements) -> tuple[dict[str, bytes], frozenset[str]]:
    """Those of a certificate by identifier, and the identifiers that stand more than once."""
    for unused in (ISSUER_ID, SUBJECT_ID):
        parts.take_if(unused)
    wrapped = parts.take_if(EXTENSIONS)
    found: dict[str, bytes] = {}
    repeated: set[str] = set()
    for oid, value in _extensions(wrapped) if wrapped else ():
        if oid in found:
            repeated.add(oid)
        found[oid] = value
    return {oid: value for oid, value in found.items() if oid not in repeated}, frozenset(repeated)


def _extensions(wrapped: Element) -> list[tuple[str, bytes]]:
    sequence = read_whole(wrapped.value, TAG_SEQUENCE, "extensions")
    return list(map(_extension, Elements(sequence.value, "extensions").take_all(TAG_SEQUENCE, MAX_EXTENSIONS)))


def _extension(element: Element) -> tuple[str, bytes]:
    parts = Elements(element.value, "an extension")
    oid = read_oid(parts.take(TAG_OID).value)
    parts.take_if(TAG_BOOLEAN)
    return oid, parts.take(TAG_OCTET_STRING).value
