"""CMS signatures read: ours and OpenSSL's; what is altered, mixed up or hostile is never valid, and OpenSSL agrees."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from asn1crypto import cms as asn1
from asn1crypto import core
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.cms_files import accepts
from support.openssl import openssl
from support.signing_keys import SigningKey

from agent.certificates.chains import Authorities
from agent.signing import cms
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.cms import read_signatures
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.judging import Court
from agent.signing.verification.messages import Status, Trust
from agent.signing.words import Format, Level, Packaging, Scheme
from drivers.virtual.pki import dump_key

CONTENT = b"Compte rendu d'hospitalisation\r\n" * 8
DOCUMENT = Document.of("compte-rendu.txt", CONTENT)
FLIPS = 100


def sign(key: SigningKey, outside: Outside, level=Level.B, packaging=Packaging.DETACHED, scheme=Scheme.RS256) -> bytes:
    terms = SignatureTerms(Format.CADES, level, packaging)
    (signature,) = key.complete_all(cms.prepare([DOCUMENT], terms, key.signer(scheme), outside), scheme)
    return signature


def read_one(signature: bytes, detached: bytes | None = CONTENT) -> Finding:
    (finding,) = read_signatures(signature, detached)
    return finding


@pytest.fixture
def folder(pki, tmp_path):
    shutil.copy(pki.root, tmp_path / "root.pem")
    shutil.copy(pki.folder / "issuing.pem", tmp_path / "issuing.pem")
    shutil.copy(pki.folder / "good.pem", tmp_path / "good.pem")
    shutil.copy(pki.folder / "keys" / "card.pem", tmp_path / "key.pem")
    (tmp_path / "document").write_bytes(CONTENT)
    return tmp_path


def by_openssl(folder, *options: str) -> bytes:
    made = ["cms", "-sign", "-binary", "-in", "document", "-outform", "DER", "-out", "made"]
    signer = [] if "-signer" in options else ["-signer", "good.pem", "-inkey", "key.pem"]
    openssl(folder, *made, *signer, *options)
    return (folder / "made").read_bytes()


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("packaging", [Packaging.DETACHED, Packaging.ENVELOPING])
@pytest.mark.parametrize("level", Level)
def test_what_the_agent_signs(pki, published_key, outside, level, packaging, scheme):
    signature = sign(published_key, outside, level, packaging, scheme)
    finding = read_one(signature, CONTENT if packaging is Packaging.DETACHED else None)
    assert (finding.format, finding.level, finding.reason, finding.hint) == (Format.CADES, level, None, "")
    assert finding.certificate_der == pki.der("good")
    assert finding.claimed_at is not None
    assert len(finding.stamps) == {Level.B: 0, Level.T: 1, Level.LT: 1, Level.LTA: 2}[level]
    assert all(stamp.certificate_der == pki.der("tsa") for stamp in finding.stamps)
    counts = len(finding.evidence.crls_der), len(finding.evidence.ocsps_der)
    assert counts == ((2, 1) if level in (Level.LT, Level.LTA) else (0, 0))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-cades"], (Format.CADES, Level.B, None)),
        ([], (Format.CMS, None, None)),
        (["-keyid"], (Format.CMS, None, None)),
        (["-md", "sha512", "-cades"], (Format.CADES, Level.B, None)),
        (["-keyopt", "rsa_padding_mode:pss"], (Format.CMS, None, None)),
        (["-md", "sha1"], (Format.CMS, None, Reason.ALGORITHM_REFUSED)),
        (["-md", "md5"], (Format.CMS, None, Reason.ALGORITHM_REFUSED)),
        (["-noattr"], (Format.CMS, None, Reason.MALFORMED)),
        (["-nocerts"], (Format.CMS, None, Reason.CERTIFICATE_ABSENT)),
        (["-econtent_type", "1.2.3.4"], (Format.CMS, None, Reason.MALFORMED)),
        (
            ["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_mgf1_md:sha1"],
            (Format.CMS, None, Reason.ALGORITHM_REFUSED),
        ),
    ],
)
def test_what_openssl_signs(folder, options, expected):
    finding = read_one(by_openssl(folder, *options))
    assert (finding.format, finding.level, finding.reason) == expected


def test_a_signature_of_indefinite_lengths(folder):
    """BER, as programs write that do not know beforehand how much there is."""
    signature = by_openssl(folder, "-nodetach", "-stream", "-cades")
    assert signature[1] == 0x80
    assert read_one(signature, None).reason is None
    assert read_one(signature.replace(CONTENT[:20], b"A" * 20), None).reason is Reason.ALTERED


def test_signers_beside_one_another(folder):
    """Each is told apart; of two, one may hold and the other not."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "ec.pem").write_bytes(dump_key(key))
    openssl(folder, "req", "-x509", "-new", "-key", "ec.pem", "-subj", "/CN=Une autre", "-out", "ec.crt")
    first = by_openssl(folder, "-cades", "-nodetach")
    (folder / "first").write_bytes(first)
    again = ["cms", "-resign", "-binary", "-inform", "DER", "-in", "first", "-outform", "DER", "-out", "both"]
    openssl(folder, *again, "-nodetach", "-signer", "ec.crt", "-inkey", "ec.pem", "-md", "sha256")
    both = (folder / "both").read_bytes()
    assert [finding.reason for finding in read_signatures(both, None)] == [None, None]
    info = asn1.ContentInfo.load(both)
    info["content"]["signer_infos"][0]["signature"] = bytes(256)
    assert sorted(str(finding.reason) for finding in read_signatures(info.dump(), CONTENT)) == [
        "None",
        "signature-wrong",
    ]


