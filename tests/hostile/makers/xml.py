"""XML: wrapping, transforms that compute, entities, algorithms, keys without a certificate."""

from __future__ import annotations

from support.xml_forge import ENVELOPED, EXCLUSIVE, SHA1, WHOLE, Forge, Ref, base64_text, exclusive

from agent.signing.words import Format, Packaging
from hostile.makers import Made, Making, sign, truncated
from hostile.pki import Pki

DATA = "<d><dose>10</dose></d>"
NAMED = '<d Id="x"><dose>10</dose></d>'
DS = "http://www.w3.org/2000/09/xmldsig#"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
HIDDEN = "not-covered"


def make(pki: Pki) -> Making:
    yield from _controls(pki)
    yield from _wrappings(pki)
    yield from _computing(pki)
    yield from _weak(pki)
    yield from _entities()


def _controls(pki: Pki) -> Making:
    enveloped = sign(pki.signer, Format.XADES, DATA.encode(), Packaging.ENVELOPED)
    yield Made("xades.xml", enveloped, "valid", "an honest XAdES signature within its document")
    yield from truncated("xades.xml", enveloped, "unreadable")
    altered = enveloped.replace(b"<dose>10", b"<dose>99")
    yield Made("xades-altered.xml", altered, "altered", "the dose was altered after signing")
    stranger = sign(pki.stranger, Format.XADES, DATA.encode(), Packaging.ENVELOPED)
    yield Made("xades-stranger.xml", stranger, "issuer-unknown", "signed under an authority that nobody believes")
    login = sign(pki.login, Format.XADES, DATA.encode(), Packaging.ENVELOPED)
    yield Made("xades-login.xml", login, "key-usage", "signed with a certificate to log in with")


def _envelop(data: str, signature: str) -> bytes:
    return data.replace("</d>", f"{signature}</d>").encode()


def _wrappings(pki: Pki) -> Making:
    signature = Forge(pki.signer).sign([Ref("#x", exclusive(NAMED), WHOLE)])
    signed = _envelop(NAMED, signature).decode()
    yield Made("wrap-control.xml", signed.encode(), "valid", "a signature by the id of the root: what is wrapped next")
    evil = "<d><dose>99</dose>{}</d>"
    inside = signature.replace("</Signature>", f'<Object><w xmlns="">{NAMED}</w></Object></Signature>')
    shapes = {
        "root": (evil.format(signed), f"{HIDDEN}|altered", "the signed document below another root"),
        "object": (evil.format(inside), f"{HIDDEN}|malformed", "the signed element moved into an Object"),
        "sibling": (evil.format(NAMED + signature), f"{HIDDEN}|malformed", "the signed element beside its signature"),
        "twin": (f'<d Id="x"><dose>99</dose><o>{NAMED}</o>{signature}</d>', "unreadable", "two elements with one id"),
        "namespace": (
            f'<d xmlns:w="urn:w" w:Id="x"><dose>99</dose><o>{NAMED}</o>{signature}</d>',
            "unreadable|malformed",
            "the same id once more, in an attribute of another namespace",
        ),
        "lower": (
            f'<d id="x"><dose>99</dose><o>{NAMED}</o>{signature}</d>',
            "malformed|unreadable",
            "the same id once more, in an attribute in lower case",
        ),
    }
    for name, (text, expected, line) in shapes.items():
        yield Made(f"wrap-{name}.xml", text.encode(), expected, line)
    own = sign(pki.signer, Format.XMLDSIG, DATA.encode(), Packaging.ENVELOPED).decode()
    hidden = f'<ds:Signature xmlns:ds="{DS}"><dose xmlns="">99</dose></ds:Signature></d>'
    yield Made(
        "wrap-hidden.xml", own.replace("</d>", hidden).encode(), f"{HIDDEN}|malformed", "a dose in a second signature"
    )
    key_info = own.replace("</ds:KeyInfo>", '<dose xmlns="">99</dose></ds:KeyInfo>')
    yield Made("wrap-keyinfo.xml", key_info.encode(), f"{HIDDEN}|malformed", "a dose in KeyInfo, which nothing signs")
    comment = own.replace("<dose>10", "<dose>1<!-- -->0")
    yield Made("comment.xml", comment.encode(), HIDDEN, "a comment that cuts the dose in two")
    style = '<?xml-stylesheet href="evil.xsl"?>' + signed
    yield Made("style-sheet.xml", style.encode(), HIDDEN, "a style sheet before a root that is signed by its id")
    part = '<dose Id="x">10</dose>'
    alone = f"<d>{part}<evil/>{Forge(pki.signer).sign([Ref('#x', exclusive(part), EXCLUSIVE)])}</d>"
    yield Made("part.xml", alone.encode(), HIDDEN, "a part of the document is signed, the rest is not")
    more = Forge(pki.signer, objects='<Object><d xmlns="">99</d></Object>').sign([Ref("", exclusive(DATA), WHOLE)])
    yield Made("object-more.xml", _envelop(DATA, more), HIDDEN, "an Object that nothing signs")


