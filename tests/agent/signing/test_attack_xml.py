"""Attacks by XML that somebody is to sign, or is to take for signed: assertions, and names that nothing signs."""

from __future__ import annotations

import re
from types import ModuleType

import pytest
from support.signing_keys import SigningKey

from agent.signing import xades, xmldsig
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.findings import Reason, UnreadableError
from agent.signing.verification.xml import read_signatures
from agent.signing.words import Format, Level, Packaging
from agent.signing.xml_names import DS

FORMATS = {Format.XMLDSIG: xmldsig, Format.XADES: xades}
DOCUMENT = b"<ordonnance><dose>1</dose></ordonnance>"
ASSERTION = (
    '<s:Assertion xmlns:s="urn:oasis:names:tc:SAML:{}:assertion" ID="_1"><s:Issuer>CN=somebody</s:Issuer></s:Assertion>'
)
ENVELOPE = '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header>{}</e:Header><e:Body/></e:Envelope>'


def sign(key: SigningKey, content: bytes = DOCUMENT, kind: Format = Format.XMLDSIG, **options: str) -> bytes:
    terms = SignatureTerms(kind, Level.B, Packaging.ENVELOPED, **options)
    document = Document.of("ordonnance.xml", content)
    FORMATS[kind].check([document], terms, Outside())
    (unsigned,) = FORMATS[kind].prepare([document], terms, key.signer(), Outside())
    return key.complete(unsigned)


@pytest.mark.parametrize("module", FORMATS.values())
@pytest.mark.parametrize(
    "content",
    [
        ASSERTION.format("2.0"),
        ASSERTION.format("1.0"),
        ENVELOPE.format(ASSERTION.format("2.0")),
        '<a><p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol"/></a>',
    ],
)
def test_attack_a_page_has_an_assertion_signed_as_a_document(module: ModuleType, content: str) -> None:
    """Who is asked to sign a document says nothing of who they are, or where they work."""
    terms = SignatureTerms(Format.XADES if module is xades else Format.XMLDSIG, Level.B, Packaging.ENVELOPED)
    with pytest.raises(DocumentRefusedError, match="assertion"):
        module.check([Document.of("ordonnance.xml", content.encode())], terms, Outside())


EVIL = '<dose xmlns="">100</dose>'
HIDING = {
    "in KeyInfo": f"<KeyInfo>{EVIL}</KeyInfo>",
    "in X509Data": f"<KeyInfo><X509Data>{EVIL}</X509Data></KeyInfo>",
    "in SignedInfo": f"<SignedInfo>{EVIL}</SignedInfo>",
    "in a value": f"<SignatureValue>{EVIL}</SignatureValue>",
    "in a Manifest": f"<Object><Manifest>{EVIL}</Manifest></Object>",
    "in a property": f"<Object><SignatureProperties><SignatureProperty>{EVIL}</SignatureProperty></SignatureProperties></Object>",
    "in a namespace like ours": f'<KeyInfo><dose xmlns="{DS}evil">100</dose></KeyInfo>',
    "in XAdES": f'<Object><x:QualifyingProperties xmlns:x="http://uri.etsi.org/01903/v1.3.2#">{EVIL}</x:QualifyingProperties></Object>',
    "in XAdES of a version that there is not": '<Object><dose xmlns="http://uri.etsi.org/01903/evil#">100</dose></Object>',
}  # fmt: skip


@pytest.mark.parametrize("place", HIDING)
def test_attack_something_hides_in_a_signature_that_is_left_out(key: SigningKey, place: str) -> None:
    """Neither is such a document signed, nor is one that was signed before taken with it."""
    hidden = f'<Signature xmlns="{DS}">{HIDING[place]}</Signature></ordonnance>'.encode()
    with pytest.raises(DocumentRefusedError):
        sign(key, DOCUMENT.replace(b"</ordonnance>", hidden))
    for kind in FORMATS:
        signed = sign(key, kind=kind)
        assert [finding.reason for finding in read_signatures(signed, None)] == [None]
        assert all(finding.reason for finding in read_signatures(signed.replace(b"</ordonnance>", hidden), None))


