"""Who a card certificate is about (IGC-Santé profile: subject, and extensions 1.2.250.1.71.*)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from agent.certificates.nomenclature import PROFESSIONS, SPECIALITIES, find_label
from drivers.card.tlv import find_tlv, read_tlvs
from drivers.errors import CardUnknownError

OID_CARD_TYPE = x509.ObjectIdentifier("1.2.250.1.71.1.2.2")
OID_CARD_CATEGORY = x509.ObjectIdentifier("1.2.250.1.71.1.2.5")
OID_PROFESSION = x509.ObjectIdentifier("1.2.250.1.71.1.2.7")
OID_SPECIALITY = x509.ObjectIdentifier("1.2.250.1.71.4.2.5")

CARD_TYPES = {0: "CPS", 1: "CPF", 2: "CPE", 3: "CPA"}
TEST_CATEGORY = 0x80
RPPS_PREFIX = "8"  # IdNat_PS of a professional with an RPPS number: 8 followed by its 11 digits


@dataclass(frozen=True, slots=True)
class Coded:
    """A code of the ANS tables with its French label."""

    code: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Holder:
    """The person of a certificate; names are None on cards that name nobody."""

    kind: str | None
    test: bool
    family_name: str | None
    given_name: str | None
    national_id: str | None
    title: str | None
    profession: Coded | None
    speciality: Coded | None

    @property
    def rpps(self) -> str | None:
        """The RPPS number within the national id."""
        national_id = self.national_id or ""
        digits = national_id.removeprefix(RPPS_PREFIX)
        is_rpps = national_id.startswith(RPPS_PREFIX) and len(digits) == 11 and digits.isdigit()
        return digits if is_rpps else None

    @property
    def display_name(self) -> str:
        """What a dialog calls the holder."""
        return " ".join(filter(None, (self.title, self.given_name, self.family_name))) or self.national_id or ""


def read_holder(certificate: x509.Certificate) -> Holder:
    """Read subject and extensions; what is absent or unreadable is None."""
    category = _octets(certificate, OID_CARD_CATEGORY)
    kind = _integer(certificate, OID_CARD_TYPE)
    profession = _integer(certificate, OID_PROFESSION)
    return Holder(
        kind=CARD_TYPES.get(kind) if kind is not None else None,
        test=bool(category and category[0] & TEST_CATEGORY),
        family_name=_attribute(certificate, NameOID.SURNAME),
        given_name=_attribute(certificate, NameOID.GIVEN_NAME),
        national_id=_attribute(certificate, NameOID.COMMON_NAME),
        title=_attribute(certificate, NameOID.TITLE),
        profession=None if profession is None else _coded(PROFESSIONS, f"{profession:02d}"),
        speciality=_speciality(certificate),
    )


def _coded(table: str, code: str) -> Coded:
    return Coded(code, find_label(table, code))


def _speciality(certificate: x509.Certificate) -> Coded | None:
    content = _extension(certificate, OID_SPECIALITY)
    code = find_tlv(content, 0x30, 0x0C) if content else None
    return _coded(SPECIALITIES, code.value.decode("utf-8", errors="replace")[:16]) if code else None


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else None


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    try:
        value = certificate.extensions.get_extension_for_oid(oid).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    return value.value if isinstance(value, x509.UnrecognizedExtension) else None


def _first_value(certificate: x509.Certificate, oid: x509.ObjectIdentifier, tag: int) -> bytes | None:
    content = _extension(certificate, oid)
    if content is None:
        return None
    try:
        return next((item.value for item in read_tlvs(content) if item.tag == tag), None)
    except CardUnknownError:
        return None


def _octets(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    return _first_value(certificate, oid, 0x04)


def _integer(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> int | None:
    value = _first_value(certificate, oid, 0x02)
    return int.from_bytes(value[:4]) if value else None
