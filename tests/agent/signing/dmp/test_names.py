"""Subjects as the DMP reads them, of hostile certificates and of genuine ones whose names are in no order."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree
from support.certificates import sign_again, unsort, unsorted_subject
from support.signing_keys import SigningKey

from agent.signing.dmp.assertions import new_assertion
from agent.signing.dmp.names import read_certificate, write_name
from agent.signing.errors import TermsRefusedError
from agent.signing.xml_elements import write
from drivers.card import encoding as der
from drivers.card.certificate import parse_certificate
from drivers.card.der import TAG_SEQUENCE, Elements


def with_subject(key: SigningKey, subject: bytes) -> bytes:
    """The card's certificate for somebody else, signed by whoever."""
    parsed = parse_certificate(key.certificate_der)
    content = Elements(parsed.tbs_der, "tbs").take(TAG_SEQUENCE).value
    assert content.count(parsed.subject.der) == 1
    return sign_again(der.sequence(content.replace(parsed.subject.der, subject)), key.key)


def name_of(*attributes: tuple[x509.ObjectIdentifier, str]) -> bytes:
    return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in attributes]).public_bytes()


def issuer_of(certificate_der: bytes) -> str:
    """What a program reads that parses the assertion."""
    root = etree.fromstring(write(new_assertion(certificate_der, "2026-01-01T00:00:00.000Z")))
    (issuer,) = root
    return str(issuer.text)


def test_a_subject_keeps_the_order_of_the_certificate(key: SigningKey) -> None:
    """As the official sample of a card of 2016: CN, surname and given name in another order than DER's."""
    sorted_form = write_name(read_certificate(key.certificate_der).subject)
    unsorted = unsort(key.certificate_der, key.key)
    assert read_certificate(unsorted).subject.der == unsorted_subject(key.certificate_der)[1]
    first, rest = sorted_form.split(",", 1)
    assert issuer_of(unsorted) == ",".join(["+".join(reversed(first.split("+"))), rest])
    assert issuer_of(unsorted).startswith("CN=899700002712+2.5.4.42=#0c")


def test_the_official_sample_of_2016() -> None:
    """T61String for the names and the profession in OU, as its certificate has them."""
    t61 = [bytes([0x14, len(text)]) + text for text in (b"M\xe9decin", b"TERAL", b"ADEMIS")]
    printable = [der.printable(text) for text in ("FR", "TEST", "899900038839")]
    oids = [der.oid(f"2.5.4.{number}") for number in (6, 10, 11, 3, 4, 42)]
    country, organisation, unit, number, surname, given = (
        der.sequence(oid, value)
        for oid, value in zip(oids, (printable[0], printable[1], t61[0], printable[2], t61[1], t61[2]), strict=True)
    )
    rdns = [country, organisation, unit, number + surname + given]
    subject = der.sequence(*(bytes([0x31, len(rdn)]) + rdn for rdn in rdns))
    name = read_certificate_name(subject)
    assert name == "CN=899900038839+2.5.4.4=#14055445524" + "14c+2.5.4.42=#140641" + "44454d4953,OU=Médecin,O=TEST,C=FR"


def read_certificate_name(subject: bytes) -> str:
    from drivers.card.names import parse_name  # noqa: PLC0415

    return write_name(parse_name(Elements(subject, "a name").take(TAG_SEQUENCE)))


HOSTILE = '</saml2:Issuer>&lt;,+"\\<>;#= '


@pytest.mark.parametrize("text", [HOSTILE, "#" + HOSTILE, " " + HOSTILE, "a\u0301é😀"])
def test_metacharacters_are_escaped_once_for_names_and_once_for_xml(key: SigningKey, text: str) -> None:
    certificate = with_subject(key, name_of((NameOID.ORGANIZATION_NAME, text)))
    issuer = issuer_of(certificate)
    assert issuer.startswith("O=")
    assert x509.Name.from_rfc4514_string(issuer) == x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)])


@pytest.mark.parametrize("text", ["a\x01b", "a\x00b", "\x1b[31m", "\ufffe", "x" * 10_240])
def test_what_xml_cannot_hold_or_nobody_would_read_is_written_in_hexadecimal(key: SigningKey, text: str) -> None:
    certificate = with_subject(key, name_of((NameOID.ORGANIZATION_NAME, text), (NameOID.COMMON_NAME, "1")))
    assert issuer_of(certificate) == f"CN=1,O=#{der.utf8(text).hex()}"


def test_elements_refuse_what_xml_cannot_hold(key: SigningKey) -> None:
    with pytest.raises(TermsRefusedError):
        new_assertion(key.certificate_der, "\0")
