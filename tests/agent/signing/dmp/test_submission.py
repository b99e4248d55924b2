"""The signature of a DMP submission set: the shape of the DMP's own sample, and what others say of it."""

from __future__ import annotations

import base64
import random
import re
from datetime import datetime
from pathlib import Path

import pytest
from lxml import etree
from support.openssl import openssl
from support.signing_keys import SigningKey
from support.xmlsec_profiles import accepts, count_manifest

from agent.signing.dmp.submission import check, prepare
from agent.signing.dmp.terms import Entry, SubmissionTerms
from agent.signing.dmp.words import Hash
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.preparation import Outside, Signer
from agent.signing.words import Scheme

SET, CDA_OID, KOS_OID = "1.2.250.1.999.1.1.7898.3.99", "1.2.250.1.999.1.1.7898.4.1", "1.2.250.1.999.1.1.7898.4.2"
CDA = (
    "<?xml version='1.0' encoding='ISO-8859-1'?>\n<?xml-stylesheet href='a.xsl'?>"
    "<ClinicalDocument  xmlns='urn:hl7-org:v3' b='2' a='1'>\r\n<!-- note --><title>é</title><id/></ClinicalDocument>"
).encode("latin-1")
CANONICAL = (
    '<?xml-stylesheet href=\'a.xsl\'?>\n<ClinicalDocument xmlns="urn:hl7-org:v3" a="1" b="2">\n'
    "<!-- note --><title>é</title><id></id></ClinicalDocument>"
).encode()
KOS = bytes(range(256)) * 8
OUTSIDE = Outside()
DS, XADES = "{http://www.w3.org/2000/09/xmldsig#}", "{http://uri.etsi.org/01903/v1.1.1#}"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"
SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"


def terms_of(hash_name: Hash = Hash.SHA1) -> SubmissionTerms:
    return SubmissionTerms(SET, (Entry(CDA_OID, is_xml=True), Entry(KOS_OID, is_xml=False)), hash_name)


def sign(key: SigningKey, hash_name: Hash = Hash.SHA1, signer: Signer | None = None) -> bytes:
    documents = [Document.of(CDA_OID, CDA), Document.of(KOS_OID, KOS)]
    (signed,) = key.complete_all(prepare(documents, terms_of(hash_name), signer or key.signer(), OUTSIDE))
    return signed


@pytest.mark.parametrize("hash_name", Hash)
def test_xmlsec_verifies_it_and_its_documents(key: SigningKey, tmp_path: Path, hash_name: Hash) -> None:
    """All but the set, whose zero byte is no hash of anything."""
    key.write_chain(tmp_path)
    files = {}
    for oid, content in {CDA_OID: CDA, KOS_OID: KOS, SET: b""}.items():
        files[f"urn:oid:{oid}"] = tmp_path / oid
        files[f"urn:oid:{oid}"].write_bytes(content)
    signed = sign(key, hash_name)
    assert accepts(tmp_path, signed)
    assert count_manifest(tmp_path, signed, files) == (2, 3)
    files[f"urn:oid:{CDA_OID}"].write_bytes(CDA.replace(b"note", b"Note"))
    assert count_manifest(tmp_path, signed, files) == (1, 3)


def _openssl_digest(folder: Path, content: bytes) -> bytes:
    (folder / "hashed").write_bytes(content)
    return bytes.fromhex(openssl(folder, "dgst", "-sha1", "-r", "hashed").split()[0])


def test_it_has_the_shape_of_the_official_sample(key: SigningKey, tmp_path: Path) -> None:
    root = etree.fromstring(sign(key))
    assert [child.tag for child in root] == [
        f"{DS}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo", "Object", "Object", "Object")
    ]
    info, _, key_info, *objects = root
    assert [(child.tag.removeprefix(DS), dict(child.attrib)) for child in info] == [
        ("CanonicalizationMethod", {"Algorithm": C14N}),
        ("SignatureMethod", {"Algorithm": "http://www.w3.org/2000/09/xmldsig#rsa-sha1"}),
        ("Reference", {"Type": "http://www.w3.org/2000/09/xmldsig#Manifest", "URI": "#IHEManifest"}),
        ("Reference", {"Type": f"{XADES[1:-1]}SignedProperties", "URI": "#S0-SignedProperties"}),
    ]
    assert all([child.tag.removeprefix(DS) for child in ref] == ["DigestMethod", "DigestValue"] for ref in info[2:])
    assert [element.tag.removeprefix(DS) for element in key_info.iter()] == ["KeyInfo", "X509Data", "X509Certificate"]
    assert base64.b64decode(key_info[0][0].text) == key.certificate_der
    manifest, properties, qualifying = (each[0] for each in objects)
    assert (manifest.tag, manifest.get("Id")) == (f"{DS}Manifest", "IHEManifest")
    assert [reference.get("URI") for reference in manifest] == [f"urn:oid:{oid}" for oid in (SET, CDA_OID, KOS_OID)]
    assert [[child.tag.removeprefix(DS) for child in reference] for reference in manifest] == [
        ["DigestMethod", "DigestValue"],
        ["Transforms", "DigestMethod", "DigestValue"],
        ["DigestMethod", "DigestValue"],
    ]
    assert {element.get("Algorithm") for element in manifest.iter(f"{DS}DigestMethod")} == {SHA1}
    assert [element.get("Algorithm") for element in manifest.iter(f"{DS}Transform")] == [C14N]
    digests = [base64.b64decode(element.text) for element in manifest.iter(f"{DS}DigestValue")]
    assert digests == [b"\0", _openssl_digest(tmp_path, CANONICAL), _openssl_digest(tmp_path, KOS)]
    identifier = root.get("Id")
    assert re.fullmatch(r"[a-f][0-9a-f]{7}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", identifier)
    assert [(each.tag, dict(each.attrib), each.text) for each in properties.iter()] == [
        ("SignatureProperties", {}, None),
        (
            "SignatureProperty",
            {"Id": "purposeOfSignature", "Target": f"#{identifier}"},
            "1.2.840.10065.1.12.1.14",
        ),
    ]
    assert (qualifying.tag, qualifying.get("Target")) == (f"{XADES}QualifyingProperties", f"#{identifier}")