def test_no_signer_is_no_signature(folder):
    openssl(folder, "crl2pkcs7", "-nocrl", "-certfile", "good.pem", "-outform", "DER", "-out", "certificates")
    assert read_signatures((folder / "certificates").read_bytes(), CONTENT) == []


def test_another_document(published_key, outside):
    signature = sign(published_key, outside)
    assert read_one(signature, CONTENT + b" ").reason is Reason.ALTERED
    assert read_one(signature, None).reason is Reason.CONTENT_ABSENT
    assert read_one(signature, b"").reason is Reason.ALTERED


def test_attack_one_document_inside_and_another_beside(published_key, outside):
    signature = sign(published_key, outside, packaging=Packaging.ENVELOPING)
    assert read_one(signature, CONTENT).reason is None
    assert read_one(signature, b"another").reason is Reason.NOT_COVERED


Change = Callable[[asn1.ContentInfo], None]


def signer_of(info: asn1.ContentInfo) -> asn1.SignerInfo:
    (signer,) = info["content"]["signer_infos"]
    return signer


def unsigned_of(info: asn1.ContentInfo, name: str) -> core.Asn1Value:
    return next(each for each in signer_of(info)["unsigned_attrs"] if each["type"].native == name)


def exchange_stamp(info: asn1.ContentInfo) -> None:
    """The archive's in the place of the signature's."""
    other = unsigned_of(info, "archive_time_stamp_v3")["values"][0]
    unsigned_of(info, "signature_time_stamp_token")["values"] = [asn1.ContentInfo.load(other.dump())]


def drop_crl(info: asn1.ContentInfo) -> None:
    info["content"]["crls"] = list(info["content"]["crls"])[1:]


def drop_certificate(info: asn1.ContentInfo) -> None:
    kept = [each for each in info["content"]["certificates"] if each.chosen.self_signed == "no"]
    info["content"]["certificates"] = kept


def drop_index(info: asn1.ContentInfo) -> None:
    signer_of(unsigned_of(info, "archive_time_stamp_v3")["values"][0])["unsigned_attrs"] = []


def drop_stamp(info: asn1.ContentInfo) -> None:
    signer_of(info)["unsigned_attrs"] = [unsigned_of(info, "archive_time_stamp_v3")]


