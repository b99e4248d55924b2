"""XAdES at its levels, in every packaging and in containers: read, judged, and refused once anything is altered."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime

import pytest
from support.certomancer import Pki
from support.signing_keys import SigningKey

from agent.certificates.chains import Authorities
from agent.signing import asic, containers, xades
from agent.signing.documents import Document
from agent.signing.preparation import Outside, SignatureTerms
from agent.signing.verification.asic import read_signatures as read_container
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.judging import Court
from agent.signing.verification.messages import Status, Trust
from agent.signing.verification.xml import read_signatures
from agent.signing.words import Format, Level, Packaging

XML = b'<a xmlns="urn:hl7-org:v3"><b q="1">texte</b></a>'
FILES = {"a b.xml": XML, "dossier/é.bin": bytes(range(256))}
FIRST = "META-INF/signatures001.xml"


def sign(key: SigningKey, packaging: Packaging, level: Level = Level.B, outside: Outside | None = None) -> bytes:
    terms, document = SignatureTerms(Format.XADES, level, packaging), Document.of("a.xml", XML)
    (signature,) = key.complete_all(xades.prepare([document], terms, key.signer(), outside or Outside()))
    return signature


def pack(key: SigningKey, level: Level = Level.B, outside: Outside | None = None) -> bytes:
    terms = SignatureTerms(Format.ASIC_E, level, Packaging.ENVELOPING)
    documents = [Document.of(name, content) for name, content in FILES.items()]
    (container,) = key.complete_all(asic.prepare(documents, terms, key.signer(), outside or Outside()))
    return container


def read(signed: bytes, packaging: Packaging) -> Finding:
    (found,) = read_signatures(signed, XML if packaging is Packaging.DETACHED else None)
    return found


@pytest.mark.parametrize("packaging", Packaging)
def test_a_signature_holds_and_says_when(key: SigningKey, packaging: Packaging) -> None:
    found = read(sign(key, packaging), packaging)
    assert (found.reason, found.format, found.level) == (None, Format.XADES, Level.B), found.hint
    assert found.claimed_at is not None
    assert abs(datetime.now(UTC) - found.claimed_at).total_seconds() < 60


@pytest.mark.parametrize("level", [Level.T, Level.LT])
def test_levels_are_judged_with_their_evidence(
    published_key: SigningKey, outside: Outside, pki: Pki, level: Level
) -> None:
    found = read(sign(published_key, Packaging.ENVELOPED, level, outside), Packaging.ENVELOPED)
    assert (found.reason, found.level, len(found.stamps)) == (None, level, 1), found.hint
    trust = Trust(Authorities((pki.der("root"),)))
    judged = Court(trust, datetime.now(UTC)).judge(found)
    if level is Level.T:
        assert judged.reason is Reason.REVOCATION_UNKNOWN
    else:
        assert (judged.status, judged.level, judged.authority_der) == (Status.VALID, Level.LT, pki.der("tsa"))


def test_a_time_stamp_that_does_not_hold_is_a_fault(published_key: SigningKey, outside: Outside) -> None:
    first, second = (
        sign(published_key, Packaging.ENVELOPED, Level.T, outside),
        sign(published_key, Packaging.ENVELOPED, Level.T, outside),
    )
    own, other = (
        each.partition(b"<xades:EncapsulatedTimeStamp")[2].partition(b"</xades:EncapsulatedTimeStamp")[0]
        for each in (first, second)
    )
    assert read(first.replace(own, other), Packaging.ENVELOPED).reason is Reason.ALTERED


ALTERED = {
    "the time": (b"<xades:SigningTime>2", b"<xades:SigningTime>1", Reason.ALTERED),
    "the target": (b'Target="#', b'Target="#x', Reason.MALFORMED),
    "the type": (b"01903#SignedProperties", b"01903#Signedproperties", Reason.SIGNATURE_WRONG),
    "the version": (b"01903/v1.3.2#", b"01903/v1.3.3#", Reason.MALFORMED),
    "a comment": (b"<xades:SigningTime>", b"<xades:SigningTime><!-- -->", Reason.NOT_COVERED),
}


@pytest.mark.parametrize("case", ALTERED)
def test_altered_properties_are_refused(key: SigningKey, case: str) -> None:
    old, new, reason = ALTERED[case]
    signed = sign(key, Packaging.ENVELOPED)
    assert old in signed
    assert read(signed.replace(old, new), Packaging.ENVELOPED).reason in (reason, Reason.SIGNATURE_WRONG)


def test_properties_are_signed_in_their_own_signature(key: SigningKey) -> None:
    """Those of a signature beside it, or a second one with other contents, are nobody's."""
    signed = sign(key, Packaging.ENVELOPED)
    start, end = signed.index(b"<ds:Object>"), signed.index(b"</ds:Object>") + len(b"</ds:Object>")
    twice = signed[:end] + signed[start:end].replace(b'Id="', b'Id="x') + signed[end:]
    assert read(twice, Packaging.ENVELOPED).reason is Reason.MALFORMED
    moved = signed[:start] + signed[end:]
    assert read(moved, Packaging.ENVELOPED).reason in (Reason.MALFORMED, Reason.ALTERED)