@pytest.mark.parametrize("place", [rb"<ds:KeyInfo Id=[^>]*>", b"<ds:X509Data>"])
@pytest.mark.parametrize("kind", FORMATS)
def test_attack_something_hides_in_the_signature_itself(key: SigningKey, kind: Format, place: bytes) -> None:
    """The key information is signed as well."""
    altered, count = re.subn(place, rb"\g<0>" + EVIL.encode(), sign(key, kind=kind))
    assert count == 1
    (finding,) = read_signatures(altered, None)
    assert finding.reason in (Reason.ALTERED, Reason.MALFORMED)


def test_attack_a_style_sheet_is_put_before_a_signed_document(key: SigningKey) -> None:
    signed = sign(key).replace(b"<ordonnance>", b'<?xml-stylesheet type="text/xsl" href="evil.xsl"?><ordonnance>')
    assert [finding.reason for finding in read_signatures(signed, None)] == [Reason.ALTERED]


def test_attack_a_document_is_given_beside_a_signature_for_another(key: SigningKey) -> None:
    (finding,) = read_signatures(sign(key), b"<ordonnance><dose>100</dose></ordonnance>")
    assert finding.reason is not None


@pytest.mark.parametrize("codec", ["utf-7", "utf-16", "utf-16-le", "utf-32", "cp037", "cp500"])
def test_attack_encodings_that_hide_what_is_signed(key: SigningKey, codec: str) -> None:
    text = sign(key).decode().replace("UTF-8", codec).replace("'", '"')
    try:
        findings = read_signatures(text.encode(codec), None)
    except UnreadableError:
        return
    assert all(finding.reason for finding in findings)


ROLES = {
    "markup": "</x:ClaimedRole></x:SignerRole><evil/>",
    "an entity": "&evil;",
    "the end of CDATA": "]]><evil/>",
    "a comment": "<!-- -->",
    "bidirectional": "\u202emédecin\u2066",
}


@pytest.mark.parametrize("role", ROLES)
def test_attack_a_role_is_text_and_nothing_else(key: SigningKey, role: str) -> None:
    signed = sign(key, kind=Format.XADES, claimed_role=ROLES[role])
    assert b"<evil" not in signed
    assert [finding.reason for finding in read_signatures(signed, None)] == [None]


@pytest.mark.parametrize("role", ["\0", "\x1b[2J", "\ud800", "\ufffe"])
def test_attack_a_role_that_xml_cannot_hold(key: SigningKey, role: str) -> None:
    with pytest.raises((TermsRefusedError, UnicodeEncodeError)):
        sign(key, kind=Format.XADES, claimed_role=role)


NAMES = ("#id", "../../etc/passwd", "http://evil.example/?a#b", "a b&c<d>\"'.txt", "\u202efdp.exe", "é" * 127, "a\nb")


@pytest.mark.parametrize("name", NAMES)
def test_attack_names_are_no_addresses(key: SigningKey, name: str) -> None:
    """What a detached signature names is never a part of itself, nor of this machine's business."""
    terms = SignatureTerms(Format.XMLDSIG, Level.B, Packaging.DETACHED)
    (unsigned,) = xmldsig.prepare([Document.of(name, b"text")], terms, key.signer(), Outside())
    signed = key.complete(unsigned)
    uri = re.search(rb'URI="([^"]*)"', signed)
    assert uri
    assert re.fullmatch(rb"[A-Za-z0-9._~/%-]+", uri[1])
    assert [finding.reason for finding in read_signatures(signed, b"text")] == [None]
    assert [finding.reason for finding in read_signatures(signed, b"Text")] == [Reason.ALTERED]
    assert [finding.reason for finding in read_signatures(signed, None)] == [Reason.CONTENT_ABSENT]