def add_unknown(info: asn1.ContentInfo) -> None:
    unknown = asn1.CMSAttribute({"type": "1.2.3.4", "values": [core.Null()]})
    signer_of(info)["unsigned_attrs"] = [*signer_of(info)["unsigned_attrs"], unknown]


def other_version(info: asn1.ContentInfo) -> None:
    signer_of(info)["version"] = "v3"


def name_another_hash(info: asn1.ContentInfo) -> None:
    signer_of(info)["digest_algorithm"] = {"algorithm": "sha512"}


def name_another_scheme(info: asn1.ContentInfo) -> None:
    signer_of(info)["signature_algorithm"] = {"algorithm": "sha512_rsa"}


def name_no_hash(info: asn1.ContentInfo) -> None:
    info["content"]["digest_algorithms"] = []


def sign_other_attributes(info: asn1.ContentInfo) -> None:
    attributes = [each for each in signer_of(info)["signed_attrs"] if each["type"].native != "signing_time"]
    signer_of(info)["signed_attrs"] = attributes


def exchange_carried(number: int) -> Change:
    """One byte of a value of the evidence."""

    def change(info: asn1.ContentInfo) -> None:
        values = [each.dump() for each in info["content"]["crls"]]
        values[number] = values[number][:-5] + bytes([values[number][-5] ^ 1]) + values[number][-4:]
        info["content"]["crls"] = [asn1.RevocationInfoChoice.load(each) for each in values]

    return change


def no_attributes(info: asn1.ContentInfo) -> None:
    del signer_of(info)["signed_attrs"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (exchange_stamp, Reason.ALTERED),
        (drop_crl, Reason.ALTERED),
        (drop_certificate, Reason.ALTERED),
        (drop_index, Reason.MALFORMED),
        (drop_stamp, Reason.ALTERED),
        (add_unknown, Reason.MALFORMED),
        (other_version, Reason.MALFORMED),
        (name_another_scheme, Reason.ALGORITHM_REFUSED),
        (sign_other_attributes, Reason.SIGNATURE_WRONG),
        (no_attributes, Reason.MALFORMED),
    ],
)
def test_attack_parts_that_are_changed(published_key, outside, change: Change, reason):
    info = asn1.ContentInfo.load(sign(published_key, outside, Level.LTA))
    change(info)
    finding = read_one(info.dump())
    assert (finding.reason, finding.level) == (reason, None)


@pytest.mark.parametrize("change", [exchange_carried(0), exchange_carried(1), exchange_carried(2)])
def test_attack_evidence_that_is_not_what_it_was(published_key, outside, change: Change):
    info = asn1.ContentInfo.load(sign(published_key, outside, Level.LT))
    change(info)
    assert read_one(info.dump()).reason is Reason.ALTERED


def test_attack_an_authority_that_has_no_part_in_it(pki, published_key, outside):
    info = asn1.ContentInfo.load(sign(published_key, outside, Level.LT))
    stranger = asn1.CertificateChoices("certificate", asn1.Certificate.load(pki.der("stranger")))
    info["content"]["certificates"] = [*info["content"]["certificates"], stranger]
    assert read_one(info.dump()).reason is Reason.ALTERED


@pytest.mark.parametrize(("drop", "level"), [(drop_crl, Level.T), (drop_certificate, Level.T)])
def test_evidence_that_is_gone_makes_a_lower_level(published_key, outside, drop: Change, level):
    info = asn1.ContentInfo.load(sign(published_key, outside, Level.LT))
    drop(info)
    finding = read_one(info.dump())
    assert (finding.reason, finding.level) == (None, level)


