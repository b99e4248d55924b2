"""Certificates: what `cryptography` reads is read alike, and so is what it refuses; hostile bytes raise one error."""

from __future__ import annotations

import datetime as dt
import ssl
from importlib import resources

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from support.certificates import sign_again, unsort, unsorted_subject

from drivers.base import KeyRole
from drivers.card import der as card_der
from drivers.card import encoding as der
from drivers.card.certificate import MAX_CERTIFICATE, Certificate, parse_certificate
from drivers.card.der import Element
from drivers.card.extensions import (
    NON_REPUDIATION,
    read_authority,
    read_authority_key_id,
    read_key_usage,
    read_purposes,
    read_subject_key_id,
)
from drivers.card.issuing import NotIssuedError, is_issued, require_issued
from drivers.card.names import Attribute, Name
from drivers.card.signatures import certificate_role, is_authority
from drivers.card.tlv import encode_tlv
from drivers.errors import CardUnknownError, NotSupportedError
from drivers.virtual.certificates import Subject, build_leaf
from drivers.virtual.kinds import CPE_ANONYMOUS
from drivers.virtual.personalisation import DEFAULT

SHORT = {NameOID.SURNAME: "SN", NameOID.GIVEN_NAME: "GN", NameOID.TITLE: "title"}
KEY = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def igc_sante():
    folder = resources.files("agent.certificates").joinpath("igc-sante")
    return {file.name: ssl.PEM_cert_to_DER_cert(file.read_text()) for file in folder.iterdir() if ".pem" in file.name}


AUTHORITIES = igc_sante()


def dump(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def make(subject, issuer=None, key=KEY, signer=KEY, algorithm=None):
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject).serial_number(5)
    builder = builder.public_key(key.public_key()).not_valid_before(DAY).not_valid_after(DAY + dt.timedelta(days=9))
    return dump(builder.sign(signer, algorithm or hashes.SHA256()))


def name(text="CN=X"):
    return x509.Name.from_rfc4514_string(text)


def leaf(role=KeyRole.SIGNATURE, holder=DEFAULT.holder):
    issuing = x509.load_der_x509_certificate(make(name("CN=CA")))
    subject = Subject(holder, "2900000017", role)
    return dump(build_leaf(subject, KEY.public_key(), issuing).sign(KEY, hashes.SHA256()))


LEAF = leaf()


def same(certificate: Certificate, expected: x509.Certificate) -> None:
    """Every member, by the library's own words."""
    assert certificate.der == dump(expected)
    assert certificate.serial_number == expected.serial_number
    assert (certificate.not_before, certificate.not_after) == (
        expected.not_valid_before_utc,
        expected.not_valid_after_utc,
    )
    assert (certificate.tbs_der, certificate.signature) == (expected.tbs_certificate_bytes, expected.signature)
    assert certificate.signature_oid == certificate.signed_oid == expected.signature_algorithm_oid.dotted_string
    spki = expected.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert certificate.public_key_der == spki
    for mine, its in ((certificate.subject, expected.subject), (certificate.issuer, expected.issuer)):
        assert mine.der == its.public_bytes()
        assert mine.rfc4514() == its.rfc4514_string(SHORT)
    found = {extension.oid.dotted_string: extension.value.public_bytes() for extension in expected.extensions}
    assert certificate.extensions.keys() == found.keys()
    assert not certificate.repeated


@pytest.mark.parametrize("certificate_der", AUTHORITIES.values(), ids=AUTHORITIES.keys())
def test_the_authorities_of_igc_sante_are_read_as_the_library_reads_them(certificate_der):
    certificate, expected = parse_certificate(certificate_der), x509.load_der_x509_certificate(certificate_der)
    same(certificate, expected)
    assert read_authority(certificate) is True
    assert is_authority(certificate_der)
    identifier = expected.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert read_subject_key_id(certificate) == identifier
    roots = map(parse_certificate, AUTHORITIES.values())
    assert sum(is_issued(certificate, root) for root in roots) == 1


