"""The request that goes with an order: whom the certificate is for, and PKCS#10 (RFC 2986) that says so."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.certificates.identifiers import Identifier, IdentifierKind, read_structure_id
from agent.certificates.products import Product

PLACE: Final = re.compile(r"[^()]+ \((?:\d{2,3}|2[AB])\)")
"""A department with its number, as certificates have it: Rhône (69)."""
LIMITS: Final = {"place": 128, "organisation": 64, "structure_id": 64, "common_name": 64}
"""Upper bounds of X.520, in characters."""
PURPOSES: Final = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
}
USAGES: Final = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
}
OTHER_USAGES: Final = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


class SubjectRefusedError(Exception):
    """A subject that no certificate of the product has; `member` names the part of it that is wrong."""

    def __init__(self, member: str, message: str) -> None:
        super().__init__(message)
        self.member = member


@dataclass(frozen=True, slots=True)
class OrderSubject:
    """Whom a certificate is for: ST (a department with its number), O, OU (an IdNat_Struct) and CN."""

    place: str
    organisation: str
    structure_id: str
    common_name: str

    @property
    def structure(self) -> Identifier:
        """What the identifier is, and what its check digit says, which refuses nothing."""
        return read_structure_id(self.structure_id)

    def require_fit(self, product: Product) -> None:
        """Raise SubjectRefusedError for what cannot stand in a certificate of this product."""
        for member, limit in LIMITS.items():
            _require_text(member, getattr(self, member), limit)
        if not PLACE.fullmatch(self.place):
            raise SubjectRefusedError("place", "a department and its number, as in: Rhône (69)")
        if self.structure.kind is IdentifierKind.OTHER:
            raise SubjectRefusedError(
                "structure_id", "the identifier of a structure: 1 and a FINESS, 2 and a SIREN, 3 and a SIRET …"
            )
        if not product.takes_name(self.common_name):
            raise SubjectRefusedError("common_name", f"the name must be: {' / '.join(product.names) or product.name}")

    def name(self) -> x509.Name:
        """C, ST, O, OU and CN, in the order that certificates have."""
        values = (
            (NameOID.COUNTRY_NAME, "FR"),
            (NameOID.STATE_OR_PROVINCE_NAME, self.place),
            (NameOID.ORGANIZATION_NAME, self.organisation),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, self.structure_id),
            (NameOID.COMMON_NAME, self.common_name),
        )
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in values])


def build_request(product: Product, subject: OrderSubject, key: rsa.RSAPrivateKey) -> bytes:
    """A certificate request in DER, signed by the key (RFC 2986), with the usages of the product (RFC 2985 §5.4.2).

    Raises SubjectRefusedError.
    """
    subject.require_fit(product)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject.name())
    for extension, critical in _extensions(product, subject):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def _extensions(product: Product, subject: OrderSubject) -> list[tuple[x509.ExtensionType, bool]]:
    usage = {USAGES[name]: name in product.usage for name in USAGES} | dict.fromkeys(OTHER_USAGES, False)
    found: list[tuple[x509.ExtensionType, bool]] = [(x509.KeyUsage(**usage), True)]
    if product.purposes:
        found.append((x509.ExtendedKeyUsage([PURPOSES[name] for name in product.purposes]), False))
    if product.name == "host":
        found.append((x509.SubjectAlternativeName([x509.DNSName(subject.common_name)]), False))
    if product.name == "mail":
        found.append((x509.SubjectAlternativeName([x509.RFC822Name(subject.common_name)]), False))
    return found


def _require_text(member: str, text: str, limit: int) -> None:
    if not text or text != text.strip() or len(text) > limit:
        raise SubjectRefusedError(member, f"1 to {limit} characters, none of them a space at either end")
    if any(unicodedata.category(character)[0] == "C" for character in text):
        raise SubjectRefusedError(member, "characters that are not shown")
