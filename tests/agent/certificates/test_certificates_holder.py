"""Who a certificate is about: every layout that genuine certificates were seen with, and odd ones that raise nothing.

Subjects are those of genuine test certificates (facts of IGC-Santé and IGC-CPS2ter), names and numbers invented.
"""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from agent.certificates.holder import (
    OID_CARD_CATEGORY,
    OID_CARD_NUMBER,
    OID_CARD_TYPE,
    OID_FUTURE_PROFESSION,
    OID_PROFESSION,
    OID_SPECIALITY,
    Coded,
    Holder,
    read_holder,
)
from agent.certificates.identifiers import Identifier, IdentifierKind, Key
from agent.certificates.structure import Structure, is_structure_id
from drivers.card import encoding as der
from drivers.card.certificate import Certificate, parse_certificate
from drivers.card.tlv import encode_tlv

KEY = ec.generate_private_key(ec.SECP256R1())
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "title": NameOID.TITLE,
    "pseudonym": NameOID.PSEUDONYM,
    "CN": NameOID.COMMON_NAME,
    "SN": NameOID.SURNAME,
    "GN": NameOID.GIVEN_NAME,
}
FORT, STANDARD = "TEST AC IGC-SANTE FORT PERSONNES", "TEST AC IGC-SANTE STANDARD PERSONNES"
TYPE, CATEGORY = OID_CARD_TYPE, OID_CARD_CATEGORY
EXTENSIONS = (TYPE, CATEGORY, OID_CARD_NUMBER, OID_PROFESSION, OID_FUTURE_PROFESSION, OID_SPECIALITY)
TEST_CARD = {CATEGORY: bytes.fromhex("040180")}


def name(*rdns: str) -> x509.Name:
    """RDNs written `CN=x+SN=y`, in the order of the certificate."""
    pairs = [[part.split("=", 1) for part in rdn.split("+")] for rdn in rdns]
    return x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(OIDS[k], v) for k, v in rdn]) for rdn in pairs]
    )