def test_its_properties_are_those_of_xades_1_1_1(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    signed = etree.fromstring(sign(key))[5][0][0]
    assert (signed.tag, signed.get("Id")) == (f"{XADES}SignedProperties", "S0-SignedProperties")
    assert [child.tag.removeprefix(XADES) for child in signed] == [
        "SignedSignatureProperties",
        "SignedDataObjectProperties",
    ]
    moment, certificates, policy = signed[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", moment.text)
    assert abs((datetime.now().astimezone() - datetime.fromisoformat(moment.text)).total_seconds()) < 60
    assert [child.tag.removeprefix(XADES) for child in policy] == ["SignaturePolicyImplied"]
    assert [[element.tag for element in certificate.iter()] for certificate in certificates] == [
        [f"{XADES}{name}" for name in ("Cert", "CertDigest", "DigestMethod", "DigestValue", "IssuerSerial")]
        + [f"{DS}X509IssuerName", f"{DS}X509SerialNumber"]
    ] * 3
    for certificate, der in zip(certificates, (key.certificate_der, *key.chain_der), strict=True):
        (tmp_path / "one.der").write_bytes(der)
        words = openssl(
            tmp_path, "x509", "-inform", "DER", "-in", "one.der", "-noout", "-issuer", "-serial",
            "-nameopt", "RFC2253",
        )  # fmt: skip
        issuer, serial = words.splitlines()
        assert certificate[1][0].text == issuer.removeprefix("issuer=")
        assert certificate[1][1].text == str(int(serial.removeprefix("serial="), 16))
        assert base64.b64decode(certificate[0][1].text) == _openssl_digest(tmp_path, der)


def test_without_a_known_chain_it_names_the_signer_alone(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    signed = sign(key, signer=Signer(key.certificate_der))
    assert signed.count(b"<Cert>") == 1
    assert accepts(tmp_path, signed)


def test_another_document_another_set_or_another_byte_is_refused(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    signed = sign(key)
    for part in (SET, CDA_OID, KOS_OID, "AA==", "SignaturePolicyImplied", "rsa-sha1"):
        assert not accepts(tmp_path, signed.replace(part.encode(), part[:-1].encode() + b"x", 1))
    end = signed.index(b"<Object><SignatureProperties")
    choose = random.Random(7)
    for position in choose.sample(range(30, signed.index(b"<KeyInfo>")), 12) + choose.sample(range(end - 900, end), 6):
        altered = bytearray(signed)
        altered[position] ^= 1
        assert not accepts(tmp_path, bytes(altered)), signed[position - 20 : position + 20]


def test_a_hash_of_the_callers_stands_as_it_is(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    digest = bytes(range(20))
    terms = SubmissionTerms(SET, (Entry(CDA_OID, is_xml=True, digest=digest), Entry(KOS_OID, is_xml=False)), Hash.SHA1)
    (signed,) = key.complete_all(prepare([Document.of(KOS_OID, KOS)], terms, key.signer(), OUTSIDE))
    assert accepts(tmp_path, signed)
    digests = [base64.b64decode(element.text) for element in etree.fromstring(signed)[3].iter(f"{DS}DigestValue")]
    assert digests == [b"\0", digest, _openssl_digest(tmp_path, KOS)]


HOSTILE = {
    "no-xml": b"%PDF-1.7",
    "entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
    "bomb": b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "truncated": b"<a><b>",
    "include": b'<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="/etc/hostname"/></a>',
    "deep": b"<a>" * 5000 + b"</a>" * 5000,
    "twice": b'<a><b ID="x"/><c ID="x"/></a>',
    "empty": b"",
    "relative-namespace": b'<a xmlns="b"/>',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_cda_that_is_none_is_refused_before_anybody_is_asked(name: str) -> None:
    terms = SubmissionTerms(SET, (Entry(CDA_OID, is_xml=True),), Hash.SHA1)
    with pytest.raises(DocumentRefusedError):
        check([Document.of(CDA_OID, HOSTILE[name])], terms, OUTSIDE)
    check(
        [Document.of(CDA_OID, HOSTILE[name])], SubmissionTerms(SET, (Entry(CDA_OID, is_xml=False),), Hash.SHA1), OUTSIDE
    )


def test_a_scheme_that_the_dmp_does_not_take_is_refused(key: SigningKey) -> None:
    with pytest.raises(TermsRefusedError):
        sign(key, signer=key.signer(Scheme.PS256))
