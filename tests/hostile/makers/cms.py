"""CMS and CAdES: signed attributes that are left out or lie, algorithms, encodings that never end."""

from __future__ import annotations

from asn1crypto import cms as asn1

from agent.signing.words import Format, Packaging
from hostile.makers import Made, Making, flipped, sign, truncated
from hostile.pki import Pki

TEXT = b"10 comprimes"


def make(pki: Pki) -> Making:
    around = sign(pki.signer, Format.CADES, TEXT, Packaging.ENVELOPING)
    yield Made("honest.p7m", around, "valid", "an honest CAdES signature around its document")
    yield from truncated("honest.p7m", around)
    yield Made("altered.p7m", around.replace(TEXT, b"99 comprimes"), "refused", "the document in it was altered")
    yield Made("flipped.p7m", flipped(around, len(around) - 20), "refused", "a bit of its value turned")
    yield Made("tail.p7m", around + b"\x00" * 64, "refused", "bytes after it")
    yield Made(
        "stranger.p7m",
        sign(pki.stranger, Format.CADES, TEXT, Packaging.ENVELOPING),
        "issuer-unknown",
        "CAdES of a stranger",
    )
    yield Made(
        "login.p7m",
        sign(pki.login, Format.CADES, TEXT, Packaging.ENVELOPING),
        "key-usage",
        "made with a certificate to log in with",
    )
    yield Made(
        "no-attributes.p7m",
        _without_attributes(pki, around),
        "refused",
        "the signed attributes left out and passed as the document",
    )
    yield Made(
        "no-signer.p7m", _change(around, lambda data: data.__setitem__("signer_infos", [])), "refused", "nobody signs"
    )
    yield Made(
        "no-certificate.p7m", _change(around, _drop_certificates), "refused", "the signer's certificate is missing"
    )
    yield Made("md5.p7m", _change(around, _name_md5), "refused", "MD5 is named as the digest")
    beside = sign(pki.signer, Format.CADES, TEXT, Packaging.DETACHED)
    yield Made("beside.txt", TEXT, "no-signature", "a document without a signature")
    yield Made("beside.p7s", beside, "valid", "CAdES beside its document", beside="beside.txt")
    yield Made("beside-alone.p7s", beside, "content-absent", "CAdES whose document is missing")
    yield Made("beside-wrong.p7s", beside, "refused", "CAdES beside another document", beside="detached-other.txt")
    yield Made(
        "endless.der.json", b'[["0\\u0080", 100000]]', "refused", "a hundred thousand lengths without an end", "recipe"
    )
    yield Made(
        "length.der",
        b"\x30\x84\xff\xff\xff\xff" + bytes(100),
        "refused",
        "four gigabytes announced, a hundred bytes sent",
    )


def _change(content: bytes, change: object) -> bytes:
    info = asn1.ContentInfo.load(content)
    data = asn1.SignedData.load(info["content"].untag().dump())
    change(data)  # type: ignore[operator]
    return bytes(asn1.ContentInfo({"content_type": "signed_data", "content": data}).dump(force=True))


def _drop_certificates(data: asn1.SignedData) -> None:
    data["certificates"] = []


def _name_md5(data: asn1.SignedData) -> None:
    data["signer_infos"][0]["digest_algorithm"] = {"algorithm": "md5"}
    data["digest_algorithms"] = [{"algorithm": "md5"}]


def _without_attributes(pki: Pki, content: bytes) -> bytes:
    """The value over attributes is one over a document too: that whose bytes are these attributes."""

    def change(data: asn1.SignedData) -> None:
        signer = data["signer_infos"][0]
        attributes = signer["signed_attrs"].untag().dump(force=True)
        kept = ("version", "sid", "digest_algorithm", "signature_algorithm", "signature")
        data["signer_infos"] = [asn1.SignerInfo({name: signer[name] for name in kept})]
        data["encap_content_info"] = {"content_type": "data", "content": attributes}

    return _change(content, change)