@pytest.mark.parametrize("role", KeyRole)
@pytest.mark.parametrize("holder", [DEFAULT.holder, CPE_ANONYMOUS.holder], ids=["named", "anonymous"])
def test_certificates_of_cards_are_read_as_the_library_reads_them(role, holder):
    certificate_der = leaf(role, holder)
    certificate, expected = parse_certificate(certificate_der), x509.load_der_x509_certificate(certificate_der)
    same(certificate, expected)
    assert (NON_REPUDIATION in read_key_usage(certificate)) is (role is KeyRole.SIGNATURE)
    purposes = expected.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert read_purposes(certificate) == {purpose.dotted_string for purpose in purposes}
    issuer = expected.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert read_authority_key_id(certificate) == issuer.key_identifier
    assert read_authority(certificate) is False


def test_a_name_in_another_order_is_read_all_the_same():
    """Genuine CPS certificates of 2016 have three attributes in one RDN, not sorted as DER wants them."""
    made = unsort(LEAF, KEY)
    with pytest.raises(ValueError, match="InvalidSetOrdering"):
        x509.load_der_x509_certificate(made)
    certificate, before = parse_certificate(made), parse_certificate(LEAF)
    assert certificate.der == made
    assert certificate.subject.der == unsorted_subject(LEAF)[1]
    assert certificate.subject.matches(before.subject)
    assert certificate.subject.texts("2.5.4.4") == ("VIRTUEL",)
    assert certificate.extensions == before.extensions
    assert certificate_role(made) is KeyRole.SIGNATURE
    assert is_issued(certificate, parse_certificate(make(name("CN=CA"))))
    assert hash(certificate) != hash(before)


TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
OIDS = st.sampled_from(
    [NameOID.SURNAME, NameOID.TITLE, NameOID.ORGANIZATION_NAME, NameOID.PSEUDONYM, NameOID.STREET_ADDRESS]
)


@given(st.lists(st.dictionaries(OIDS, TEXT, min_size=1, max_size=3), max_size=4))
def test_any_name_is_written_as_the_library_writes_it(rdns):
    """RFC 4514, escapes and all."""
    made = x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(k, v) for k, v in rdn.items()]) for rdn in rdns]
    )
    certificate_der = make(made)
    certificate, expected = parse_certificate(certificate_der), x509.load_der_x509_certificate(certificate_der)
    assert certificate.subject.rfc4514() == expected.subject.rfc4514_string(SHORT)
    assert certificate.subject.matches(certificate.issuer)


def test_what_is_no_text_is_written_in_hexadecimal():
    value = encode_tlv(0x03, b"\0\xaa")
    attribute = Attribute("2.5.4.45", Element(0x03, b"\0\xaa", value))
    assert (attribute.rfc4514(), attribute.text) == ("2.5.4.45=#030200aa", None)
    assert Name(((attribute,),), b"").texts("2.5.4.45") == ()


def test_names_that_differ_in_case_and_spacing_match():
    first, second = (parse_certificate(make(name(text))).subject for text in ("CN=Ac  Racine", "CN=AC RACINE"))
    other = parse_certificate(make(name("CN=AC RACINES"))).subject
    assert first.matches(second)
    assert not first.matches(other)


def replaced(old: bytes, new: bytes, certificate_der: bytes = LEAF) -> bytes:
    """A certificate with a part of what is signed exchanged, lengths mended, and not signed again."""
    parts = card_der.Elements(parse_certificate(certificate_der).tbs_der, "tbs").take(0x30).value
    assert old in parts
    certificate = parse_certificate(certificate_der)
    algorithm = der.sequence(der.oid(certificate.signature_oid), der.null())
    return der.sequence(der.sequence(parts.replace(old, new)), algorithm, encode_tlv(3, b"\0", certificate.signature))


SERIAL = der.integer(parse_certificate(LEAF).serial_number)