def _computing(pki: Pki) -> Making:
    steps = {
        "xslt": '<Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>',
        "xpath": f'<Transform Algorithm="{XPATH}"><XPath>not(ancestor-or-self::dose)</XPath></Transform>',
        "filter": '<Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/>',
        "decrypt": '<Transform Algorithm="http://www.w3.org/2002/07/decrypt#XML"/>',
        "after": EXCLUSIVE + ENVELOPED,
    }
    for name, step in steps.items():
        signature = Forge(pki.signer).sign([Ref("", exclusive(DATA), step)])
        expected = "algorithm-refused|malformed"
        yield Made(
            f"transform-{name}.xml", _envelop(DATA, signature), expected, f"a transform that is not done: {name}"
        )
    for name, uri in {"file": "file:///etc/passwd", "http": "http://127.0.0.1:9/x", "pointer": "#xpointer(/)"}.items():
        signature = Forge(pki.signer).sign([Ref(uri, b"")])
        expected = "content-absent|algorithm-refused"
        yield Made(f"reference-{name}.xml", signature.encode(), expected, f"a reference to {uri}, never fetched")


def _weak(pki: Pki) -> Making:
    more = "http://www.w3.org/2001/04/xmldsig-more#"
    for name, method in {"hmac": f"{more}hmac-sha256", "sha1": f"{DS}rsa-sha1", "none": "none"}.items():
        signature = Forge(pki.signer, method=method).sign([Ref("", exclusive(DATA), WHOLE)])
        yield Made(f"method-{name}.xml", _envelop(DATA, signature), "algorithm-refused", f"signature method {method}")
    weak = Forge(pki.signer).sign([Ref("", exclusive(DATA), WHOLE, method=SHA1)])
    yield Made(
        "digest-sha1.xml", _envelop(DATA, weak), "algorithm-refused", "a SHA-1 digest outside the DMP's profiles"
    )
    value = "<KeyInfo><KeyValue><RSAKeyValue><Modulus>AQ==</Modulus></RSAKeyValue></KeyValue></KeyInfo>"
    bare = Forge(pki.signer, key_info=value).sign([Ref("", exclusive(DATA), WHOLE)])
    yield Made("key-value.xml", _envelop(DATA, bare), "certificate-absent", "a key without a certificate")
    info = f"<KeyInfo><X509Data><X509Certificate>{base64_text(pki.root_der)}</X509Certificate></X509Data></KeyInfo>"
    wrong = Forge(pki.signer, key_info=info).sign([Ref("", exclusive(DATA), WHOLE)])
    yield Made("other-key.xml", _envelop(DATA, wrong), "signature-wrong", "the certificate of another key")


def _entities() -> Making:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "lol">{laughs}]><d>&l9;</d>'
    yield Made("laughs.xml", bomb.encode(), "unreadable", "entities that grow to a thousand million")
    outside = '<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]><d>&e;</d>'
    yield Made("entity.xml", outside.encode(), "unreadable", "an entity that reads a file")
    yield Made("dtd.xml", b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d"><d/>', "unreadable", "a type that is fetched")
    include = '<d xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="file:///etc/passwd" parse="text"/></d>'
    yield Made("include.xml", include.encode(), "unreadable", "XInclude of a file")
    yield Made("utf7.xml", b'<?xml version="1.0" encoding="UTF-7"?><d/>', "unreadable", "an encoding that hides tags")
    yield Made("deep.xml.json", b'[["<a>", 100000]]', "unreadable", "a hundred thousand open elements", "recipe")
    yield Made(
        "wide.xml.json",
        b'[["<a ", 1], ["a", 4000000], ["=\\"1\\"/>", 1]]',
        "no-signature|unreadable",
        "a name of 4 MB",
        "recipe",
    )
    yield Made("huge.xml.json", b'[["<a>", 1], ["x", 20000000], ["</a>", 1]]', "unreadable", "XML of 20 MB", "recipe")
    many = b'[["<r xmlns=\\"http://www.w3.org/2000/09/xmldsig#\\">", 1], ["<Signature/>", 5000], ["</r>", 1]]'
    yield Made("many.xml.json", many, "unreadable", "five thousand signatures", "recipe")
