"""Distinguished names (ITU-T X.501 §9) as certificates hold them, whatever their order and the coding of strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from drivers.card.der import TAG_OID, TAG_SEQUENCE, TAG_SET, Element, Elements, read_oid

OID_COMMON_NAME, OID_SURNAME, OID_COUNTRY = "2.5.4.3", "2.5.4.4", "2.5.4.6"
OID_LOCALITY, OID_STATE, OID_ORGANIZATION, OID_UNIT = "2.5.4.7", "2.5.4.8", "2.5.4.10", "2.5.4.11"
OID_TITLE, OID_GIVEN_NAME, OID_PSEUDONYM = "2.5.4.12", "2.5.4.42", "2.5.4.65"

SHORT_NAMES = {
    OID_COMMON_NAME: "CN",
    OID_SURNAME: "SN",
    OID_COUNTRY: "C",
    OID_LOCALITY: "L",
    OID_STATE: "ST",
    OID_ORGANIZATION: "O",
    OID_UNIT: "OU",
    OID_TITLE: "title",
    OID_GIVEN_NAME: "GN",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
"""Of RFC 4514 §3 and, for people, of RFC 4519; other attributes keep their dotted identifiers."""

RFC2253_NAMES = {oid: name for oid, name in SHORT_NAMES.items() if name not in ("SN", "title", "GN")}
"""What RFC 2253 §2.3 names: surname, title and given name are not among them."""

ONE_BYTE_TAGS = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A})
"""UTF8String, NumericString, PrintableString, T61String, IA5String and VisibleString."""
WIDE_TAGS = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # BMPString, UniversalString

MAX_TEXT = 1024  # characters
MAX_RDNS, MAX_ATTRIBUTES = 64, 16

SPECIAL = str.maketrans({character: f"\\{character}" for character in '\\"+,;<>'} | {"\0": "\\00"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its type in dotted form, and its value as it stands."""

    oid: str
    value: Element

    @property
    def text(self) -> str | None:
        """The value of any type of string, or None."""
        return read_text(self.value)

    def rfc4514(self) -> str:
        """Type and value as RFC 4514 §2.3 and §2.4 write them."""
        text = self.text
        value = f"#{self.value.der.hex()}" if text is None else _escape(text)
        return f"{SHORT_NAMES.get(self.oid, self.oid)}={value}"

    def rfc2253(self, is_writable: Callable[[str], bool]) -> str:
        """As RFC 2253 §2.3 has it: types by name where it names them, else by OID with the value's DER (§2.4)."""
        text = self.text if self.oid in RFC2253_NAMES else None
        if text is None or len(text) >= MAX_TEXT or not is_writable(text):
            return f"{RFC2253_NAMES.get(self.oid, self.oid)}=#{self.value.der.hex()}"
        return f"{RFC2253_NAMES[self.oid]}={_escape(text)}"

    def canonical(self) -> tuple[str, str | bytes]:
        """What equal attributes share (RFC 5280 §7.1): case and spacing of text do not count."""
        text = self.text
        return self.oid, self.value.der if text is None else " ".join(text.split()).casefold()


@dataclass(frozen=True, slots=True)
class Name:
    """A name: its RDNs in their order, each of one attribute or several, and its DER."""

    rdns: tuple[tuple[Attribute, ...], ...]
    der: bytes

    def __iter__(self) -> Iterator[Attribute]:
        return (attribute for rdn in self.rdns for attribute in rdn)

    def texts(self, oid: str) -> tuple[str, ...]:
        """Texts of the attributes of that type, in their order; blank ones do not count."""
        found = (attribute.text for attribute in self if attribute.oid == oid)
        return tuple(text for text in found if text and text.strip())

    def rfc4514(self) -> str:
        """The name as text, its last RDN first (RFC 4514 §2.1)."""
        return ",".join("+".join(attribute.rfc4514() for attribute in rdn) for rdn in reversed(self.rdns))

    def rfc2253(self, is_writable: Callable[[str], bool]) -> str:
        """The name as text, its last RDN first (RFC 2253 §2.1); text that is not writable as hexadecimal DER."""
        return ",".join("+".join(part.rfc2253(is_writable) for part in rdn) for rdn in reversed(self.rdns))

    def matches(self, other: Name) -> bool:
        """Whether both name the same subject (RFC 5280 §7.1)."""
        return self.der == other.der or self._canonical() == other._canonical()

    def _canonical(self) -> list[frozenset[tuple[str, str | bytes]]]:
        return [frozenset(attribute.canonical() for attribute in rdn) for rdn in self.rdns]


def parse_name(element: Element) -> Name:
    """Parse the SEQUENCE of a name. Raises CardUnknownError."""
    rdns = Elements(element.value, "a name").take_all(TAG_SET, MAX_RDNS)
    return Name(tuple(tuple(_attributes(rdn)) for rdn in rdns), element.der)


def _attributes(rdn: Element) -> Iterator[Attribute]:
    for element in Elements(rdn.value, "a name").take_all(TAG_SEQUENCE, MAX_ATTRIBUTES):
        parts = Elements(element.value, "an attribute of a name")
        yield Attribute(read_oid(parts.take(TAG_OID).value), parts.take_any())


def read_text(element: Element) -> str | None:
    """Text of a string type, MAX_TEXT characters at most, or None for another type.

    What is not UTF-8, as Teletex strings and mistaken ones are in practice, is Latin-1.
    """
    if element.tag in WIDE_TAGS:
        text = element.value[: 4 * MAX_TEXT].decode(WIDE_TAGS[element.tag], errors="replace")
    elif element.tag in ONE_BYTE_TAGS:
        text = _decode(element.value)
    else:
        return None
    return text[:MAX_TEXT]


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _escape(text: str) -> str:
    escaped = text.translate(SPECIAL)
    if text.startswith("#") or (text.startswith(" ") and len(text) > 1):
        escaped = "\\" + escaped
    return escaped[:-1] + "\\ " if text.endswith(" ") else escaped
