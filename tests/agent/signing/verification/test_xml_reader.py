"""Signatures in XML: our own hold in every packaging, whatever is altered does not, and neither does any wrapping."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from lxml import etree
from support.signing_keys import SigningKey
from support.xml_forge import ENVELOPED, EXCLUSIVE, SHA1, WHOLE, Forge, Ref, base64_text, exclusive

from agent.certificates.chains import Authorities
from agent.signing import xmldsig
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.judging import Court
from agent.signing.verification.messages import Status, Trust
from agent.signing.verification.xml import read_signatures
from agent.signing.words import Format, Level, Packaging, Scheme

DOCUMENT = b'<?xml version="1.0"?>\n<?style a?><r xmlns:u="urn:u" a="1"><!-- c --><t>Zo\xc3\xa9</t> <e/></r>\n<?end b?>'
DATA = "<d><amount>10</amount></d>"
DS = "http://www.w3.org/2000/09/xmldsig#"


def sign(key: SigningKey, packaging: Packaging, content: bytes = DOCUMENT, scheme: Scheme = Scheme.RS256) -> bytes:
    terms = SignatureTerms(Format.XMLDSIG, Level.B, packaging)
    prepared = xmldsig.prepare([Document.of("a.xml", content)], terms, key.signer(scheme), Outside())
    (signature,) = key.complete_all(prepared, scheme)
    return signature


def read_one(content: bytes | str, detached: bytes | None = None) -> Finding:
    content = content.encode() if isinstance(content, str) else content
    (finding,) = read_signatures(content, detached)
    return finding


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("packaging", Packaging)
def test_our_own_signatures_hold(key: SigningKey, packaging: Packaging, scheme: Scheme) -> None:
    signed = sign(key, packaging, scheme=scheme)
    found = read_one(signed, DOCUMENT if packaging is Packaging.DETACHED else None)
    assert (found.reason, found.format, found.level) == (None, Format.XMLDSIG, None), found.hint
    assert found.certificate_der == key.certificate_der
    assert found.evidence.certificates_der == key.chain_der[:-1]


def test_every_signature_of_several_people_holds(key: SigningKey) -> None:
    signed = DOCUMENT
    for _ in range(3):
        signed = sign(key, Packaging.ENVELOPED, signed)
    assert [found.reason for found in read_signatures(signed, None)] == [None] * 3
    altered = read_signatures(signed.replace(b"Zo\xc3", b"Bo\xc3"), None)
    assert [found.reason for found in altered] == [Reason.ALTERED] * 3


def test_a_document_that_is_not_given_is_missed_and_another_one_is_not_taken(key: SigningKey) -> None:
    signed = sign(key, Packaging.DETACHED)
    assert read_one(signed).reason is Reason.CONTENT_ABSENT
    assert read_one(signed, DOCUMENT + b" ").reason is Reason.ALTERED


@pytest.mark.parametrize("packaging", Packaging)
def test_no_altered_byte_is_ever_taken(key: SigningKey, packaging: Packaging) -> None:
    """Every seventh byte, and all that is not within the certificates: these are the judge's to believe."""
    signed, chance = sign(key, packaging), random.Random(7)
    detached = DOCUMENT if packaging is Packaging.DETACHED else None
    start, end = signed.index(b"<ds:X509Data"), signed.index(b"</ds:X509Data")
    for place in (*range(0, start, 7), *range(end, len(signed), 7)):
        altered = bytearray(signed)
        altered[place] ^= 1 << chance.randrange(8)
        if _says_the_same(bytes(altered), signed):
            continue
        try:
            findings = read_signatures(bytes(altered), detached)
        except UnreadableError:
            continue
        assert all(found.reason for found in findings), (place, signed[place - 20 : place + 20], altered[place])


def test_no_altered_byte_of_the_signers_certificate_is_believed(key: SigningKey) -> None:
    """Nothing in plain XML-DSig signs the certificate: it is the judge who does not find its issuer."""
    signed = sign(key, Packaging.ENVELOPED)
    root = key.chain_der[-1]
    court = Court(Trust(Authorities((root,), key.chain_der[:-1], (root,))), datetime.now(UTC))
    assert court.judge(read_one(signed)).status is Status.VALID
    start = signed.index(b"<ds:X509Certificate>") + 20
    for place in range(start, signed.index(b"</ds:X509Certificate>"), 97):
        altered = signed[:place] + (b"B" if signed[place] != 66 else b"C") + signed[place + 1 :]
        assert court.judge(read_one(altered)).status is not Status.VALID, place


