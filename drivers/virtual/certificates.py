"""Certificates shaped like those of a genuine CPS test card (profile observed on IGC-Santé), under our own names."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from drivers.base import KeyRole
from drivers.card import encoding as der
from drivers.virtual.personalisation import CARD_ISSUER, Employee, Holder

HOST = "igc.cps-agent.invalid"
"""Nothing answers there, ever (RFC 2606 §2): a test certificate must not lead to a real authority."""

LEAF_DAYS, CA_DAYS = 3 * 365, 20 * 365 + 5
ORGANISATION = "CPS-AGENT TEST"
ROOT_NAME = "TEST AC RACINE CPS-AGENT FORT"
ISSUING_NAME = "TEST AC CPS-AGENT FORT PERSONNES"
STANDARD_NAME = "TEST AC CPS-AGENT STANDARD PERSONNES"

OID_SMART_CARD_LOGON = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.2")
OID_UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
OID_POLICY = x509.ObjectIdentifier("1.2.250.1.213.1.7.2.1.1.1.1")

# Extensions of the CPS (nomenclatures G02, card number, G01, G15, G16, R01)
OID_CARD_TYPE = "1.2.250.1.71.1.2.2"
OID_CARD_NUMBER = "1.2.250.1.71.1.2.3"
OID_CARD_CATEGORY = "1.2.250.1.71.1.2.5"
OID_PROFESSION = "1.2.250.1.71.1.2.7"
OID_FUTURE_PROFESSION = "1.2.250.1.71.1.2.8"
OID_SPECIALITY = "1.2.250.1.71.4.2.5"
CARD_TYPE_CPE = 2
CARD_CATEGORY_TEST = b"\x80"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a leaf certificate is for, and on which card. `extras`: CRL, AIA and policy, which make up most bytes."""

    holder: Holder
    card_number: str
    role: KeyRole
    extras: bool = True

    @property
    def is_standard(self) -> bool:
        """Whether STANDARD PERSONNES issues it, as for employees, and not FORT PERSONNES."""
        return self.holder.card_type >= CARD_TYPE_CPE


def ca_name(common_name: str) -> x509.Name:
    """Name of one of our authorities."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "0002 000000000"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "IGC-CPS-AGENT-TEST"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def subject_name(holder: Holder) -> x509.Name:
    """C, the structure of an employee, title, then one RDN of three attributes: CN, SN and GN.

    A card that names nobody has a pseudonym, and its CN alone (ANS PDT-INF-617).
    """
    title = [(NameOID.TITLE, holder.title)] if holder.title else []
    number = (NameOID.COMMON_NAME, holder.national_id)
    if holder.family_name:
        person = [[number, (NameOID.SURNAME, holder.family_name), (NameOID.GIVEN_NAME, holder.given_name)]]
    else:
        person = [[(NameOID.PSEUDONYM, f"EMPLOYE{holder.national_id.rpartition('/')[2]}")], [number]]
    single = [(NameOID.COUNTRY_NAME, "FR"), *_structure_attributes(holder), *title]
    return x509.Name([_rdn([attribute]) for attribute in single] + [_rdn(attributes) for attributes in person])


def _structure_attributes(holder: Holder) -> list[tuple[x509.ObjectIdentifier, str]]:
    """Department, name and identifier of the structure; before IGC-Santé the test domain, place and identifier."""
    if not isinstance(holder, Employee):
        return []
    unit = (NameOID.ORGANIZATIONAL_UNIT_NAME, holder.structure_id)
    if holder.legacy:
        return [(NameOID.ORGANIZATION_NAME, "TEST"), (NameOID.LOCALITY_NAME, holder.place), unit]
    return [(NameOID.STATE_OR_PROVINCE_NAME, holder.place), (NameOID.ORGANIZATION_NAME, holder.structure), unit]


def _rdn(attributes: list[tuple[x509.ObjectIdentifier, str]]) -> x509.RelativeDistinguishedName:
    return x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for oid, value in attributes])


def validity(days: int, days_ago: int = 1) -> tuple[dt.datetime, dt.datetime]:
    """From that many days ago, for so many days."""
    start = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=days_ago)
    return start, start + dt.timedelta(days=days)


def start_certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, moments: tuple[dt.datetime, dt.datetime]
) -> x509.CertificateBuilder:
    """A builder with names, key, validity and a fresh serial number."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moments[0])
        .not_valid_after(moments[1])
    )


