"""Values of a certificate's extensions that say who it is for, loosely: what cannot be read is left."""

from __future__ import annotations

from drivers.card.certificate import Certificate
from drivers.card.der import TAG_INTEGER, TAG_OCTET_STRING, TAG_SEQUENCE, Element, Elements
from drivers.card.names import read_text as read_string
from drivers.errors import CardUnknownError

OID_ALTERNATIVE_NAMES = "2.5.29.17"
TAG_OTHER_NAME = 0xA0
UPN = bytes.fromhex("2B060104018237140203")  # 1.3.6.1.4.1.311.20.2.3

MAX_TEXT = 64
MAX_INTEGER = 4  # bytes
MAX_ITEMS = 16


def read_integer(certificate: Certificate, oid: str) -> int | None:
    """The INTEGER of an extension, or None."""
    value = _first(certificate, oid, TAG_INTEGER)
    return int.from_bytes(value) if value and len(value) <= MAX_INTEGER else None


def read_octets(certificate: Certificate, oid: str) -> bytes | None:
    """The OCTET STRING of an extension, or None."""
    return _first(certificate, oid, TAG_OCTET_STRING)


def read_text(certificate: Certificate, oid: str) -> str | None:
    """The string of an extension, or None."""
    return next(iter(_texts(_content(certificate, oid))), None)


def read_texts(certificate: Certificate, oid: str) -> tuple[str, ...]:
    """The strings of the SEQUENCE that an extension holds."""
    return _texts(_first(certificate, oid, TAG_SEQUENCE) or b"")


def read_principal_name(certificate: Certificate) -> str | None:
    """The user principal name among the alternative names (RFC 5280 §4.2.1.6, otherName), or None."""
    names = _first(certificate, OID_ALTERNATIVE_NAMES, TAG_SEQUENCE) or b""
    others = (_items(name.value) for name in _items(names) if name.tag == TAG_OTHER_NAME)
    found = (parts[1] for parts in others if len(parts) == 2 and parts[0].value == UPN)
    return next((text for value in found for text in _texts(value.value)), None)


def _texts(content: bytes) -> tuple[str, ...]:
    texts = (read_string(item) for item in _items(content))
    return tuple(text[:MAX_TEXT] for text in texts if text)


def _first(certificate: Certificate, oid: str, tag: int) -> bytes | None:
    return next((item.value for item in _items(_content(certificate, oid)) if item.tag == tag), None)


def _items(content: bytes) -> list[Element]:
    """The first elements of some content; none of it where one cannot be read."""
    elements = Elements(content, "a private extension")
    found: list[Element] = []
    try:
        while not elements.ended and len(found) < MAX_ITEMS:
            found.append(elements.take_any())
    except CardUnknownError:
        return []
    return found


def _content(certificate: Certificate, oid: str) -> bytes:
    """What extnValue holds; nothing where the extension is absent, or stands twice."""
    return certificate.extensions.get(oid, b"")