def _says_the_same(altered: bytes, signed: bytes) -> bool:
    """Whether only what nothing ever signs differs, for xmlsec1 neither: how tags are written, and a signature's Id."""
    return _canonical(altered) == _canonical(signed)


def _canonical(content: bytes) -> bytes | None:
    try:
        root = etree.fromstring(content)
        for element in root.iter(f"{{{DS}}}Signature", f"{{{DS}}}SignatureValue"):
            element.attrib.pop("Id", None)
        return bytes(etree.tostring(root.getroottree(), method="c14n", exclusive=True, with_comments=False))
    except etree.LxmlError:
        return None


def enveloped(key: SigningKey, data: str = DATA, **forge: str) -> str:
    signature = Forge(key, **forge).sign([Ref("", exclusive(data), WHOLE)])
    return data.replace("</d>", f"{signature}</d>")


def by_id(key: SigningKey, data: str = '<d Id="x"><amount>10</amount></d>') -> tuple[str, str]:
    """An element, and a Signature that names it by its id and is to stand within it."""
    return data, Forge(key).sign([Ref("#x", exclusive(data), WHOLE)])


def test_the_forge_makes_signatures_that_hold(key: SigningKey) -> None:
    assert read_one(enveloped(key)).reason is None
    data, signature = by_id(key)
    assert read_one(data.replace("</d>", f"{signature}</d>")).reason is None


EVIL = '<d Id="x2"><amount>1000</amount></d>'


def wrap_in_new_root(key: SigningKey) -> str:
    data, signature = by_id(key)
    return f"<root>{EVIL}{data.replace('</d>', signature + '</d>')}</root>"


def wrap_in_object(key: SigningKey) -> str:
    data, signature = by_id(key)
    moved = signature.replace("</Signature>", f'<Object><w xmlns="">{data}</w></Object></Signature>')
    return EVIL.replace("</d>", f"{moved}</d>")


def wrap_beside(key: SigningKey) -> str:
    data, signature = by_id(key)
    return f'<d Id="y"><amount>1000</amount><old>{data}</old>{signature}</d>'


def wrap_with_the_same_id(key: SigningKey) -> str:
    data, signature = by_id(key)
    return f'<d Id="x"><amount>1000</amount><old>{data}</old>{signature}</d>'


def wrap_with_an_id_of_another_namespace(key: SigningKey) -> str:
    data, signature = by_id(key)
    return f'<d xmlns:w="urn:w" w:Id="x"><amount>1000</amount><old>{data}</old>{signature}</d>'


def wrap_with_an_id_in_lower_case(key: SigningKey) -> str:
    data, signature = by_id(key)
    return f'<d id="x"><amount>1000</amount><old>{data}</old>{signature}</d>'


def wrap_the_signature_in_a_signature(key: SigningKey) -> str:
    data, signature = by_id(key)
    outer = signature.replace("</Signature>", f"<Object>{signature}</Object></Signature>")
    return f'<d Id="x2"><amount>1000</amount>{outer}<old>{data}</old></d>'


def wrap_in_a_signature_that_is_left_out(key: SigningKey) -> str:
    signed = sign(key, Packaging.ENVELOPED).decode()
    hidden = f'<ds:Signature xmlns:ds="{DS}"><evil xmlns="">1000</evil></ds:Signature>'
    return signed.replace("</r>", f"{hidden}</r>")


def wrap_text_in_a_signature_that_is_left_out(key: SigningKey) -> str:
    signed = sign(key, Packaging.ENVELOPED).decode()
    return signed.replace("</r>", f'<ds:Signature xmlns:ds="{DS}"><ds:Object>1000</ds:Object></ds:Signature></r>')


def add_an_object_that_nothing_signs(key: SigningKey) -> str:
    return enveloped(key, objects='<Object><d xmlns=""><amount>1000</amount></d></Object>')


def add_an_object_around(key: SigningKey) -> str:
    signed = sign(key, Packaging.ENVELOPING).decode()
    return signed.replace("</ds:Signature>", "<ds:Object>another</ds:Object></ds:Signature>")


def sign_a_part_alone(key: SigningKey) -> str:
    part = '<amount Id="x">10</amount>'
    return f"<d>{part}<evil/>{Forge(key).sign([Ref('#x', exclusive(part), EXCLUSIVE)])}</d>"


def sign_nothing_but_a_certificate(key: SigningKey) -> str:
    return Forge(key).sign([Ref("#s", b"", ENVELOPED)])


