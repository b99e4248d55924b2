"""VIHF and INSi assertions: element by element as the official samples have them, and verified by xmlsec1."""

from __future__ import annotations

import base64
import random
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from msgspec.structs import replace
from support.signing_keys import SigningKey
from support.xmlsec_profiles import accepts

from agent.signing.dmp import insi, vihf
from agent.signing.dmp.terms import Coded, Context, Envelope, InsiTerms, Professional, Software, Structure, VihfTerms
from agent.signing.dmp.words import Hash, Mode
from agent.signing.documents import Document
from agent.signing.errors import TermsRefusedError
from agent.signing.preparation import Outside
from agent.signing.words import Scheme

OUTSIDE = Outside()
SAML, DS = "{urn:oasis:names:tc:SAML:2.0:assertion}", "{http://www.w3.org/2000/09/xmldsig#}"
XSI, HL7 = "{http://www.w3.org/2001/XMLSchema-instance}", "{urn:hl7-org:v3}"
SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"
PHYSICIAN = Coded("10", "1.2.250.1.71.1.2.7", "G15", "Médecin")
GENERALIST = Coded("SM26", "1.2.250.1.71.4.2.5", "R01", "Médecine générale (SM)")
VIHF = VihfTerms(
    mode=Mode.DIRECT,
    version="3.0",
    context=Context(SMARTCARD),
    mode_attribute="Authentification_mode",
    resource="urn:dmp",
    purpose=Coded("normal", "1.2.250.1.213.1.1.4.248", "mode acces VIHF 2.0", "Accès normal"),
    hash=Hash.SHA256,
    software=Software("01.01", "LPS D'ESSAI", "1", "AUTORISATION"),
    professional=Professional("899700002712", None, (PHYSICIAN, GENERALIST)),
    structure=Structure("499700002712005", "SA07"),
    patient="207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH",
)
INSI = InsiTerms(Hash.SHA256, "899700002712", "991130972")
ENVELOPE = Envelope("https://dmp.example/patient", "urn:hl7-org:v3:PRPA_IN201307UV02")


def sign(key: SigningKey, terms: VihfTerms | InsiTerms) -> bytes:
    module: Any = vihf if isinstance(terms, VihfTerms) else insi
    (signed,) = key.complete_all(module.prepare([], terms, key.signer(), OUTSIDE))
    return signed


def attributes(root: Any) -> list[tuple[str, list[Any]]]:
    """Names with their values: texts, or the attributes of coded values."""
    return [
        (each.get("Name"), [value.text if not len(value) else dict(value[0].attrib) for value in each])
        for each in root.iter(f"{SAML}Attribute")
    ]


@pytest.mark.parametrize("terms", [VIHF, INSI], ids=["vihf", "insi"])
@pytest.mark.parametrize("hash_name", Hash)
@pytest.mark.parametrize("envelope", [None, ENVELOPE], ids=["bare", "soap"])
def test_xmlsec_verifies_them(key: SigningKey, tmp_path: Path, terms: Any, hash_name: Hash, envelope: Any) -> None:
    key.write_chain(tmp_path)
    signed = sign(key, replace(terms, hash=hash_name, envelope=envelope))
    assert accepts(tmp_path, signed)
    end = b"sha1" if hash_name is Hash.SHA1 else b"sha256"
    assert re.findall(rb'(?:Signature|Digest)Method Algorithm="[^"]*(sha\d+)"', signed) == [end, end]


