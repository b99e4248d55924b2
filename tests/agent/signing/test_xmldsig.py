"""XML signatures hold for xmlsec1 in every packaging, and no more once anything of them is altered."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest
from support.signing_keys import SigningKey
from support.xmlsec import DS, xmlsec_accepts

from agent.signing import xmldsig
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, SigningError, TermsRefusedError
from agent.signing.preparation import Outside, Policy, SignatureTerms
from agent.signing.words import Format, Level, Packaging
from agent.signing.xml import MAX_DEPTH, parse_xml

NAME = "compte rendu n°1.xml"
CDA = """<?xml version="1.0" encoding="ISO-8859-1"?>
<?xml-stylesheet type="text/xsl" href="cda.xsl"?>
<!-- before -->
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:unused="urn:u">
  <title xsi:type="ST">Compte rendu de Zoé\u00a0!<!-- inside --></title>
  <text><![CDATA[<b>gras</b>]]><p xmlns="" a="2" A='"1"'>&amp;&#13;
</p></text>
</ClinicalDocument>
<?after?>
""".encode("iso-8859-1")


@pytest.fixture
def folder(tmp_path: Path, key: SigningKey) -> Path:
    key.write_chain(tmp_path)
    return tmp_path


def terms(packaging: Packaging, **options: str | Policy) -> SignatureTerms:
    return SignatureTerms(Format.XMLDSIG, Level.B, packaging, **options)


def sign(key: SigningKey, document: Document, packaging: Packaging) -> bytes:
    xmldsig.check([document], terms(packaging), Outside())
    (signature,) = key.complete_all(xmldsig.prepare([document], terms(packaging), key.signer(), Outside()))
    return signature


def test_an_enveloped_signature_covers_the_document_and_what_stands_beside_its_root(
    folder: Path, key: SigningKey
) -> None:
    signed = sign(key, Document.of(NAME, CDA), Packaging.ENVELOPED)
    assert xmlsec_accepts(folder, signed)
    for old, new in ((b"Compte", b"Conte"), (b"cda.xsl", b"cdb.xsl"), (b"<?after?>", b""), (b"gras", b"gros")):
        assert signed.count(old) == 1
        assert not xmlsec_accepts(folder, signed.replace(old, new))


def test_several_people_sign_one_document(folder: Path, key: SigningKey) -> None:
    signed = CDA
    for _ in range(3):
        signed = sign(key, Document.of(NAME, signed), Packaging.ENVELOPED)
    assert [xmlsec_accepts(folder, signed, number=number) for number in (1, 2, 3)] == [True] * 3
    altered = signed.replace(b"Compte", b"Conte")
    assert [xmlsec_accepts(folder, altered, number=number) for number in (1, 2, 3)] == [False] * 3


@pytest.mark.parametrize("packaging", list(Packaging))
def test_another_program_accepts_no_other_byte(folder: Path, key: SigningKey, packaging: Packaging) -> None:
    content = b'<a xmlns="urn:a"><b c="d">text</b></a>'
    (folder / NAME).write_bytes(content)
    signed = sign(key, Document.of(NAME, content), packaging)
    assert xmlsec_accepts(folder, signed)
    random = Random(7)
    for place in random.sample(range(signed.index(b"<", 1), len(signed)), 25):
        altered = bytearray(signed)
        altered[place] ^= random.choice((1, 2, 4, 8))
        assert not xmlsec_accepts(folder, bytes(altered)), place


TRICKY = [
    "<x k='&#13;&#10;&#9;\r\n\t\"'>&#13;\r\n]]&gt;<![CDATA[<&]] >]]>\u2028\U0001d11e\"'</x>",
    "<?p?><!--c--><x> <!-- c --> <?pi  data ?> </x><!--d--><?q ?>",
    '<x xml:base="http://a/" xml:lang="fr" xml:space="preserve"><y xml:lang="en"/></x>',
    '<x xmlns:ds="urn:1" ds:k=""><ds:e xmlns:ds="urn:2"/></x>',
    f'<x xmlns:dsig="{DS}"><e xmlns="{DS}" dsig:k="1"/><dsig:Other/></x>',
    f'<Other xmlns="{DS}" xmlns:xades="urn:1"><xades:e xmlns=""/></Other>',
    '<x xmlns:b="urn:2" xmlns:a="urn:1" xmlns:c="urn:1" b:a="" c:k="" k="" a:l=""><c:y/><a:y/></x>',
    '<x xmlns="urn:1"><y xmlns=""><z xmlns="urn:1"/><z xmlns="urn:2"/></y><y xmlns:u="urn:unused"/></x>',
    '<a:x xmlns:a="urn:1"><a:y xmlns:a="urn:1" xmlns:b="urn:1"><b:y a:k="1" b:l="2"/></a:y></a:x>',
]


@pytest.mark.parametrize("packaging", [Packaging.ENVELOPED, Packaging.ENVELOPING])
def test_canonical_forms_are_those_of_another_program(folder: Path, key: SigningKey, packaging: Packaging) -> None:
    for content in TRICKY:
        signed = sign(key, Document.of(NAME, content.encode()), packaging)
        assert xmlsec_accepts(folder, signed), content


@pytest.mark.parametrize("content", [CDA, b"%PDF-1.7 \0\xff", b""])
def test_an_enveloping_signature_holds_the_document(folder: Path, key: SigningKey, content: bytes) -> None:
    signed = sign(key, Document.of(NAME, content), Packaging.ENVELOPING)
    assert xmlsec_accepts(folder, signed)
    if content:
        held = b"Compte" if content is CDA else b"JVBE"
        assert signed.count(held) == 1
        assert not xmlsec_accepts(folder, signed.replace(held, b"Conte"))


def test_an_enveloping_signature_holds_a_signed_document_whose_signature_still_holds(
    folder: Path, key: SigningKey
) -> None:
    inner = sign(key, Document.of(NAME, b"<a><b/></a>"), Packaging.ENVELOPED).replace(b"ds:", b"xmldsig:")
    inner = inner.replace(b"xmlns:ds", b"xmlns:xmldsig")
    held = sign(key, Document.of(NAME, inner), Packaging.ENVELOPING)
    assert xmlsec_accepts(folder, held)
    assert inner[inner.index(b"<a>") :] in held


def test_a_detached_signature_names_the_document(folder: Path, key: SigningKey) -> None:
    (folder / "sub").mkdir()
    name = "sub/ordonnance n°1 50%.pdf"
    (folder / name).write_bytes(b"text")
    document = Document.of(name, b"text")
    by_digest = Document(name, None, document.sha256)
    for each in (document, by_digest):
        signed = sign(key, each, Packaging.DETACHED)
        assert b'URI="sub/ordonnance%20n%C2%B01%2050%25.pdf"' in signed
        assert xmlsec_accepts(folder, signed)
    (folder / name).write_bytes(b"test")
    assert not xmlsec_accepts(folder, signed)


def test_a_detached_document_has_the_uri_that_the_caller_gives_it(key: SigningKey) -> None:
    signed = sign(key, Document.of("a", b"text", uri="urn:oid:1.2.3"), Packaging.DETACHED)
    assert b'URI="urn:oid:1.2.3"' in signed


@pytest.mark.parametrize("uri", ["#id", "a#b", "", '"><x', "a b", "é"])
def test_a_uri_that_is_none_is_refused(key: SigningKey, uri: str) -> None:
    with pytest.raises(TermsRefusedError):
        sign(key, Document.of("a", b"text", uri=uri), Packaging.DETACHED)


SIGNATURE = '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">{}</ds:Signature>'
REFERENCE = "<ds:SignedInfo><ds:Reference {}><ds:Transforms>{}</ds:Transforms></ds:Reference></ds:SignedInfo>"
PLAIN = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
XPATH = '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>{}</ds:XPath></ds:Transform>'
FILTER = (
    '<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2">'
    '<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="{}">/descendant::ds:Signature</f:XPath>'
    "</ds:Transform>"
)


def with_companion(reference: str, transforms: str) -> bytes:
    signature = SIGNATURE.format(REFERENCE.format(reference, transforms))
    return f'<a Id="root"><b Id="part"/>{signature}</a>'.encode()


@pytest.mark.parametrize(
    "content",
    [
        with_companion('URI=""', PLAIN),
        with_companion('URI="#root"', PLAIN),
        with_companion("", PLAIN),
        with_companion('URI="#xpointer(/)"', PLAIN),
        with_companion('URI=""', XPATH.format("not(ancestor-or-self::ds:SignedInfo)")),
        with_companion('URI=""', XPATH.format("not(ancestor-or-self::ds:Signature) or true()")),
        with_companion('URI=""', XPATH.format("not(ancestor-or-self::other:Signature)")),
        with_companion('URI=""', FILTER.format("union")),
        SIGNATURE.format("<ds:SignedInfo/>").encode(),
        f"<a>{SIGNATURE.format('<ds:Object><b>hidden</b></ds:Object>')}</a>".encode(),
        f"<a>{SIGNATURE.format('<ds:Object>hidden</ds:Object>')}</a>".encode(),
        f"<a>{SIGNATURE.format('<b>hidden</b>')}</a>".encode(),
        f"<a>{SIGNATURE.format('hidden')}</a>".encode(),
    ],
)
def test_a_signature_is_not_added_where_it_would_break_another_or_be_blind(key: SigningKey, content: bytes) -> None:
    with pytest.raises(DocumentRefusedError) as refused:
        sign(key, Document.of(NAME, content), Packaging.ENVELOPED)
    assert refused.value.document == NAME


@pytest.mark.parametrize(
    "content",
    [
        with_companion('URI="#part"', PLAIN),
        with_companion('URI="a.pdf"', ""),
        with_companion('URI=""', XPATH.format("\n not( ancestor-or-self::ds:Signature )")),
        with_companion('URI=""', FILTER.format("subtract")),
    ],
)
def test_a_signature_is_added_beside_others_that_it_leaves_whole(folder: Path, key: SigningKey, content: bytes) -> None:
    signed = sign(key, Document.of(NAME, content), Packaging.ENVELOPED)
    assert xmlsec_accepts(folder, signed, number=2)


@pytest.mark.parametrize("packaging", [Packaging.ENVELOPED, Packaging.ENVELOPING])
@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<a><b></a>",
        b'<a xmlns="relative"/>',
        b"<a>" * 201 + b"</a>" * 201,
        b"<a>" + b"<b>cccccccccccccccccccccccccc</b>" * 500_000 + b"</a>",
    ],
    ids=["doctype", "malformed", "no-canonical-form", "deep", "large"],
)
def test_hostile_xml_is_refused_before_anybody_is_asked(packaging: Packaging, content: bytes) -> None:
    with pytest.raises(DocumentRefusedError):
        xmldsig.check([Document.of(NAME, content)], terms(packaging), Outside())


def test_what_the_format_has_no_place_for_is_refused() -> None:
    for options in ({"policy": Policy("1.2.3", bytes(32))}, {"claimed_role": "a"}, {"reason": "a"}, {"location": "a"}):
        with pytest.raises(TermsRefusedError):
            xmldsig.check([], terms(Packaging.ENVELOPED, **options), Outside())
    with pytest.raises(SigningError):
        xmldsig.check([Document.of("a", b"<a/>", uri="urn:a")], terms(Packaging.ENVELOPED), Outside())
    with pytest.raises(DocumentRefusedError):
        xmldsig.check([Document("a", None, bytes(32))], terms(Packaging.ENVELOPING), Outside())
    for document in (Document.of("a", b"%PDF-"), Document.of("a", b"<a/>", "application/pdf")):
        with pytest.raises(DocumentRefusedError):
            xmldsig.check([document], terms(Packaging.ENVELOPED), Outside())


def test_a_document_is_not_held_so_deep_that_nobody_could_read_it_again(key: SigningKey) -> None:
    for depth in (MAX_DEPTH - 2, MAX_DEPTH):
        document = Document.of(NAME, b"<a>" * depth + b"</a>" * depth)
        with nullcontext() if depth < MAX_DEPTH - 1 else pytest.raises(DocumentRefusedError):
            parse_xml(sign(key, document, Packaging.ENVELOPING))


def test_a_large_document_is_not_held_where_nobody_could_read_it_again() -> None:
    with pytest.raises(DocumentRefusedError):
        xmldsig.check([Document.of("a", bytes(8_000_000))], terms(Packaging.ENVELOPING), Outside())