@pytest.mark.parametrize(
    ("content", "number"), [("FF", -1), ("00", 0), ("80" + "00" * 20, -(2**167)), ("7F" + "FF" * 19, 2**159 - 1)]
)
def test_odd_serial_numbers(content, number):
    value = bytes.fromhex(content)
    assert parse_certificate(replaced(SERIAL, encode_tlv(2, value))).serial_number == number


def with_extensions(*extensions: tuple[str, bytes]) -> bytes:
    """A certificate with these for all extensions."""
    before = parse_certificate(LEAF)
    old = before.tbs_der.partition(before.public_key_der)[2]
    made = (der.sequence(der.oid(oid), bytes.fromhex("0101FF"), der.octets(content)) for oid, content in extensions)
    return replaced(old, encode_tlv(0xA3, der.sequence(*made)))


SIGNS, PROVES = bytes.fromhex("03020640"), bytes.fromhex("03020780")
KEY_USAGE = "2.5.29.15"


def test_an_extension_that_stands_twice_is_believed_in_neither_place():
    """The second would make an authentication key one that signs, for whoever believes the last."""
    assert certificate_role(with_extensions((KEY_USAGE, SIGNS))) is KeyRole.SIGNATURE
    twice = with_extensions((KEY_USAGE, PROVES), ("1.2.3", b""), (KEY_USAGE, SIGNS))
    certificate = parse_certificate(twice)
    assert certificate.repeated == {KEY_USAGE}
    assert certificate.extensions == {"1.2.3": b""}
    with pytest.raises(CardUnknownError):
        certificate_role(twice)


@pytest.mark.parametrize(
    "content", ["", "0302", "03020640FF", "0401FF", "0300", "30"], ids=lambda content: content or "nothing"
)
def test_a_key_usage_that_cannot_be_read_is_not_guessed_at(content):
    broken = with_extensions((KEY_USAGE, bytes.fromhex(content)))
    assert parse_certificate(broken).subject.texts("2.5.4.4") == ("VIRTUEL",)
    with pytest.raises(CardUnknownError):
        certificate_role(broken)


@pytest.mark.parametrize(
    ("oid", "read", "content"),
    [
        ("2.5.29.37", read_purposes, b"\x30\x03\x06\x01\x80"),
        ("2.5.29.37", read_purposes, der.sequence(*[der.oid("1.2.3")] * 65)),
        ("2.5.29.19", read_authority, b"\x04\x00"),
        ("2.5.29.14", read_subject_key_id, b"\x30\x00"),
        ("2.5.29.35", read_authority_key_id, b"\x04\x00"),
    ],
)
def test_other_extensions_that_cannot_be_read_raise_the_same(oid, read, content):
    with pytest.raises(CardUnknownError):
        read(parse_certificate(with_extensions((oid, content))))


def test_a_certificate_without_extensions():
    certificate = parse_certificate(make(name()))
    assert certificate.extensions == {}
    assert (read_key_usage(certificate), read_purposes(certificate), read_authority(certificate)) == (None, None, False)
    assert (read_subject_key_id(certificate), read_authority_key_id(certificate)) == (None, None)


@pytest.mark.parametrize(
    "certificate_der",
    [
        b"", b"\x30", b"\x30\x80", b"\x30\x00", LEAF[:-1], LEAF + b"\0", b"\x04" + LEAF[1:], der.sequence(LEAF),
        LEAF[:4], der.sequence(b"\0" * MAX_CERTIFICATE), der.sequence(*[der.sequence()] * 3),
        replaced(SERIAL, b""), replaced(SERIAL, encode_tlv(2)), replaced(SERIAL, encode_tlv(2, b"\1" * 65)),
        replaced(bytes.fromhex("A003020102"), bytes.fromhex("A003020103")),
        replaced(bytes.fromhex("A003020102"), bytes.fromhex("A0030201FF")),
        replaced(bytes.fromhex("A003020102"), bytes.fromhex("A000")),
        replaced(parse_certificate(LEAF).subject.der, der.sequence(*[encode_tlv(0x31)] * 65)),
        replaced(parse_certificate(LEAF).subject.der, der.sequence(encode_tlv(0x31, der.sequence(der.oid("2.5.4.3"))))),
        replaced(parse_certificate(LEAF).subject.der, der.sequence(der.utf8("X"))),
    ],
    ids=range(20),
)  # fmt: skip
def test_what_is_no_certificate(certificate_der):
    with pytest.raises(CardUnknownError):
        parse_certificate(certificate_der)