def test_a_vihf_has_the_shape_of_the_official_sample(key: SigningKey) -> None:
    root = etree.fromstring(sign(key, VIHF))
    assert re.fullmatch("_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", root.get("ID"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", root.get("IssueInstant"))
    assert (root.tag, root.get("Version")) == (f"{SAML}Assertion", "2.0")
    assert [child.tag for child in root] == [
        f"{SAML}Issuer", f"{DS}Signature", f"{SAML}Subject", f"{SAML}AuthnStatement", f"{SAML}AttributeStatement",
    ]  # fmt: skip
    issuer, signature, subject, authentication, _ = root
    assert dict(issuer.attrib) == {"Format": "urn:oasis:names:tc:SAML:1.1:nameid-format:X509SubjectName"}
    surname, given, title = b"VIRTUEL", b"CAMILLE", "Médecin".encode()
    hexadecimal = [f"#0c{len(text):02x}{text.hex()}" for text in (surname, given, title)]
    assert issuer.text == "2.5.4.4={}+2.5.4.42={}+CN=899700002712,2.5.4.12={},C=FR".format(*hexadecimal)
    info, _, key_info = signature
    exclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
    assert [each.get("Algorithm") for each in info.iter() if each.get("Algorithm")] == [
        exclusive,
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        f"{DS[1:-1]}enveloped-signature",
        exclusive,
        "http://www.w3.org/2001/04/xmlenc#sha256",
    ]
    assert info[2].get("URI") == f"#{root.get('ID')}"
    assert [base64.b64decode(each.text) for each in key_info.iter(f"{DS}X509Certificate")] == [key.certificate_der]
    assert [(each.tag, dict(each.attrib), each.text) for each in subject] == [(f"{SAML}NameID", {}, "899700002712")]
    assert authentication.get("AuthnInstant") == root.get("IssueInstant")
    assert [(each.tag, each.text) for each in authentication[0]] == [(f"{SAML}AuthnContextClassRef", SMARTCARD)]


def test_the_attributes_of_a_vihf_are_those_of_the_table_in_their_order(key: SigningKey) -> None:
    root = etree.fromstring(sign(key, VIHF))
    role = "urn:oasis:names:tc:xacml:2.0:subject:role"
    assert attributes(root) == [
        ("Identifiant_Structure", ["499700002712005"]),
        ("Secteur_Activite", ["SA07^1.2.250.1.71.4.2.4"]),
        (role, [coded(PHYSICIAN), coded(GENERALIST)]),
        ("VIHF_Version", ["3.0"]),
        ("Authentification_mode", ["DIRECTE"]),
        ("urn:oasis:names:tc:xacml:2.0:resource:resource-id", ["207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"]),
        ("Ressource_URN", ["urn:dmp"]),
        ("urn:oasis:names:tc:xspa:1.0:subject:purposeofuse", [coded(VIHF.purpose)]),
        ("LPS_ID", ["01.01"]),
        ("LPS_Nom", ["LPS D'ESSAI"]),
        ("LPS_Version", ["1"]),
        ("LPS_ID_HOMOLOGATION_DMP", ["AUTORISATION"]),
    ]
    assert [each.tag for each in root.iter(f"{HL7}*")] == [f"{HL7}Role", f"{HL7}Role", f"{HL7}PurposeOfUse"]
    texts = [each for each in root.iter(f"{SAML}AttributeValue") if not len(each)]
    assert {(each.get(f"{XSI}type"), each.nsmap["xs"]) for each in texts} == {
        ("xs:string", "http://www.w3.org/2001/XMLSchema")
    }


def coded(value: Coded) -> dict[str, str]:
    members = {"code": value.code, "codeSystem": value.code_system, f"{XSI}type": "CE"}
    members |= {"codeSystemName": value.code_system_name or "", "displayName": value.display_name or ""}
    return members


def test_a_vihf_of_a_structure_names_the_professional_and_how_they_logged_in(key: SigningKey) -> None:
    who = Professional("899700002712", "CAMILLE VIRTUEL", (PHYSICIAN,))
    terms = replace(
        VIHF,
        mode=Mode.AIR,
        version="4.0",
        mode_attribute="Authentification_Mode",
        context=Context(SMARTCARD, SMARTCARD),
        professional=who,
        access_reason="urgence <vitale>",
        confidentiality="X",
        patient=None,
    )
    root = etree.fromstring(sign(key, terms))
    assert [(each.tag, each.text) for each in root[3][0]] == [
        (f"{SAML}AuthnContextClassRef", SMARTCARD),
        (f"{SAML}AuthnContextDecl", SMARTCARD),
    ]
    found = dict(attributes(root))
    assert found["urn:oasis:names:tc:xspa:1.0:subject:subject-id"] == ["CAMILLE VIRTUEL"]
    assert (found["Authentification_Mode"], found["VIHF_Version"]) == (["INDIRECTE_RENFORCEE"], ["4.0"])
    assert found["Mode_Acces_Raison"] == ["urgence <vitale>"]
    assert "urn:oasis:names:tc:xacml:2.0:resource:resource-id" not in found
    assert found["urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"] == ["X"]


def test_an_insi_assertion_has_the_shape_of_the_official_sample(key: SigningKey) -> None:
    root = etree.fromstring(sign(key, INSI))
    assert [child.tag for child in root] == [
        f"{SAML}Issuer", f"{DS}Signature", f"{SAML}Subject", f"{SAML}AttributeStatement",
    ]  # fmt: skip
    assert [(dict(each.attrib), each.text) for each in root[2]] == [({"NameQualifier": "CPS"}, "899700002712")]
    assert attributes(root) == [("identifiantFacturation", ["991130972"])]
    bare = etree.fromstring(sign(key, InsiTerms(Hash.SHA256, "899700002712")))
    assert [child.tag.rpartition("}")[2] for child in bare] == ["Issuer", "Signature", "Subject"]


def test_the_header_around_it_is_that_of_the_official_sample(key: SigningKey) -> None:
    root = etree.fromstring(sign(key, replace(VIHF, envelope=ENVELOPE)))
    soap, addressing = "{http://www.w3.org/2003/05/soap-envelope}", "{http://www.w3.org/2005/08/addressing}"
    security = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
    header, body = root
    assert (root.tag, header.tag, body.tag, len(body)) == (f"{soap}Envelope", f"{soap}Header", f"{soap}Body", 0)
    message, to, reply, action, secured = header
    must = {f"{soap}mustUnderstand": "true"}
    assert re.fullmatch("urn:uuid:[0-9a-f-]{36}", message.text)
    assert [(each.tag, dict(each.attrib)) for each in header] == [
        (f"{addressing}MessageID", {}),
        (f"{addressing}To", {}),
        (f"{addressing}ReplyTo", must),
        (f"{addressing}Action", must),
        (security, {}),
    ]
    assert (to.text, action.text) == (ENVELOPE.to, ENVELOPE.action)
    assert (reply[0].tag, reply[0].text) == (f"{addressing}Address", f"{addressing[1:-1]}/anonymous")
    assert [each.tag for each in secured] == [f"{SAML}Assertion"]
    given = Envelope("", "urn:a", "https://a.example/reply", "urn:uuid:1")
    named = etree.fromstring(sign(key, replace(VIHF, envelope=given)))[0]
    assert (named[0].text, named[2][0].text) == ("urn:uuid:1", "https://a.example/reply")


def test_an_altered_copy_is_refused(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    signed = sign(key, VIHF)
    for old, new in (
        (b"207058575627097", b"207058575627098"),
        (b"DIRECTE", b"INDIRECTE"),
        (b"499700002712005", b"499700002712006"),
        (b'code="10"', b'code="21"'),
        (b"<saml2:Subject>", b"<saml2:Subject/><saml2:Subject>"),
        (b"</saml2:Assertion>", b"<x/></saml2:Assertion>"),
    ):
        assert old in signed
        assert not accepts(tmp_path, signed.replace(old, new))
    unsigned = [found.span() for found in re.finditer(rb' xmlns:xs="[^"]*"', signed)]
    choose = random.Random(3)
    for position in choose.sample(range(signed.index(b"</Signature>") + 12, len(signed)), 20):
        if any(start <= position < end for start, end in unsigned):
            continue  # exclusive canonical form leaves out a prefix that stands in text alone (W3C, 18 July 2002, §1.3)
        altered = bytearray(signed)
        altered[position] ^= 1
        assert not accepts(tmp_path, bytes(altered)), signed[position - 20 : position + 20]


MARKUP = "</saml2:NameID><x>&amp;\"']]>"


def test_hostile_text_stays_text(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    who = Professional(MARKUP, MARKUP, (Coded(MARKUP, MARKUP, MARKUP, MARKUP),))
    terms = replace(VIHF, professional=who, patient=MARKUP * 400, access_reason=MARKUP, resource=MARKUP)
    signed = sign(key, replace(terms, envelope=Envelope(MARKUP, MARKUP)))
    assert accepts(tmp_path, signed)
    root = etree.fromstring(signed)[0][4][0]
    assert root[2][0].text == MARKUP
    assert dict(attributes(root))["urn:oasis:names:tc:xacml:2.0:resource:resource-id"] == [MARKUP * 400]
    assert not root.findall(".//x")


@pytest.mark.parametrize("text", ["a\0b", "a\x1bb", "a\ufffeb", "\x7f\x0b"])
def test_what_xml_cannot_hold_is_refused(key: SigningKey, text: str) -> None:
    with pytest.raises(TermsRefusedError):
        sign(key, replace(VIHF, access_reason=text))
    with pytest.raises(TermsRefusedError):
        sign(key, replace(INSI, billing_id=text, envelope=None))


def test_what_nobody_has_told_is_refused(key: SigningKey) -> None:
    for terms in (replace(VIHF, structure=None), replace(VIHF, professional=None), replace(INSI, name_id=None)):
        with pytest.raises(TermsRefusedError):
            sign(key, terms)


def test_documents_and_other_schemes_are_refused(key: SigningKey) -> None:
    with pytest.raises(TermsRefusedError):
        vihf.check([Document.of("a", b"a")], VIHF, OUTSIDE)
    with pytest.raises(TermsRefusedError):
        insi.check([Document.of("a", b"a")], INSI, OUTSIDE)
    with pytest.raises(TermsRefusedError):
        list(vihf.prepare([], VIHF, key.signer(Scheme.PS256), OUTSIDE))
