"""The French profiles as they are written here, read: the DMP's submission sets, VIHF and INSi assertions."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from support.signing_keys import SigningKey

from agent.signing.dmp import insi, submission, vihf
from agent.signing.dmp.terms import (
    Coded,
    Context,
    Entry,
    Envelope,
    Hash,
    InsiTerms,
    Mode,
    Professional,
    Software,
    Structure,
    SubmissionTerms,
    VihfTerms,
)
from agent.signing.documents import Document
from agent.signing.preparation import Outside
from agent.signing.verification.findings import Finding, Reason
from agent.signing.verification.xml import read_signatures
from agent.signing.words import Format

SET, CDA_OID, KOS_OID = "1.2.250.1.999.1", "1.2.250.1.999.2", "1.2.250.1.999.3"
CDA = (
    b"<?xml version='1.0'?>\n<ClinicalDocument  xmlns='urn:hl7-org:v3'><!-- note --><title>t</title></ClinicalDocument>"
)
KOS = bytes(range(256))
VIHF = VihfTerms(
    mode=Mode.DIRECT,
    version="3.0",
    context=Context("urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"),
    mode_attribute="Authentification_mode",
    resource="urn:dmp",
    purpose=Coded("normal", "1.2.250.1.213.1.1.4.248", "mode acces VIHF 2.0", "Accès normal"),
    hash=Hash.SHA256,
    software=Software("01.01", "LPS", "1", "AUTORISATION"),
    professional=Professional("899700002712", None, (Coded("10", "1.2.250.1.71.1.2.7", "G15", "Médecin"),)),
    structure=Structure("499700002712005", "SA07"),
    patient="207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH",
)
INSI = InsiTerms(Hash.SHA256, "899700002712", "991130972")
ENVELOPE = Envelope("https://dmp.example/patient", "urn:hl7-org:v3:PRPA_IN201307UV02")
XS = b'"http://www.w3.org/2001/XMLSchema"'


def sign_set(key: SigningKey, hash_name: Hash = Hash.SHA1) -> bytes:
    terms = SubmissionTerms(SET, (Entry(CDA_OID, is_xml=True), Entry(KOS_OID, is_xml=False)), hash_name)
    documents = [Document.of(CDA_OID, CDA), Document.of(KOS_OID, KOS)]
    (signed,) = key.complete_all(submission.prepare(documents, terms, key.signer(), Outside()))
    return signed


def sign_assertion(key: SigningKey, terms: VihfTerms | InsiTerms) -> bytes:
    kind = vihf if isinstance(terms, VihfTerms) else insi
    (signed,) = key.complete_all(kind.prepare([], terms, key.signer(), Outside()))
    return signed


def read(signed: bytes, detached: bytes | None = None) -> Finding:
    (found,) = read_signatures(signed, detached)
    return found


@pytest.mark.parametrize("hash_name", Hash)
@pytest.mark.parametrize("given", [None, CDA, KOS, CDA.replace(b"  ", b" ")])
def test_a_submission_set_holds_alone_and_for_each_of_its_documents(
    key: SigningKey, hash_name: Hash, given: bytes | None
) -> None:
    found = read(sign_set(key, hash_name), given)
    assert (found.reason, found.format, found.level) == (None, Format.XADES, None), found.hint
    assert found.profile == "dmp-submission"
    assert found.names == {
        None: (f"urn:oid:{CDA_OID}", f"urn:oid:{KOS_OID}"),
        KOS: (f"urn:oid:{KOS_OID}",),
    }.get(given, (f"urn:oid:{CDA_OID}",))
    assert found.claimed_at is not None


def test_a_submission_set_does_not_hold_for_another_document(key: SigningKey) -> None:
    signed = sign_set(key)
    for other in (CDA.replace(b"note", b"nota"), KOS + b" ", b"\0", b""):
        assert read(signed, other).reason is Reason.ALTERED


@pytest.mark.parametrize(
    "old", [b"urn:oid:" + CDA_OID.encode(), b"1.2.840.10065", b"IHEManifest", b"#S0-", b"01903/v1.1.1"]
)
def test_an_altered_submission_set_is_refused(key: SigningKey, old: bytes) -> None:
    signed = sign_set(key)
    assert old in signed
    assert read(signed.replace(old, old[:-1] + b"9")).reason is not None


def test_sha1_is_for_these_profiles_alone(key: SigningKey) -> None:
    signed = sign_set(key)
    plain = signed.replace(b"http://uri.etsi.org/01903/v1.1.1#", b"http://uri.etsi.org/01903/v1.3.2#")
    assert read(plain).reason is Reason.ALGORITHM_REFUSED
    assert read(sign_assertion(key, replace(VIHF, hash=Hash.SHA1))).reason is None
    assert read(sign_assertion(key, replace(INSI, hash=Hash.SHA1))).reason is Reason.ALGORITHM_REFUSED


@pytest.mark.parametrize("envelope", [None, ENVELOPE])
@pytest.mark.parametrize(("terms", "profile"), [(VIHF, "vihf"), (INSI, "insi")])
def test_an_assertion_holds(
    key: SigningKey, terms: VihfTerms | InsiTerms, profile: str, envelope: Envelope | None
) -> None:
    found = read(sign_assertion(key, replace(terms, envelope=envelope)))
    assert (found.reason, found.profile, found.names) == (None, profile, ("Assertion",)), found.hint
    assert found.format is Format.XMLDSIG


def wrap(signed: bytes, before: bytes = b"", after: bytes = b"") -> bytes:
    start = signed.index(b"<saml2:Assertion")
    end = signed.rindex(b"</saml2:Assertion>") + len(b"</saml2:Assertion>")
    return signed[:start] + before + signed[start:end] + after + signed[end:]


EVIL = b'<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_evil" Version="2.0"/>'


def test_an_assertion_is_not_wrapped(key: SigningKey) -> None:
    """Another one before or after it, around it, or it in another place of the message."""
    message = sign_assertion(key, replace(VIHF, envelope=ENVELOPE))
    alone = sign_assertion(key, VIHF)
    inner = alone[alone.index(b"<saml2:Assertion") :]
    around = EVIL.replace(b"/>", b">") + inner + b"</saml2:Assertion>"
    shapes = [
        wrap(message, before=EVIL),
        wrap(message, after=EVIL),
        wrap(message, before=b"<x>", after=b"</x>"),
        message.replace(b"<soap:Body/>", b"<soap:Body>" + EVIL + b"</soap:Body>"),
        around,
        b"<root>" + inner + b"</root>",
        b"<root>" + inner + EVIL + b"</root>",
        alone.replace(XS, b'"urn:evil"', 1),
    ]
    for shape in shapes:
        assert shape not in (message, alone)
        assert all(found.reason for found in read_signatures(shape, None)), shape


def test_an_altered_assertion_is_refused(key: SigningKey) -> None:
    signed = sign_assertion(key, VIHF)
    for old, new in ((b"499700002712005", b"499700002712006"), (b"SM26", b"SM27"), (b"DIRECTE", b"INDIRECTE")):
        if old in signed:
            assert read(signed.replace(old, new)).reason is Reason.ALTERED
    cut = signed.replace(b"499700002712005", b"4997<!-- -->00002712005")
    assert read(cut).reason is Reason.NOT_COVERED
