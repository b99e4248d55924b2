"""XAdES signatures: schema, xmlsec1, xadesjs and `openssl ts` agree with what we write, and with nothing altered."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl, ocsp
from lxml import etree
from msgspec.structs import replace
from support.certomancer import Pki
from support.openssl import openssl
from support.signing_keys import SigningKey
from support.xadesjs import XadesVerifier, run_xades_verifier
from support.xmlsec import DS, XADES, xmlsec_accepts

from agent.signing import xades, xmldsig
from agent.signing.documents import Document
from agent.signing.errors import EvidenceError, TermsRefusedError, TimeStampError, TimeStampUnsetError
from agent.signing.preparation import Outside, Policy, SignatureTerms
from agent.signing.words import Format, Level, Packaging, Scheme

XML = '<a xmlns="urn:hl7-org:v3" xmlns:q="urn:q"><!--c--><b q:z="1" a="2">texte &amp; é</b>\n</a>'.encode()
BYTES = b"%PDF-1.7 \0\xff"
NAMES = {"ds": DS, "xades": XADES}
CASES = [
    (Packaging.ENVELOPED, XML, "text/xml"),
    (Packaging.ENVELOPING, XML, "text/xml"),
    (Packaging.ENVELOPING, BYTES, "application/octet-stream"),
    (Packaging.DETACHED, BYTES, "application/octet-stream"),
]


@pytest.fixture(scope="module")
def xadesjs() -> Iterator[XadesVerifier]:
    with run_xades_verifier() as verifier:
        yield verifier


@pytest.fixture
def folder(tmp_path: Path, key: SigningKey) -> Path:
    key.write_chain(tmp_path)
    return tmp_path


def terms(packaging: Packaging, level: Level = Level.B, **options: Any) -> SignatureTerms:
    return SignatureTerms(Format.XADES, level, packaging, **options)


def sign(
    key: SigningKey,
    document: Document,
    asked: SignatureTerms,
    outside: Outside | None = None,
    scheme: Scheme = Scheme.RS256,
) -> bytes:
    kind, outside = xades if asked.format is Format.XADES else xmldsig, outside or Outside()
    kind.check([document], asked, outside)
    (signature,) = key.complete_all(kind.prepare([document], asked, key.signer(scheme), outside), scheme)
    return signature


@cache
def schema() -> etree.XMLSchema:
    """That of EN 319 132-1, as signxml ships it."""
    return etree.XMLSchema(file=str(files("signxml") / "xades" / "schemas" / "XAdES01903v132-201601.xsd"))


def signature_of(signed: bytes) -> Any:
    return next(etree.fromstring(signed).iter(f"{{{DS}}}Signature"))


def assert_schema(signed: bytes) -> None:
    tree = etree.fromstring(etree.tostring(signature_of(signed), with_tail=False))
    schema().assertValid(tree)
    schema().assertValid(tree.find(".//xades:QualifyingProperties", NAMES))


def texts(signed: bytes, path: str) -> list[str]:
    return [each.text for each in signature_of(signed).iterfind(f".//{path}", NAMES)]


def values(signed: bytes, path: str) -> list[bytes]:
    return [base64.b64decode(text) for text in texts(signed, path)]


@pytest.mark.parametrize(("packaging", "content", "media_type"), CASES)
@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_signature_holds_for_other_programs_and_no_more_once_altered(
    folder: Path,
    key: SigningKey,
    xadesjs: XadesVerifier,
    packaging: Packaging,
    content: bytes,
    media_type: str,
    scheme: Scheme,
) -> None:
    (folder / "a.bin").write_bytes(content)
    detached = content if packaging is Packaging.DETACHED else None
    document, asked = (
        Document.of("a.bin", content),
        terms(packaging, claimed_role="Médecin", policy=Policy("1.2.250.1", bytes(32))),
    )
    signed = sign(key, document, asked, scheme=scheme)
    assert_schema(signed)
    properties = xadesjs.verify(signed, detached)
    assert properties is not None
    assert properties["digests"] == [base64.b64encode(hashlib.sha256(key.certificate_der).digest()).decode()]
    assert properties["mediaTypes"] == [media_type]
    at = datetime.fromisoformat(properties["signingTime"])
    assert timedelta() <= datetime.now(UTC) - at < timedelta(minutes=1)
    if scheme is Scheme.RS256:  # xmlsec1 1.2.37, of Debian 12, has no PSS
        assert xmlsec_accepts(folder, signed)
    for altered in alterations(signed):
        assert xadesjs.refuses(altered, detached)
        assert not xmlsec_accepts(folder, altered)


def alterations(signed: bytes) -> Iterator[bytes]:
    """One part of each kind changed."""
    value = values(signed, "ds:SignatureValue")[0]
    role, kind = "Médecin".encode("ascii", "xmlcharrefreplace"), b"<xades:MimeType>"
    for old, new in ((role, b"Infirmier"), (kind, kind + b"x"), (b":1.2.250.1<", b":1.2.250.2<")):
        assert signed.count(old) == 1
        yield signed.replace(old, new)
    yield signed.replace(base64.b64encode(value), base64.b64encode(value[::-1]))
    first, issuing = texts(signed, "ds:X509Certificate")
    yield signed.replace(issuing.encode(), first.encode())
    for held in (b"texte", base64.b64encode(BYTES)):
        if held in signed:
            yield signed.replace(held, held[::-1])


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize(("packaging", "content", "_media_type"), CASES)
def test_plain_xml_signatures_hold_for_xadesjs_too(
    key: SigningKey, xadesjs: XadesVerifier, packaging: Packaging, content: bytes, _media_type: str, scheme: Scheme
) -> None:
    detached = content if packaging is Packaging.DETACHED else None
    asked = SignatureTerms(Format.XMLDSIG, Level.B, packaging)
    assert xadesjs.verify(sign(key, Document.of("a", content), asked, scheme=scheme), detached) is None


def test_several_people_sign_one_document(folder: Path, key: SigningKey, xadesjs: XadesVerifier) -> None:
    signed = sign(key, Document.of("a", XML), terms(Packaging.ENVELOPED))
    signed = sign(key, Document.of("a", signed), terms(Packaging.ENVELOPED))
    for number in (1, 2):
        xadesjs.verify(signed, number=number)
        assert xmlsec_accepts(folder, signed, number=number)


@pytest.mark.parametrize("level", [Level.T, Level.LT])
@pytest.mark.parametrize("packaging", list(Packaging))
def test_a_time_stamp_is_over_the_signature_value(
    published_key: SigningKey, outside: Outside, pki: Pki, folder: Path, level: Level, packaging: Packaging
) -> None:
    published_key.write_chain(folder)
    (folder / "a").write_bytes(XML)
    signed = sign(published_key, Document.of("a", XML), terms(packaging, level), outside)
    assert_schema(signed)
    assert xmlsec_accepts(folder, signed)
    (token,) = values(signed, "xades:SignatureTimeStamp/xades:EncapsulatedTimeStamp")
    (folder / "token").write_bytes(token)
    stamped = signature_of(signed).find("ds:SignatureValue", NAMES)
    (folder / "content").write_bytes(etree.tostring(stamped, method="c14n", exclusive=True, with_comments=False))
    verify = ["ts", "-verify", "-token_in", "-in", "token", "-data", "content", "-CAfile", str(pki.root)]
    openssl(folder, *verify, "-untrusted", str(pki.folder / "issuing.pem"))


def test_the_evidence_is_of_the_signer_and_of_who_stamped(
    published_key: SigningKey, outside: Outside, pki: Pki
) -> None:
    signed = sign(published_key, Document.of("a", XML), terms(Packaging.ENVELOPED, Level.LT), outside)
    certificates = values(signed, "xades:CertificateValues/xades:EncapsulatedX509Certificate")
    assert set(certificates) == {pki.der(name) for name in ("good", "issuing", "root", "tsa")}
    lists = [crl.CertificateList.load(der) for der in values(signed, "xades:EncapsulatedCRLValue")]
    assert {each.issuer.native["common_name"] for each in lists} == {
        "TEST AC RACINE CERTOMANCER",
        "TEST AC PERSONNES CERTOMANCER",
    }
    (response,) = (ocsp.OCSPResponse.load(der) for der in values(signed, "xades:EncapsulatedOCSPValue"))
    assert response["response_status"].native == "successful"


def test_a_level_that_cannot_be_reached_is_an_error(
    key: SigningKey, published_key: SigningKey, outside: Outside, pki: Pki
) -> None:
    document = Document.of("a", XML)
    with pytest.raises(TimeStampUnsetError):
        xades.check([document], terms(Packaging.ENVELOPED, Level.T), Outside())
    with pytest.raises(TimeStampError):
        sign(
            published_key,
            document,
            terms(Packaging.ENVELOPED, Level.T),
            replace(outside, timestamp_url="http://127.0.0.1:9/"),
        )
    with pytest.raises(EvidenceError):
        sign(key, document, terms(Packaging.ENVELOPED, Level.LT), outside)


@pytest.mark.parametrize(
    ("policy", "identifier", "qualifier"),
    [
        (Policy("1.2.250.1.71", bytes(32)), "urn:oid:1.2.250.1.71", "OIDAsURN"),
        (Policy("urn:oid:1.2.250.1.71", bytes(32)), "urn:oid:1.2.250.1.71", "OIDAsURN"),
        (
            Policy("https://ps.example/a?b=c&d", bytes(32), "https://ps.example/b.pdf"),
            "https://ps.example/a?b=c&d",
            None,
        ),
    ],
)
def test_a_policy_is_named_by_a_uri(
    folder: Path, key: SigningKey, policy: Policy, identifier: str, qualifier: str | None
) -> None:
    signed = sign(key, Document.of("a", XML), terms(Packaging.ENVELOPED, policy=policy))
    assert_schema(signed)
    assert xmlsec_accepts(folder, signed)
    (element,) = signature_of(signed).iterfind(".//xades:Identifier", NAMES)
    assert (element.text, element.get("Qualifier")) == (identifier, qualifier)
    assert texts(signed, "xades:SPURI") == ([policy.uri] if policy.uri else [])


@pytest.mark.parametrize(
    "identifier", ["1", "1.02", "3.1", "1.2.", "policy", "https:", 'urn:a"b', "../policy", "1.2:x y"]
)
def test_a_policy_that_is_neither_an_oid_nor_a_uri_is_refused(identifier: str) -> None:
    with pytest.raises(TermsRefusedError):
        xades.check([], terms(Packaging.ENVELOPED, policy=Policy(identifier, bytes(32))), Outside())


def test_what_xml_cannot_hold_is_refused(key: SigningKey) -> None:
    for role in ("a\ufffe", "a\x01"):
        with pytest.raises(TermsRefusedError):
            xades.check([], terms(Packaging.ENVELOPED, claimed_role=role), Outside())
    signed = sign(key, Document.of("a", XML), terms(Packaging.ENVELOPED, claimed_role="</xades:ClaimedRole> & <!-- "))
    assert texts(signed, "xades:ClaimedRole") == ["</xades:ClaimedRole> & <!-- "]
    for options in ({"reason": "a"}, {"location": "a"}, {"field": "a"}):
        with pytest.raises(TermsRefusedError):
            xades.check([], terms(Packaging.ENVELOPED, **options), Outside())
