"""An assertion in a caller's own SOAP message: byte for byte what it was, and what it had signed still verifies."""

from __future__ import annotations

import base64
import hashlib
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from support.signing_keys import SigningKey
from support.xmlsec_profiles import accepts
from test_assertions import INSI, OUTSIDE, VIHF

from agent.signing.dmp import insi, vihf
from agent.signing.dmp.messages import Message
from agent.signing.documents import Document
from agent.signing.errors import EnvelopeRefusedError, TermsRefusedError
from agent.signing.xml import C14n, canonicalise

SOAP, OLD = "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
LINE = [f"{{{WSSE}}}Security", f"{{{SOAP}}}Header", f"{{{SOAP}}}Envelope"]

NONE = f"<s:Envelope xmlns:s='{SOAP}'>\r\n  <s:Body a='>'>é</s:Body></s:Envelope>"
EMPTY = f'<Envelope xmlns="{SOAP}"><Header  /><!--<Header>--><Body/></Envelope>\n'
CLOSED = f'<e:Envelope xmlns:e="{SOAP}"><e:Header/><e:Body/></e:Envelope>'
OTHER = f'<s:Envelope xmlns:s="{SOAP}"><s:Header><To xmlns="urn:a">x</To>\n</s:Header><s:Body/></s:Envelope>'
BARE = f'<s:Envelope xmlns:s="{SOAP}"><s:Header><w:Security xmlns:w="{WSSE}" a="/>"/></s:Header><s:Body/></s:Envelope>'
FULL = (
    f'<?xml version="1.0"?><!-- <s:Header> --><s:Envelope xmlns:s="{SOAP}" xmlns:w="{WSSE}">'
    "<s:Header><?a <w:Security>?><a:To xmlns:a='urn:a'><![CDATA[<w:Security>]]></a:To>"
    '<w:Security b="&quot;>">text<w:x/></w:Security><later xmlns=""/></s:Header><s:Body>à</s:Body></s:Envelope>'
)
NESTED = f'<s:Envelope xmlns:s="{SOAP}"><s:Header><s:Header>a</s:Header>b</s:Header><s:Body/></s:Envelope>'
MESSAGES = {
    "none": NONE,
    "empty": EMPTY,
    "closed": CLOSED,
    "other": OTHER,
    "bare": BARE,
    "full": FULL,
    "nested": NESTED,
}


def put(key: SigningKey, content: bytes, terms: Any = VIHF, media_type: str = "application/soap+xml") -> bytes:
    module: Any = vihf if terms is VIHF else insi
    (made,) = key.complete_all(module.prepare([Document.of("m", content, media_type)], terms, key.signer(), OUTSIDE))
    return bytes(made)


def without(content: bytes, whole: bytes) -> bool:
    """Whether `content` is `whole` with one run of bytes added, but for the slash of an empty tag that took it."""
    start = next(i for i, pair in enumerate(zip(content, whole, strict=False)) if pair[0] != pair[1])
    if content[start : start + 2] == b"/>":
        return whole.endswith(content[start + 2 :])
    return whole[len(whole) - len(content) + start :] == content[start:]


@pytest.mark.parametrize("content", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("terms", [VIHF, INSI], ids=["vihf", "insi"])
def test_it_stands_in_the_security_header_and_verifies(
    key: SigningKey, tmp_path: Path, content: str, terms: Any
) -> None:
    key.write_chain(tmp_path)
    whole = put(key, content.encode(), terms, "application/xop+xml")
    assert accepts(tmp_path, whole)
    (assertion,) = etree.fromstring(whole).iter(SAML)
    assert [each.tag for each in assertion.iterancestors()] == LINE
    assert without(content.encode(), whole)


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "iso-8859-15", "utf-8"])
def test_other_encodings_stay_what_they_are(key: SigningKey, tmp_path: Path, encoding: str) -> None:
    key.write_chain(tmp_path)
    content = (f'<?xml version="1.0" encoding="{encoding}"?>' + NONE).encode(encoding)
    whole = put(key, content)
    assert without(content, whole)
    assert accepts(tmp_path, whole)
    assert etree.fromstring(whole).find(f"{{{SOAP}}}Body").text == "é"


def test_a_byte_order_mark_stays(key: SigningKey) -> None:
    content = b"\xef\xbb\xbf" + FULL.encode()
    assert without(content, put(key, content))


def signed_by_the_caller(key: SigningKey, uri: str) -> bytes:
    """A message whose Security header has a signature of the caller's over what `uri` names, in inclusive form."""
    header = f'<w:Security u:Id="s"><d:Signature xmlns:d="{DS}"><d:SignedInfo>'
    header += f'<d:CanonicalizationMethod Algorithm="{C14n.INCLUSIVE}"/>'
    header += '<d:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>'
    header += f'<d:Reference URI="{uri}"><d:Transforms><d:Transform Algorithm="{C14n.INCLUSIVE}"/></d:Transforms>'
    header += '<d:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><d:DigestValue/></d:Reference>'
    header += "</d:SignedInfo><d:SignatureValue/><d:KeyInfo><d:X509Data><d:X509Certificate>"
    header += base64.b64encode(key.certificate_der).decode() + "</d:X509Certificate></d:X509Data></d:KeyInfo>"
    text = f'<s:Envelope xmlns:s="{SOAP}" xmlns:w="{WSSE}" xmlns:u="{WSU}" xml:lang="fr"><s:Header u:Id="h">\n'
    text += f'{header}</d:Signature></w:Security></s:Header><s:Body u:Id="body">\n<a>é</a></s:Body></s:Envelope>'
    root = etree.fromstring(text)
    info, value = (next(root.iter(f"{{{DS}}}{name}")) for name in ("SignedInfo", "SignatureValue"))
    body = canonicalise(root[1], C14n.INCLUSIVE)
    info[2][2].text = base64.b64encode(hashlib.sha256(body).digest()).decode()
    value.text = base64.b64encode(key.sign(canonicalise(info, C14n.INCLUSIVE))).decode()
    return bytes(etree.tostring(root))