def test_more_extensions_than_any_certificate_has():
    many = [(f"1.2.{n}", b"") for n in range(65)]
    assert len(parse_certificate(with_extensions(*many[:64])).extensions) == 64
    with pytest.raises(CardUnknownError):
        parse_certificate(with_extensions(*many))


@given(st.binary(max_size=200))
def test_any_bytes(content):
    with pytest.raises(CardUnknownError):
        parse_certificate(content)


@given(st.integers(0, len(LEAF) - 1), st.binary(min_size=1, max_size=3))
def test_any_change_is_read_or_refused_and_never_issued(offset, change):
    """What was changed within is not the issuer's any more; what stands beside the signature is compared."""
    changed = LEAF[:offset] + change + LEAF[offset + len(change) :]
    try:
        certificate = parse_certificate(changed)
    except CardUnknownError:
        return
    certificate.subject.rfc4514()
    issuer = parse_certificate(make(name("CN=CA")))
    if certificate.tbs_der != parse_certificate(LEAF).tbs_der:
        assert not is_issued(certificate, issuer)


def test_who_issued_a_certificate():
    authority = parse_certificate(make(name("CN=CA")))
    issued = parse_certificate(make(name("CN=X"), name("CN=CA")))
    require_issued(issued, authority)
    stranger = parse_certificate(make(name("CN=CA"), key=rsa.generate_private_key(65537, 2048), signer=KEY))
    with pytest.raises(NotIssuedError):
        require_issued(issued, stranger)
    assert not is_issued(issued, stranger)
    assert not is_issued(issued, parse_certificate(make(name("CN=OTHER"))))


@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda each: each.name)
@pytest.mark.parametrize("key", [KEY, CURVE], ids=["rsa", "ecdsa"])
def test_the_algorithms_of_issuers(key, algorithm):
    authority = parse_certificate(make(name("CN=CA"), key=key, signer=key))
    assert is_issued(parse_certificate(make(name(), name("CN=CA"), signer=key, algorithm=algorithm)), authority)


def test_a_signature_with_sha1_proves_nothing():
    """Collisions can be made: such a signature may be another certificate's."""
    tbs = parse_certificate(make(name())).tbs_der.replace(
        der.oid("1.2.840.113549.1.1.11"), der.oid("1.2.840.113549.1.1.5")
    )
    algorithm = der.sequence(der.oid("1.2.840.113549.1.1.5"), der.null())
    signature = KEY.sign(tbs, padding.PKCS1v15(), hashes.SHA1())
    made = parse_certificate(der.sequence(tbs, algorithm, encode_tlv(3, b"\0", signature)))
    with pytest.raises(NotSupportedError):
        require_issued(made, made)
    assert not is_issued(made, made)


def test_the_algorithm_beside_the_signature_is_the_one_within():
    """RFC 5280 §4.1.1.2: only the one within is signed."""
    tbs = parse_certificate(make(name())).tbs_der.replace(
        der.oid("1.2.840.113549.1.1.11"), der.oid("1.2.840.113549.1.1.12")
    )
    made = parse_certificate(sign_again(tbs, KEY))
    with pytest.raises(NotIssuedError):
        require_issued(made, made)


def test_an_issuer_whose_key_cannot_be_read_has_issued_nothing():
    issued = parse_certificate(make(name()))
    key = parse_certificate(make(name())).public_key_der
    broken = parse_certificate(replaced(key, der.sequence(), make(name())))
    with pytest.raises(NotSupportedError):
        require_issued(issued, broken)
