"""Values of a certificate's private extensions, loosely: they are DER inside extnValue, on cards that we have seen."""

from __future__ import annotations

from cryptography import x509

from drivers.card.tlv import Tlv, read_tlvs
from drivers.errors import CardUnknownError

TAG_INTEGER, TAG_OCTET_STRING, TAG_SEQUENCE = 0x02, 0x04, 0x30
TEXT_TAGS = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String
MAX_TEXT = 64
MAX_INTEGER = 4  # bytes

UNREADABLE = (
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
    ValueError,
    TypeError,
)


def read_integer(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> int | None:
    """The INTEGER of an extension, or None."""
    value = _first(certificate, oid, TAG_INTEGER)
    return int.from_bytes(value) if value and len(value) <= MAX_INTEGER else None


def read_octets(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    """The OCTET STRING of an extension, or None."""
    return _first(certificate, oid, TAG_OCTET_STRING)


def read_text(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    """The string of an extension, or None."""
    return next(iter(_texts(_content(certificate, oid))), None)


def read_texts(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    """The strings of the SEQUENCE that an extension holds."""
    sequence = _first(certificate, oid, TAG_SEQUENCE)
    return _texts(sequence or b"")


def _texts(content: bytes) -> tuple[str, ...]:
    values = (item.value for item in _items(content) if item.tag in TEXT_TAGS)
    return tuple(value[:MAX_TEXT].decode("utf-8", errors="replace") for value in values if value)


def _first(certificate: x509.Certificate, oid: x509.ObjectIdentifier, tag: int) -> bytes | None:
    return next((item.value for item in _items(_content(certificate, oid)) if item.tag == tag), None)


def _items(content: bytes) -> list[Tlv]:
    try:
        return list(read_tlvs(content))
    except CardUnknownError:
        return []


def _content(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes:
    """What extnValue holds; nothing where the extension, or the certificate's list of them, cannot be read."""
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except UNREADABLE:
        return b""
    return value.value if isinstance(value, x509.UnrecognizedExtension) else b""
