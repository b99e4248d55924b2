"""Certificates of organisations for tests, shaped like those of IGC-Santé (profile observed), under our own names."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.card import encoding as der
from drivers.virtual.certificates import (
    OID_CARD_CATEGORY,
    key_usage,
    publication_extensions,
    start_certificate,
    validity,
)

ORGANISATIONS_NAME = "TEST AC CPS-AGENT ELEMENTAIRE ORGANISATIONS"
CRL_FILE = "ACI-EL-ORG-TEST"
CATEGORY_TEST_SOFTWARE = b"\x83"  # nomenclature G01

USAGES: dict[str, tuple[dict[str, bool], tuple[x509.ObjectIdentifier, ...]]] = {
    "AUTH_CLI": ({"digital_signature": True}, (ExtendedKeyUsageOID.CLIENT_AUTH,)),
    "SIGN": ({"digital_signature": True, "content_commitment": True}, (ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
    "CONF": ({"key_encipherment": True, "data_encipherment": True}, (ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
    "SSL_SERV": ({"digital_signature": True, "key_encipherment": True}, (ExtendedKeyUsageOID.SERVER_AUTH,)),
    "S/MIME": ({"digital_signature": True, "key_encipherment": True}, (ExtendedKeyUsageOID.EMAIL_PROTECTION,)),
}
"""KeyUsage and purposes by offer; only AUTH_CLI and SIGN were seen on genuine certificates."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A structure as the subject of a certificate. `structure_id`: IdNat_Struct, here a FINESS of no establishment."""

    structure_id: str = "1990000001"
    name: str = "CABINET VIRTUEL"
    place: str = "Rhône (69)"
    common_name: str = "LOGICIEL VIRTUEL"

    def subject(self) -> x509.Name:
        """C, ST, O, OU, CN."""
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
                x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, self.place),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.name),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, self.structure_id),
                x509.NameAttribute(NameOID.COMMON_NAME, self.common_name),
            ]
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """What is certified for whom: `product` is one of USAGES; the validity begins so many days ago."""

    product: str
    organisation: Organisation = field(default_factory=Organisation)
    days_ago: int = 1
    days: int = 3 * 365


def build_organisation(offer: Offer, key: rsa.RSAPublicKey, issuing: x509.Certificate) -> x509.CertificateBuilder:
    """A certificate of that offer, to be signed by its issuer."""
    usage, purposes = USAGES[offer.product]
    issuing_key = x509.SubjectKeyIdentifier.from_public_key(issuing.public_key())
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), False),
        (key_usage(**usage), True),
        (x509.ExtendedKeyUsage(purposes), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuing_key), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (_category(), False),
        *((extension, False) for extension in publication_extensions(ORGANISATIONS_NAME, CRL_FILE)),
    ]
    builder = start_certificate(
        offer.organisation.subject(), issuing.subject, key, validity(offer.days, offer.days_ago)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder


def _category() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(OID_CARD_CATEGORY), der.octets(CATEGORY_TEST_SOFTWARE))