def build_ca(
    name: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, issuer_key: rsa.RSAPublicKey
) -> x509.CertificateBuilder:
    """An authority (RFC 5280 §4.2.1); the root signs itself."""
    return (
        start_certificate(name, issuer, key, validity(CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=1 if name == issuer else 0), critical=True)
        .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def build_leaf(subject: Subject, key: rsa.RSAPublicKey, issuing: x509.Certificate) -> x509.CertificateBuilder:
    """A card certificate of that role, with the extensions of a genuine one."""
    builder = start_certificate(subject_name(subject.holder), issuing.subject, key, validity(LEAF_DAYS))
    issuing_key = x509.SubjectKeyIdentifier.from_public_key(issuing.public_key())
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuing_key), critical=False
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    for extension, critical in (*_role_extensions(subject), *_cps_extensions(subject)):
        builder = builder.add_extension(extension, critical=critical)
    for extension in _card_publication(subject.is_standard) if subject.extras else ():
        builder = builder.add_extension(extension, critical=False)
    return builder


def _role_extensions(subject: Subject) -> list[tuple[x509.ExtensionType, bool]]:
    """What tells the authentication certificate from the signature certificate."""
    basic = (x509.BasicConstraints(ca=False, path_length=None), False)
    if subject.role is KeyRole.SIGNATURE:
        mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        return [basic, (key_usage(content_commitment=True), True), (mail, False)]
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, OID_SMART_CARD_LOGON])
    upn = x509.OtherName(OID_UPN, der.utf8(f"{subject.holder.principal_name}@carte-cps.fr"))
    names = x509.SubjectAlternativeName([upn])
    return [basic, (key_usage(digital_signature=True), True), (purposes, False), (names, False)]


def _cps_extensions(subject: Subject) -> list[tuple[x509.ExtensionType, bool]]:
    """Private extensions, their values in DER inside extnValue."""
    holder = subject.holder
    values = {
        OID_CARD_TYPE: der.integer(holder.card_type),
        OID_CARD_NUMBER: der.printable(f"{CARD_ISSUER}/{subject.card_number}"),
        OID_CARD_CATEGORY: der.octets(CARD_CATEGORY_TEST),
        OID_PROFESSION: _integer(holder.profession),
        OID_FUTURE_PROFESSION: _integer(holder.future_profession),
        OID_SPECIALITY: der.sequence(der.utf8(holder.speciality)) if holder.speciality else b"",
    }
    return [
        (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False) for oid, value in values.items() if value
    ]


def _integer(number: int | None) -> bytes:
    return b"" if number is None else der.integer(number)


def _card_publication(standard: bool) -> list[x509.ExtensionType]:  # noqa: FBT001
    name, file = (STANDARD_NAME, "ACI-ST-PP-TEST") if standard else (ISSUING_NAME, "ACI-FO-PP-TEST")
    return publication_extensions(name, file)


def publication_extensions(name: str, file: str) -> list[x509.ExtensionType]:
    """Where a genuine certificate says that its policy, and the lists and certificate of its authority, are."""
    directory = (
        f"ldap://annuaire-igc.cps-agent.invalid/CN={name},OU=IGC-CPS-AGENT-TEST,OU=0002%20000000000,"
        f"O={ORGANISATION},C=FR"
    ).replace(" ", "%20")
    return [
        x509.CertificatePolicies([x509.PolicyInformation(OID_POLICY, [f"http://{HOST}/PC"])]),
        x509.CRLDistributionPoints(
            [
                _distribution_point(f"http://{HOST}/CRL/{file}.crl"),
                _distribution_point(f"{directory}?certificaterevocationlist;binary?base?objectclass=pkiCa"),
            ]
        ),
        x509.FreshestCRL(
            [
                _distribution_point(f"http://{HOST}/CRL/{file}-delta.crl"),
                _distribution_point(f"{directory}?deltarevocationlist;binary?base?objectclass=pkiCa"),
            ]
        ),
        x509.AuthorityInformationAccess(
            [
                _access(AuthorityInformationAccessOID.OCSP, "http://ocsp.cps-agent.invalid"),
                _access(AuthorityInformationAccessOID.CA_ISSUERS, f"http://{HOST}/AC%20TEST/{file}.cer"),
            ]
        ),
    ]


def _distribution_point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def _access(method: x509.ObjectIdentifier, url: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(url))


def key_usage(**wanted: bool) -> x509.KeyUsage:
    """KeyUsage with these bits, in the words of `cryptography`."""
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})