def verifies(folder: Path, content: bytes, parent: str) -> bool:
    """Whether xmlsec1 takes the signature that stands in an element of this local name."""
    (folder / "m.xml").write_bytes(content)
    path = f"//*[local-name()='{parent}']/*[local-name()='Signature']"
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "root.pem", "--untrusted-pem"]
    command += ["issuing.pem", "--id-attr:Id", f"{SOAP}:Body", "--id-attr:ID", SAML[1:].replace("}", ":")]
    result = subprocess.run(
        [*command, "--node-xpath", path, "m.xml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return result.returncode == 0


def test_what_the_caller_has_signed_still_verifies(key: SigningKey, tmp_path: Path) -> None:
    key.write_chain(tmp_path)
    content = signed_by_the_caller(key, "#body")
    assert verifies(tmp_path, content, "Security")
    whole = put(key, content)
    assert verifies(tmp_path, whole, "Security")
    assert verifies(tmp_path, whole, "Assertion")
    assert not verifies(tmp_path, whole.replace("é".encode(), b"e").replace(b"&#233;", b"e"), "Security")


@pytest.mark.parametrize("uri", ["", "#h", "#s"])
def test_a_signature_that_it_would_break_is_not_broken(key: SigningKey, uri: str) -> None:
    with pytest.raises(EnvelopeRefusedError, match="break"):
        vihf.check([Document.of("m", signed_by_the_caller(key, uri), "application/soap+xml")], VIHF, OUTSIDE)


BOMB = f'<!DOCTYPE a [<!ENTITY b "c">]><s:Envelope xmlns:s="{SOAP}"><s:Body>&b;</s:Body></s:Envelope>'
SECURITY = f'<w:Security xmlns:w="{WSSE}"/>'
HEADER = f'<s:Envelope xmlns:s="{SOAP}"><s:Header>%s</s:Header><s:Body/></s:Envelope>'
REFUSED = {
    "soap-1.1": NONE.replace(SOAP, OLD),
    "no-soap": "<a/>",
    "no-xml": "hello",
    "cut": NONE[:-5],
    "entity": BOMB,
    "two-securities": HEADER % (SECURITY * 2),
    "hidden-security": HEADER % f"<a>{SECURITY}</a>",
    "second-in-the-first": HEADER % SECURITY.replace("/>", f">{SECURITY}</w:Security>"),
    "assertion": HEADER % '<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/>',
    "assertion-elsewhere": NONE.replace("é", '<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion"/>'),
    "encrypted": HEADER % '<EncryptedAssertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion"/>',
    "two-headers": HEADER.replace("<s:Header>", "<s:Header/><s:Header>") % "",
    "header-last": f'<s:Envelope xmlns:s="{SOAP}"><s:Body/><s:Header/></s:Envelope>',
    "two-bodies": f'<s:Envelope xmlns:s="{SOAP}"><s:Body/><s:Body/></s:Envelope>',
    "no-body": f'<s:Envelope xmlns:s="{SOAP}"/>',
    "utf-16": '<?xml version="1.0" encoding="utf-16"?>' + NONE,
    "same-id-twice": HEADER % '<a Id="x"/><b Id="x"/>',
    "relative-namespace": HEADER % '<a xmlns="b"/>',
    "large": HEADER % (" " * 1024 * 1024),
    "deep": HEADER % ("<a>" * 300 + "</a>" * 300),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_another_message_is_refused_before_anybody_is_asked(content: str) -> None:
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(EnvelopeRefusedError):
            vihf.check([Document.of("m", content.encode(encoding), "application/soap+xml")], VIHF, OUTSIDE)


PIECES = (
    b"<s:Header>", b"</s:Header>", b"<s:Header/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?p ", b"?>", b"<w:Security>",
    b"</w:Security>", b"<w:Security/>", b'"', b"'", b">", b"/>", b"<", b"&#60;", b"\r\n", b" xmlns=''", b' a=">"',
    b" xmlns:s='urn:x'", b" xmlns:w='x'", b"\xef\xbb\xbf", b"\xe9", b"<s:Body/>",
)  # fmt: skip


def damage(content: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(chance.randint(0, 4)):
        place = chance.randint(0, len(damaged))
        if chance.random() < 0.6:
            damaged[place:place] = chance.choice(PIECES)
        else:
            del damaged[place : place + chance.randint(1, 6)]
    return bytes(damaged)


def test_a_damaged_message_is_refused_before_or_takes_it_in_the_one_place() -> None:
    chance = random.Random(20261126)
    assertion = etree.fromstring('<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="_x">é</Assertion>')
    taken = 0
    for _ in range(4000):
        content = damage(chance.choice(list(MESSAGES.values())).encode(), chance)
        try:
            message = Message(Document.of("m", content, "application/soap+xml"))
        except EnvelopeRefusedError:
            continue
        whole = message.put(assertion)
        assert without(content, whole)
        assert [each.tag for each in next(etree.fromstring(whole).iter(SAML)).iterancestors()] == LINE
        taken += 1
    assert taken > 400


def test_one_message_and_nothing_else(key: SigningKey) -> None:
    message = Document.of("m", NONE.encode(), "application/soap+xml")
    for documents in ([message, message], [Document.of("m", NONE.encode(), "text/xml")]):
        with pytest.raises(TermsRefusedError):
            insi.check(documents, INSI, OUTSIDE)
    with pytest.raises(EnvelopeRefusedError, match="already"):
        put(key, put(key, NONE.encode()))