def test_attack_a_certificate_of_the_same_key(pki, published_key, outside):
    """`revoked` has the key of `good`: who signed is what the signature names, and nobody else."""
    info = asn1.ContentInfo.load(sign(published_key, outside))
    other = asn1.Certificate.load(pki.der("revoked"))
    serial = {"issuer": other.issuer, "serial_number": other.serial_number}
    signer_of(info)["sid"] = asn1.SignerIdentifier("issuer_and_serial_number", asn1.IssuerAndSerialNumber(serial))
    info["content"]["certificates"] = [asn1.CertificateChoices("certificate", other), *info["content"]["certificates"]]
    finding = read_one(info.dump())
    assert (finding.reason, finding.certificate_der) == (Reason.CERTIFICATE_ABSENT, None)


def test_attack_the_signed_attributes_as_the_document(published_key, outside):
    """Whoever drops them makes them the content, whose hash the key has signed (RFC 5652 §5.4 has both forms)."""
    info = asn1.ContentInfo.load(sign(published_key, outside))
    content = signer_of(info)["signed_attrs"].untag().dump()
    del signer_of(info)["signed_attrs"]
    assert read_one(info.dump(), content).reason is Reason.MALFORMED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x30\x80",
        b"\x30\x82\xff\xff",
        b"\x30\x03\x02\x01\x00",
        b"\x30\x84\xff\xff\xff\xff" * 9,
        b"\x30\x80" * 5000,
    ],
    ids=["empty", "open", "short", "integer", "lengths", "deep"],
)
def test_attack_bytes_that_are_none(content):
    with pytest.raises(UnreadableError):
        read_signatures(content, CONTENT)


@pytest.mark.parametrize("change", [name_another_hash, name_no_hash])
def test_attack_a_hash_that_it_does_not_name(published_key, outside, change: Change):
    info = asn1.ContentInfo.load(sign(published_key, outside))
    change(info)
    with pytest.raises(UnreadableError, match="does not name"):
        read_signatures(info.dump(), CONTENT)


def test_attack_more_than_is_read(published_key, outside):
    signature = sign(published_key, outside)
    with pytest.raises(UnreadableError):
        read_signatures(signature + b"\0", CONTENT)
    with pytest.raises(UnreadableError):
        read_signatures(signature[:-1], CONTENT)
    info = asn1.ContentInfo.load(signature)
    info["content"]["signer_infos"] = [*info["content"]["signer_infos"]] * 17
    with pytest.raises(UnreadableError, match="more signers"):
        read_signatures(info.dump(), CONTENT)


def test_attack_a_key_too_short_or_too_long(folder):
    (folder / "weak.pem").write_bytes(dump_key(rsa.generate_private_key(65537, 1024)))
    openssl(folder, "req", "-x509", "-new", "-key", "weak.pem", "-subj", "/CN=Faible", "-out", "weak.crt")
    assert read_one(by_openssl(folder, "-signer", "weak.crt", "-inkey", "weak.pem")).reason is Reason.ALGORITHM_REFUSED


@pytest.mark.parametrize("level", Level)
def test_attack_a_signature_changed_anywhere(pki, published_key, outside, folder, level):
    """In what is signed and what stands beside it; what would still be valid, OpenSSL would have to take as well."""
    chance, signature = random.Random(f"{level}"), sign(published_key, outside, level, Packaging.ENVELOPING)
    authorities = Authorities((pki.der("root"),), (pki.der("issuing"),))
    court = Court(Trust(authorities, (), (pki.host,), str(folder)), datetime.now(UTC))
    assert court.judge(read_one(signature, None)).status is Status.VALID
    held = 0
    for place in chance.sample(range(len(signature)), FLIPS):
        changed = bytearray(signature)
        changed[place] ^= 1 << chance.randrange(8)
        for finding in read_safely(bytes(changed)):
            if finding.reason is None and court.judge(finding).status is Status.VALID:
                held += 1
                assert accepts(folder, bytes(changed), None)
    assert held <= 2  # a letter whose case does not count in the name of an issuer


def read_safely(content: bytes) -> list[Finding]:
    try:
        return read_signatures(content, None)
    except UnreadableError:
        return []