def certificate(subject: x509.Name, extensions: dict[str, bytes] | None = None, issuer: str = FORT) -> Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(name("C=FR", f"CN={issuer}"))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + dt.timedelta(days=1))
    )
    for oid, value in (extensions or {}).items():
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=False)
    return parse_certificate(builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def of_type(code: int, *rdns: str, issuer: str = FORT) -> Holder:
    return read_holder(certificate(name(*rdns), {TYPE: bytes([2, 1, code])}, issuer))


def test_a_cps() -> None:
    found = read_holder(
        certificate(
            name("C=FR", "title=Médecin", "CN=899700063480+SN=NOM+GN=PRENOM"),
            {
                TYPE: bytes.fromhex("020100"),
                **TEST_CARD,
                OID_CARD_NUMBER: b"\x13\x158025000001/2900000017",
                OID_PROFESSION: bytes.fromhex("02010A"),
                OID_SPECIALITY: bytes.fromhex("30060C04") + b"SM26",
            },
        )
    )
    assert (found.kind, found.test, found.rpps) == ("CPS", True, "99700063480")
    assert (found.family_name, found.given_name, found.title) == ("NOM", "PRENOM", "Médecin")
    assert (found.display_name, found.structure) == ("Médecin PRENOM NOM", None)
    assert found.profession == Coded("10", "Médecin")
    assert found.speciality == Coded("SM26", "Qualifié en Médecine Générale (SM)")
    assert found.token_id == "8025000001/2900000017"


def test_a_cpf_tells_the_profession_to_come() -> None:
    found = read_holder(
        certificate(
            name("C=FR", "CN=999700063480+SN=NOM+GN=PRENOM"),
            {TYPE: bytes.fromhex("020101"), OID_FUTURE_PROFESSION: bytes.fromhex("020115")},
        )
    )
    assert (found.kind, found.profession, found.rpps) == ("CPF", None, None)
    assert found.future_profession == Coded("21", "Pharmacien en formation")


@pytest.mark.parametrize("issuer", [FORT, STANDARD])
@pytest.mark.parametrize(
    ("code", "title", "kind"),
    [
        (0, "Médecin", "CPS"),
        (1, "Médecin", "CPF"),
        (2, "Secrétaire", "CPE"),
        (2, "Directeur d'établissement", "CDE"),
        (2, "DIRECTEUR  D\N{RIGHT SINGLE QUOTATION MARK}ÉTABLISSEMENT", "CDE"),
        (2, "Directeur", "CPE"),
        (3, "Secrétaire", "CPA"),
        (3, "Directeur autorisé", "CDA"),
        (3, "Directeur d'établissement", "CPA"),
        (0, "Directeur d'établissement", "CPS"),
        (4, "Médecin", None),
    ],
)
def test_kinds_are_those_of_the_certificate_alone(code: int, title: str, kind: str | None, issuer: str) -> None:
    """One code stands for two cards (G02): that of a director is told only by the certificate's own words."""
    assert of_type(code, "C=FR", f"title={title}", "CN=1+SN=N+GN=P", issuer=issuer).kind == kind


def test_a_certificate_without_a_type_has_no_kind() -> None:
    assert read_holder(certificate(name("C=FR", "CN=1"))).kind is None


def test_an_employee_of_a_structure() -> None:
    found = of_type(
        2, "C=FR", "ST=Paris (75)", "O=HOPITAL X", "OU=1750000001", "CN=3750000001/CPET0002+SN=NOM+GN=PRENOM",
        issuer=STANDARD,
    )  # fmt: skip
    assert (found.kind, found.display_name) == ("CPE", "PRENOM NOM")
    assert found.national_id == "3750000001/CPET0002"
    assert found.structure == Structure("HOPITAL X", "1750000001")
    assert found.structure.identifier == Identifier(IdentifierKind.FINESS, "750000001", Key.WRONG)


def test_a_card_without_a_name_shows_its_structure() -> None:
    found = of_type(
        2, "C=FR", "ST=Seine-Maritime (76)", "O=PHARMACIE DU PORT", "OU=1760021832",
        "title=Carte de service santé ou social", "pseudonym=EMPLOYE000000018", "CN=3760021832/000000018",
        issuer=STANDARD,
    )  # fmt: skip
    assert (found.family_name, found.given_name) == (None, None)
    assert found.display_name == "PHARMACIE DU PORT (3760021832/000000018)"
    assert found.title == "Carte de service santé ou social"
    assert found.structure == Structure("PHARMACIE DU PORT", "1760021832")


@pytest.mark.parametrize(
    ("rdns", "structure", "display_name"),
    [
        (("O=TEST", "CN=3760021832/1"), Structure(None, "1760021832"), "FINESS 760021832 (3760021832/1)"),
        (("CN=30B0057881/CPET0002",), Structure(None, "10B0057881"), "FINESS 0B0057881 (30B0057881/CPET0002)"),
        (("O=CABINET", "CN=x/y"), Structure("CABINET", None), "CABINET (x/y)"),
        (("O=CABINET", "OU=499700063480000"), Structure("CABINET", "499700063480000"), "CABINET"),
        (("O=CABINET", "OU=2123456789"), Structure("CABINET", "2123456789"), "CABINET"),
        (("O=CABINET",), None, ""),
        (("CN=x/y",), None, "x/y"),
        (("CN=9/y",), None, "9/y"),
    ],
)
def test_structures_of_cards_without_a_name(
    rdns: tuple[str, ...], structure: Structure | None, display_name: str
) -> None:
    found = of_type(2, "C=FR", *rdns)
    assert (found.structure, found.display_name) == (structure, display_name)


def test_an_agent_of_an_insurance_before_igc_sante() -> None:
    found = of_type(
        3, "C=FR", "O=TEST", "L=Paris (75)", "OU=300000000029751", "CN=500000000029751/CPAT0001+SN=NOM+GN=PRENOM"
    )
    assert (found.kind, found.title) == ("CPA", None)
    assert found.structure == Structure(None, "300000000029751")
    assert found.structure.display_name == "SIRET 00000000029751"


def test_a_profession_before_igc_sante() -> None:
    found = of_type(0, "C=FR", "O=TEST", "OU=Masseur-Kinésithérapeute", "CN=00B7010446+SN=NOM+GN=PRENOM")
    assert (found.title, found.structure, found.rpps) == ("Masseur-Kinésithérapeute", None, None)
    assert found.national_id == "00B7010446"


ATTRIBUTES = ("C=FR", "title=Pharmacien", "O=PHARMACIE", "CN=899700063480+SN=NOM+GN=PRENOM")


@pytest.mark.parametrize("order", list(itertools.permutations(ATTRIBUTES)))
def test_the_order_of_attributes_does_not_matter(order: tuple[str, ...]) -> None:
    assert of_type(0, *order) == of_type(0, *ATTRIBUTES)


def test_of_several_titles_the_profession_counts() -> None:
    assert of_type(0, "title=Professeur", "title=Médecin", "CN=1").title == "Médecin"
    assert of_type(0, "title=Professeur+CN=1", "title=Doyen").title == "Professeur"


def test_of_several_units_the_identifier_counts() -> None:
    found = of_type(2, "O=HOPITAL", "OU=Service d'urgences", "OU=0002 187512751", "OU=1750000001", "CN=1")
    assert found.structure == Structure("HOPITAL", "1750000001")


@pytest.mark.parametrize(
    ("octets", "code", "test"),
    [
        ("040100", "00", False), ("040102", "02", False), ("040103", "03", False),
        ("040180", "80", True), ("040182", "82", True), ("040183", "83", True),
        ("040190", "90", False), ("0400", None, False), ("020180", None, False),
    ],
)  # fmt: skip
def test_test_cards_are_marked_by_their_category(octets: str, code: str | None, test: bool) -> None:
    """What is of no known category is not called a test."""
    found = read_holder(certificate(name("CN=1"), {CATEGORY: bytes.fromhex(octets)}))
    assert (found.category.code if found.category else None, found.test) == (code, test)
    assert code in (None, "90") or (found.category is not None and found.category.label)


SOFTWARE = {CATEGORY: bytes.fromhex("040183")}


def test_a_software_certificate_of_an_organisation() -> None:
    found = read_holder(certificate(
        name("C=FR", "ST=Rhône (69)", "O=LABORATOIRE DU RHONE", "OU=1690000013", "CN=serveur.labo.example"), SOFTWARE
    ))  # fmt: skip
    assert (found.kind, found.test, found.national_id, found.rpps) == (None, True, None, None)
    assert found.common_name == "serveur.labo.example"
    assert found.structure == Structure("LABORATOIRE DU RHONE", "1690000013")
    assert found.display_name == "LABORATOIRE DU RHONE (serveur.labo.example)"
    assert found.identifier is None
    assert found.category == Coded("83", "Certificat logiciel de TEST")


def test_a_software_certificate_whose_unit_is_no_identifier_still_names_its_organisation() -> None:
    found = read_holder(certificate(name("C=FR", "O=LABORATOIRE", "OU=0002 187512751", "CN=x"), SOFTWARE))
    assert (found.structure, found.display_name) == (Structure("LABORATOIRE", None), "LABORATOIRE (x)")


def test_a_software_certificate_of_a_professional() -> None:
    found = read_holder(certificate(name("C=FR", "title=Médecin", "CN=899700063489+SN=NOM+GN=PRENOM"), SOFTWARE))
    assert (found.rpps, found.structure, found.display_name) == ("99700063489", None, "Médecin PRENOM NOM")


def test_the_oldest_form_has_each_attribute_apart() -> None:
    found = of_type(0, "C=FR", "title=Médecin", "GN=KIT", "SN=DOC0073574", "CN=899700735741")
    assert (found.family_name, found.given_name) == ("DOC0073574", "KIT")
    assert found.identifier == Identifier(IdentifierKind.RPPS, "99700735741", Key.RIGHT)


def test_a_legacy_card_without_a_name_has_generic_ones() -> None:
    found = of_type(2, "C=FR", "O=TEST", "L=Paris (75)", "OU=1750712184", "CN=3750712184/000000018+SN=EMPLOYE+GN=18")
    assert (found.family_name, found.structure) == ("EMPLOYE", Structure(None, "1750712184"))


NAME = "8.99700434378@carte-cps.fr"
UPN = der.oid("1.3.6.1.4.1.311.20.2.3")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (der.sequence(der.context(0, UPN, der.context(0, der.utf8(NAME)))), NAME),
        (der.sequence(encode_tlv(0x81, b"a@b.example"), der.context(0, UPN, der.context(0, der.utf8(NAME)))), NAME),
        (der.sequence(der.context(0, der.oid("1.2.3"), der.context(0, der.utf8(NAME)))), None),
        (der.sequence(der.context(1, UPN, der.context(0, der.utf8(NAME)))), None),
        (der.sequence(der.context(0, UPN, der.context(0, der.octets(NAME.encode())))), None),
        (der.sequence(der.context(0, UPN)), None),
        (der.sequence(), None),
        (b"0", None),
        (b"", None),
    ],
)
def test_the_principal_name(content: bytes, expected: str | None) -> None:
    found = read_holder(replace(certificate(name("CN=1")), extensions={"2.5.29.17": content}))
    assert found.principal_name == expected