def cut_a_text_with_a_comment(key: SigningKey) -> str:
    return enveloped(key).replace("<amount>10<", "<amount>1<!-- -->0<")


def cut_a_text_with_the_signature(key: SigningKey) -> str:
    signature = Forge(key).sign([Ref("", exclusive(DATA), WHOLE)])
    return DATA.replace(">10<", f">1{signature}0<")


def add_an_instruction_to_an_object(key: SigningKey) -> str:
    return enveloped(key, objects="<Object><?evil?></Object>")


def hide_a_text_behind_a_comment(key: SigningKey) -> str:
    return enveloped(key).replace("<amount>10<", "<amount><!-- -->10<")


WRAPPINGS: list[Callable[[SigningKey], str]] = [
    wrap_in_new_root,
    wrap_in_object,
    wrap_beside,
    wrap_with_the_same_id,
    wrap_with_an_id_of_another_namespace,
    wrap_with_an_id_in_lower_case,
    wrap_the_signature_in_a_signature,
    wrap_in_a_signature_that_is_left_out,
    wrap_text_in_a_signature_that_is_left_out,
    add_an_object_that_nothing_signs,
    add_an_object_around,
    sign_a_part_alone,
    sign_nothing_but_a_certificate,
    cut_a_text_with_a_comment,
    hide_a_text_behind_a_comment,
    cut_a_text_with_the_signature,
    add_an_instruction_to_an_object,
]


@pytest.mark.parametrize("wrap", WRAPPINGS, ids=lambda wrap: wrap.__name__)
def test_what_is_signed_is_what_is_shown(key: SigningKey, wrap: Callable[[SigningKey], str]) -> None:
    try:
        findings = read_signatures(wrap(key).encode(), None)
    except UnreadableError:
        return
    assert findings
    assert all(found.reason in (Reason.NOT_COVERED, Reason.MALFORMED, Reason.ALTERED) for found in findings), findings


XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
REFUSED: dict[str, tuple[str, str]] = {
    "xslt": ("", '<Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'),
    "xpath": ("", f'<Transform Algorithm="{XPATH}"><XPath>not(ancestor-or-self::amount)</XPath></Transform>'),
    "xpath of another prefix": (
        "",
        f'<Transform Algorithm="{XPATH}"><XPath xmlns:ds="urn:x">not(ancestor-or-self::ds:Signature)</XPath></Transform>',
    ),
    "filter": ("", '<Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/>'),
    "decrypt": ("", '<Transform Algorithm="http://www.w3.org/2002/07/decrypt#XML"/>'),
    "pointer": ("#xpointer(/)", EXCLUSIVE),
    "pointer to an id": ("#xpointer(id('x'))", EXCLUSIVE),
    "two canonical forms": ("", WHOLE + EXCLUSIVE),
    "enveloped afterwards": ("", EXCLUSIVE + ENVELOPED),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_that_computes_or_fetches_is_done(key: SigningKey, case: str) -> None:
    uri, transforms = REFUSED[case]
    signature = Forge(key).sign([Ref(uri, exclusive(DATA), transforms)])
    found = read_one(DATA.replace("</d>", f"{signature}</d>"))
    assert found.reason in (Reason.ALGORITHM_REFUSED, Reason.MALFORMED), found


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://127.0.0.1:9/", "//host/x", "cid:x", "other.xml"])
def test_what_is_outside_is_never_fetched(key: SigningKey, uri: str) -> None:
    assert read_one(Forge(key).sign([Ref(uri, b"content")])).reason is Reason.CONTENT_ABSENT
    assert read_one(Forge(key).sign([Ref(uri, b"content")]), b"content").reason is None


METHODS = (
    f"{DS}hmac-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    f"{DS}rsa-sha1",
    f"{DS}dsa-sha1",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
    "none",
    "",
)


@pytest.mark.parametrize("method", METHODS)
def test_weak_and_symmetric_methods_are_refused(key: SigningKey, method: str) -> None:
    assert read_one(enveloped(key, method=method)).reason is Reason.ALGORITHM_REFUSED


def test_weak_hashes_and_shortened_values_are_refused(key: SigningKey) -> None:
    weak = Forge(key).sign([Ref("", exclusive(DATA), WHOLE, method=SHA1)])
    assert read_one(DATA.replace("</d>", f"{weak}</d>")).reason is Reason.ALGORITHM_REFUSED
    short = enveloped(key, method_content="<HMACOutputLength>1</HMACOutputLength>")
    assert read_one(short).reason is Reason.ALGORITHM_REFUSED
    assert read_one(enveloped(key, form="http://www.w3.org/2006/12/xml-c14n11")).reason is Reason.ALGORITHM_REFUSED


KEY_INFOS = {
    "none": "",
    "a key alone": "<KeyInfo><KeyValue><RSAKeyValue><Modulus>AQ==</Modulus></RSAKeyValue></KeyValue></KeyInfo>",
    "a name": "<KeyInfo><KeyName>me</KeyName></KeyInfo>",
    "an address": '<KeyInfo><RetrievalMethod URI="http://127.0.0.1:9/"/></KeyInfo>',
}


@pytest.mark.parametrize("case", KEY_INFOS)
def test_a_key_without_a_certificate_is_nobodys(key: SigningKey, case: str) -> None:
    assert read_one(enveloped(key, key_info=KEY_INFOS[case])).reason is Reason.CERTIFICATE_ABSENT


def test_a_certificate_of_another_key_has_not_signed(key: SigningKey) -> None:
    other = base64_text(key.chain_der[0])
    info = f"<KeyInfo><X509Data><X509Certificate>{other}</X509Certificate></X509Data></KeyInfo>"
    assert read_one(enveloped(key, key_info=info)).reason is Reason.SIGNATURE_WRONG


REMARKS = ("<!-- -->", "<?x?>")
PLACES = ("</DigestValue>", "<DigestValue>", "<SignatureValue>", "<X509Certificate>", "</SignedInfo>")


@pytest.mark.parametrize("remark", REMARKS)
@pytest.mark.parametrize("place", PLACES)
def test_a_remark_within_a_signature_is_refused(key: SigningKey, remark: str, place: str) -> None:
    assert read_one(enveloped(key).replace(place, place + remark)).reason is Reason.MALFORMED


UNREADABLE = {
    "entities": '<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>',
    "external": '<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>',
    "inclusion": '<d xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="/etc/passwd"/></d>',
    "two ids": '<d Id="x"><e Id="x"/></d>',
    "deep": "<a>" * 500 + "</a>" * 500,
    "cut": "<d><e>",
    "another encoding": '<?xml version="1.0" encoding="UTF-7"?><d/>',
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_hostile_xml_is_not_read(case: str) -> None:
    with pytest.raises(UnreadableError):
        read_signatures(UNREADABLE[case].encode(), None)


def test_xml_without_a_signature_has_none() -> None:
    assert read_signatures(b"<d/>", None) == []


def test_a_document_given_with_a_signature_that_does_not_name_it_is_not_covered(key: SigningKey) -> None:
    for packaging in (Packaging.ENVELOPED, Packaging.ENVELOPING):
        assert read_one(sign(key, packaging), b"anything").reason is Reason.NOT_COVERED


@pytest.mark.parametrize("place", ["</ds:X509Data>", "</ds:KeyInfo>"])
@pytest.mark.parametrize("packaging", Packaging)
def test_a_foreign_element_in_a_signature_is_refused(key: SigningKey, packaging: Packaging, place: str) -> None:
    signed = sign(key, packaging).decode().replace(place, f'<dose xmlns="">1000</dose>{place}')
    found = read_one(signed, DOCUMENT if packaging is Packaging.DETACHED else None)
    assert found.reason in (Reason.NOT_COVERED, Reason.MALFORMED, Reason.ALTERED)  # what is named of the key is signed


def test_a_foreign_element_in_another_signature_is_refused(key: SigningKey) -> None:
    twice = sign(key, Packaging.ENVELOPED, sign(key, Packaging.ENVELOPED)).decode()
    head, _, tail = twice.partition("</ds:X509Data>")
    findings = read_signatures(f'{head}<dose xmlns="">1000</dose></ds:X509Data>{tail}'.encode(), None)
    assert [found.reason for found in findings] == [Reason.MALFORMED, Reason.NOT_COVERED]


def test_an_instruction_beside_the_root_is_refused_unless_it_is_signed(key: SigningKey) -> None:
    data, signature = by_id(key)
    signed = data.replace("</d>", f"{signature}</d>")
    for altered in (f'<?xml-stylesheet href="x"?>{signed}', f"{signed}<?x?>"):
        assert read_one(altered).reason is Reason.NOT_COVERED
    around = sign(key, Packaging.ENVELOPING)
    assert read_one(around + b"<?x?>").reason is Reason.NOT_COVERED
