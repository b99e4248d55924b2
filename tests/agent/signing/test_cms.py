"""CMS signatures of every level, verified by OpenSSL: the signature, its time-stamps, what an archive stamp covers."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from asn1crypto import core, x509
from msgspec.structs import replace
from support.certificates import sign_again, unsort
from support.cms_files import ARCHIVE_STAMP, SIGNATURE_STAMP, Parts, accepts, archived, verify_stamp
from support.openssl import verify_cms

from agent.signing import cms
from agent.signing.documents import Document
from agent.signing.errors import (
    DocumentRefusedError,
    EvidenceError,
    TermsRefusedError,
    TimeStampError,
    TimeStampUnsetError,
)
from agent.signing.preparation import Outside, Policy, SignatureTerms
from agent.signing.verification.cms import read_signatures
from agent.signing.words import Format, Level, Packaging, Scheme
from drivers.virtual.authorities import load_key
from drivers.virtual.store import pki_folder

CONTENT = b"%PDF-1.7 ordonnance\r\n" * 40
DOCUMENT = Document.of("ordonnance.pdf", CONTENT)
PACKAGINGS = (Packaging.DETACHED, Packaging.ENVELOPING)
POLICY = Policy("urn:oid:1.2.250.1.213.1.9", bytes(range(32)), "https://policy.example/p.pdf")


def terms_of(level: Level, packaging: Packaging = Packaging.DETACHED, **options: object) -> SignatureTerms:
    return SignatureTerms(Format.CADES, level, packaging, **options)


def sign(key, terms, outside, *, document=DOCUMENT, scheme=Scheme.RS256) -> bytes:
    cms.check([document], terms, outside)
    (signature,) = key.complete_all(cms.prepare([document], terms, key.signer(scheme), outside), scheme)
    return signature


@pytest.fixture
def folder(pki, tmp_path):
    shutil.copy(pki.root, tmp_path / "root.pem")
    return tmp_path


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize("packaging", PACKAGINGS)
@pytest.mark.parametrize("level", Level)
def test_a_signature_is_one_for_openssl(published_key, outside, folder, level, packaging, scheme):
    signature = sign(published_key, terms_of(level, packaging), outside, scheme=scheme)
    words = verify_cms(folder, signature, CONTENT, detached=packaging is Packaging.DETACHED)
    assert "id-smime-aa-signingCertificateV2" in words
    assert ("rsassaPss" in words) is (scheme is Scheme.PS256)
    assert not accepts(folder, signature, CONTENT + b" ") or packaging is Packaging.ENVELOPING


def test_the_time_stamp_is_over_the_value(pki, published_key, outside, folder):
    parts = Parts(sign(published_key, terms_of(Level.T), outside))
    verify_stamp(pki, folder, parts.token(SIGNATURE_STAMP), parts.value)
    assert (parts.version, parts.crls) == (1, [])


def test_evidence_stands_in_the_signed_data(pki, published_key, outside):
    parts = Parts(sign(published_key, terms_of(Level.LT), outside))
    assert {each.der for each in parts.certificates} == {pki.der(name) for name in ("good", "issuing", "root", "tsa")}
    assert sorted(each.tag for each in parts.crls) == [0x30, 0x30, 0xA1]  # two lists, one OCSP response
    assert parts.version == 5


def test_the_archive_time_stamp_is_over_everything(pki, published_key, outside, folder):
    parts = Parts(sign(published_key, terms_of(Level.LTA), outside))
    verify_stamp(pki, folder, parts.token(SIGNATURE_STAMP), parts.value)
    verify_stamp(pki, folder, parts.token(ARCHIVE_STAMP), archived(parts, CONTENT))


def test_a_hash_is_enough_beside_the_document(published_key, outside, folder):
    document = Document("ordonnance.pdf", None, DOCUMENT.sha256)
    verify_cms(folder, sign(published_key, terms_of(Level.LTA), outside, document=document), CONTENT)
    with pytest.raises(DocumentRefusedError):
        sign(published_key, terms_of(Level.B, Packaging.ENVELOPING), outside, document=document)


def test_policy_and_role_are_signed(published_key, folder):
    terms = terms_of(Level.B, policy=POLICY, claimed_role="Médecin régulateur")
    words = verify_cms(folder, sign(published_key, terms, Outside()), CONTENT)
    for word in ("1.2.250.1.213.1.9", "https://policy.example/p.pdf", "0.4.0.19122.1.1"):
        assert word in words
    assert "Médecin régulateur".encode() in (folder / "cms").read_bytes()


@pytest.mark.parametrize(
    "identifier", ["https://policy.example", "1", "1.2.", "3.1.2", "1.02", "1.2 ", "urn:uuid:1.2", ""]
)
def test_a_policy_without_an_oid(identifier):
    with pytest.raises(TermsRefusedError, match="OID"):
        cms.check([DOCUMENT], terms_of(Level.B, policy=replace(POLICY, identifier=identifier)), Outside())


@pytest.mark.parametrize("option", ["serialization", "reason", "location", "field"])
def test_options_of_other_formats(option):
    with pytest.raises(TermsRefusedError, match=option):
        cms.check([DOCUMENT], terms_of(Level.B, **{option: "json"}), Outside())


@pytest.mark.parametrize("level", [Level.T, Level.LT, Level.LTA])
def test_no_authority_is_set(level):
    with pytest.raises(TimeStampUnsetError):
        cms.check([DOCUMENT], terms_of(level), Outside())


def test_an_authority_that_fails_and_evidence_that_cannot_be_had(pki, key, published_key, outside):
    with pki.mood("tsa/tsa", "failing"), pytest.raises(TimeStampError):
        sign(published_key, terms_of(Level.T), outside)
    sign(key, terms_of(Level.T), outside)  # of a test card, which has no evidence
    with pytest.raises(EvidenceError):
        sign(key, terms_of(Level.LT), outside)


def test_a_signature_beside_others_is_its_own(published_key, outside, folder):
    """What one worker makes for many documents does not mix."""
    documents = [Document.of(f"{number}", bytes([number]) * 100) for number in range(5)]
    made = cms.prepare(documents, terms_of(Level.T), published_key.signer(), outside)
    for document, signature in zip(documents, published_key.complete_all(made), strict=True):
        verify_cms(folder, signature, document.read())
        assert Parts(signature).version == 1


def padded(certificate_der: bytes, issuer_key) -> bytes:
    """A certificate whose content is of 128 bytes, by the last byte of its length."""
    for size in range(256):
        tbs = x509.Certificate.load(certificate_der)["tbs_certificate"]
        tbs["extensions"].append({"extn_id": "1.2.3.4", "extn_value": core.ParsableOctetString(bytes(size))})
        made = sign_again(tbs.dump(), issuer_key)
        if made[3] == 0x80:
            return made
    raise AssertionError


@pytest.mark.parametrize("level", [Level.B, Level.T])
def test_attack_a_certificate_stays_as_it_is(key, made_folder, outside, tmp_path, level):
    """Names of 2016 in an order that DER does not have, at the length at which asn1crypto writes anew."""
    issuer_key = load_key(pki_folder(made_folder) / "issuing.key.pem")
    odd_key = dataclasses.replace(key, certificate_der=unsort(padded(key.certificate_der, issuer_key), issuer_key))
    assert x509.Certificate.load(odd_key.certificate_der).dump() != odd_key.certificate_der
    signature = sign(odd_key, terms_of(level), outside)
    assert odd_key.certificate_der in signature
    odd_key.write_chain(tmp_path)
    verify_cms(tmp_path, signature, CONTENT)
    (finding,) = read_signatures(signature, CONTENT)
    assert (finding.reason, finding.certificate_der) == (None, odd_key.certificate_der)