@pytest.mark.parametrize(
    "number", ["8997000634801", "89970006348", "8997000634x0", "8" + 11 * "\u0661", "099700063480", ""]
)
def test_what_is_no_rpps(number: str) -> None:
    assert of_type(0, *([f"CN={number}"] if number else ["C=FR"])).rpps is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1760021832", True),
        ("12A0021832", True),
        ("2123456789", True),
        ("399999999900009", True),
        ("499700063480000", True),
        ("0B70104460", True),
        ("Médecin", False),
        ("0002 187512751", False),
        ("176002183", False),
        ("5123456789", False),
        ("1" + 9 * "\u0661", False),
        ("", False),
    ],
)
def test_forms_of_structure_identifiers(text: str, expected: bool) -> None:
    assert is_structure_id(text) is expected


@given(st.dictionaries(st.sampled_from(EXTENSIONS), st.binary(max_size=40)))
def test_whatever_extensions_hold_is_read_or_left(extensions: dict[str, bytes]) -> None:
    found = read_holder(certificate(name("CN=899700063489"), extensions))
    assert found.national_id == "899700063489"


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="+=\0"), min_size=1, max_size=20)


@given(st.lists(st.tuples(st.sampled_from(sorted(set(OIDS) - {"C"})), TEXT), min_size=1, max_size=8))
def test_whatever_a_subject_holds_is_read_or_left(attributes: list[tuple[str, str]]) -> None:
    found = of_type(2, *(f"{key}={value}" for key, value in attributes))
    assert isinstance(found.display_name, str)
    assert found.kind in ("CPE", "CDE")


def test_extensions_that_stand_twice_are_left() -> None:
    """Which of the two to believe? Neither; what else the card says still counts."""
    good = certificate(name("CN=1"), {TYPE: bytes.fromhex("020102"), CATEGORY: bytes.fromhex("040180"),
                                      OID_PROFESSION: bytes.fromhex("02010A")})  # fmt: skip
    twice = parse_certificate(good.der.replace(oid_der(CATEGORY), oid_der(TYPE)))
    found = read_holder(twice)
    assert (found.kind, found.test, found.national_id) == (None, False, "1")
    assert found.profession == Coded("10", "Médecin")


def oid_der(oid: str) -> bytes:
    """The last byte of our identifiers tells them apart."""
    return bytes.fromhex("06082A817A0147010200")[:-1] + bytes([int(oid.rpartition(".")[2])])