def test_a_container_holds_with_all_its_documents(key: SigningKey) -> None:
    (found,) = read_container(pack(key), None)
    assert (found.reason, found.format, set(found.names)) == (None, Format.ASIC_E, set(FILES)), found.hint


def repack(container: bytes, changes: dict[str, bytes | None]) -> bytes:
    files = {**asic.read_container(container), **changes}
    return asic.write_container({name: content for name, content in files.items() if content is not None})


CONTAINERS: dict[str, tuple[dict[str, bytes | None], Reason]] = {
    "another document": ({"a b.xml": b"<b/>"}, Reason.ALTERED),
    "one more document": ({"c.txt": b"c"}, Reason.NOT_COVERED),
    "one less document": ({"a b.xml": None}, Reason.CONTENT_ABSENT),
}


@pytest.mark.parametrize("case", CONTAINERS)
def test_a_container_with_other_documents_is_refused(key: SigningKey, case: str) -> None:
    changes, reason = CONTAINERS[case]
    (found,) = read_container(repack(pack(key), {**changes, containers.MANIFEST: None}), None)
    assert found.reason is reason


def test_each_of_several_signatures_is_told(key: SigningKey) -> None:
    container = pack(key)
    terms = SignatureTerms(Format.ASIC_E, Level.B, Packaging.ENVELOPING)
    again = asic.prepare([Document.of("a.asice", container)], terms, key.signer(), Outside())
    (twice,) = key.complete_all(again)
    assert [found.reason for found in read_container(twice, None)] == [None, None]
    broken = repack(twice, {FIRST: asic.read_container(twice)[FIRST].replace(b":SigningTime>2", b":SigningTime>1")})
    assert {found.reason for found in read_container(broken, None)} == {None, Reason.ALTERED}


UNREAD = {"META-INF/signature.p7s": b"0", "META-INF/ASiCManifest.xml": b"<a/>", "META-INF/x": b""}


@pytest.mark.parametrize("name", UNREAD)
def test_what_else_says_something_of_the_documents_is_not_passed_over(key: SigningKey, name: str) -> None:
    with pytest.raises(UnreadableError):
        read_container(repack(pack(key), {name: UNREAD[name]}), None)


def test_bytes_after_or_before_the_files_are_refused(key: SigningKey) -> None:
    container = pack(key)
    for damaged in (container + b"x", container[:-1], container[:100] + b"x" + container[100:]):
        with pytest.raises(UnreadableError):
            read_container(damaged, None)


def test_a_zip_of_another_kind_has_no_signature() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("word/document.xml", XML)
    assert read_container(packed.getvalue(), None) == []


def test_no_altered_byte_of_a_container_is_ever_taken(key: SigningKey) -> None:
    """A ZIP says in its headers when files were packed and by which system; of that nothing is signed."""
    container = pack(key)
    files = asic.read_container(container)
    for place in range(0, len(container), 13):
        altered = bytearray(container)
        altered[place] ^= 0x10
        try:
            findings = read_container(bytes(altered), None)
            same = asic.read_container(bytes(altered)) == files
        except (UnreadableError, asic.DocumentRefusedError):
            continue
        assert same or all(found.reason for found in findings), place
