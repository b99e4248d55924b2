"""What is found in signed PDF files: levels, stamps, evidence, several signatures; and no changed byte is valid."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import keys, x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore
from support.certificates import unsort
from support.pdf import ORDONNANCE, add_update, pdfsig, stream
from support.pdf_damage import DAMAGED
from support.signing_keys import SigningKey

from agent.signing import pades
from agent.signing.documents import Document
from agent.signing.pdf import effort
from agent.signing.preparation import Appearance, Outside, SignatureTerms
from agent.signing.verification.findings import Finding, Reason, UnreadableError
from agent.signing.verification.pdf import reader
from agent.signing.verification.pdf.reader import read_signatures
from agent.signing.words import Format, Level, Packaging, Scheme
from drivers.virtual.authorities import load_key
from drivers.virtual.store import pki_folder

SEEN = Appearance(x=280, y=40, width=200, height=60)


def sign(key: SigningKey, content: bytes, level: Level, outside: Outside, scheme: Scheme = Scheme.RS256) -> bytes:
    terms = SignatureTerms(Format.PADES, level, Packaging.ENVELOPED, appearance=SEEN if level is Level.B else None)
    documents = [Document.of("a.pdf", content)]
    (signed,) = key.complete_all(pades.prepare(documents, terms, key.signer(scheme), outside), scheme)
    return signed


def sign_as_others_do(key: SigningKey, content: bytes, digest: str = "sha256") -> bytes:
    """The older kind, `adbe.pkcs7.detached`, by pyHanko alone."""
    der = key.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer = SimpleSigner(
        x509.Certificate.load(key.certificate_der), keys.PrivateKeyInfo.load(der), SimpleCertificateStore()
    )
    metadata = PdfSignatureMetadata("Other", md_algorithm=digest)
    return PdfSigner(metadata, signer).sign_pdf(IncrementalPdfFileWriter(BytesIO(content))).getvalue()


@pytest.mark.parametrize("level", Level)
def test_each_level_is_found(published_key: SigningKey, outside: Outside, level: Level) -> None:
    (found,) = read_signatures(sign(published_key, ORDONNANCE, level, outside), None)
    assert (found.format, found.level, found.reason) == (Format.PADES, level, None)
    assert found.certificate_der == published_key.certificate_der
    assert found.claimed_at is not None
    assert abs(found.claimed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert len(found.stamps) == {Level.B: 0, Level.LTA: 2}.get(level, 1)
    if level in {Level.LT, Level.LTA}:
        assert {published_key.certificate_der, *published_key.chain_der} <= set(found.evidence.certificates_der)
    assert bool(found.evidence.crls_der) == bool(found.evidence.ocsps_der) == (level in {Level.LT, Level.LTA})


def test_a_later_time_stamp_over_the_file_stands_for_all_before_it(published_key: SigningKey, outside: Outside) -> None:
    content = sign(published_key, ORDONNANCE, Level.B, outside)
    content = sign(published_key, content, Level.LTA, outside)
    content = sign(published_key, content, Level.B, outside, Scheme.PS256)
    found = read_signatures(content, None)
    assert [each.reason for each in found] == [None] * 3
    assert [each.level for each in found] == [Level.LTA, Level.LTA, Level.B]
    assert [len(each.stamps) for each in found] == [1, 2, 0]


def test_the_older_kind_has_no_level(key: SigningKey) -> None:
    (found,) = read_signatures(sign_as_others_do(key, ORDONNANCE), None)
    assert (found.format, found.level, found.reason) == (Format.PADES, None, None)


def test_a_certificate_with_names_in_another_order(key: SigningKey, made_folder: Path, tmp_path: Path) -> None:
    """Those of 2016: what is not DER is written as it stands."""
    issuing_key = load_key(pki_folder(made_folder) / "issuing.key.pem")
    unsorted = replace(key, certificate_der=unsort(key.certificate_der, issuing_key))
    signed = sign(unsorted, ORDONNANCE, Level.B, Outside())
    (found,) = read_signatures(signed, None)
    assert (found.reason, found.certificate_der) == (None, unsorted.certificate_der)
    assert pdfsig(tmp_path, signed)[0].is_valid


def test_sha1_is_refused(key: SigningKey) -> None:
    (found,) = read_signatures(sign_as_others_do(key, ORDONNANCE, "sha1"), None)
    assert found.reason is Reason.ALGORITHM_REFUSED


def test_a_file_without_signatures(key: SigningKey) -> None:
    assert read_signatures(ORDONNANCE, None) == []
    assert read_signatures(add_update(ORDONNANCE, {3: stream(b"")}, b"/Root 1 0 R"), None) == []


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", ORDONNANCE[:300], b"%PDF-1.7\n" + bytes(5000)])
def test_what_is_no_pdf_is_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_signatures(content, None)


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_or_hostile_file_has_no_valid_signature(case: str) -> None:
    started = time.process_time()
    assert valid(DAMAGED[case]) == []
    assert time.process_time() - started < 2


def test_more_signatures_than_anybody_makes_are_not_read(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_SIGNATURES", 1)
    content = sign(key, sign(key, ORDONNANCE, Level.B, Outside()), Level.B, Outside())
    with pytest.raises(UnreadableError, match="more than 1 signatures"):
        read_signatures(content, None)


def test_nothing_stands_beside_a_pdf() -> None:
    with pytest.raises(UnreadableError, match="beside"):
        read_signatures(ORDONNANCE, b"x")


def test_work_without_end_is_ended(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = sign(key, ORDONNANCE, Level.B, Outside())
    monkeypatch.setattr(effort, "EFFORT_S", 0.001)
    monkeypatch.setattr(reader, "limited_effort", lambda: effort.limited_effort(0.001))
    with pytest.raises(UnreadableError, match="more than"):
        read_signatures(signed, None)


# --- changed bytes ---


def flip(content: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1 << bit
    return bytes(changed)


def valid(content: bytes) -> list[Finding]:
    try:
        return [finding for finding in read_signatures(content, None) if finding.reason is None]
    except UnreadableError:
        return []


def in_certificates(content: bytes, at: int, *certificates_der: bytes) -> bool:
    """Whether a byte stands in one of them, as DER or as hexadecimal digits."""
    for der in certificates_der:
        for form in (der, der.hex().upper().encode()):
            start = content.find(form)
            while start >= 0:
                if start <= at < start + len(form):
                    return True
                start = content.find(form, start + 1)
    return False


FLIPS = 100


def test_no_changed_byte_of_a_signature_is_valid(key: SigningKey, tmp_path: Path) -> None:
    """But for the issuer's certificate, which the signature carries and does not sign: there pdfsig agrees."""
    signed = sign(key, ORDONNANCE, Level.B, Outside())
    random_ = random.Random(2026)
    for at in (random_.randrange(len(signed)) for _ in range(FLIPS)):
        changed = flip(signed, at, random_.randrange(8))
        if valid(changed):
            assert in_certificates(signed, at, *key.chain_der), at
            assert pdfsig(tmp_path, changed)[0].is_valid


@pytest.mark.parametrize("level", [Level.LT, Level.LTA])
def test_no_changed_byte_of_archives_is_valid(published_key: SigningKey, outside: Outside, level: Level) -> None:
    """But for evidence that nothing covers: at level LT the store, and certificates beside signatures and stamps."""
    signed = sign(published_key, ORDONNANCE, level, outside)
    (found,) = read_signatures(signed, None)
    carried = [*found.evidence.certificates_der, *(der for stamp in found.stamps for der in stamp.certificates_der)]
    total = re.search(rb"/ByteRange \[0 \d+ (\d+) (\d+)\]", signed)
    assert total
    end = int(total[1]) + int(total[2])
    random_ = random.Random(2026)
    for at in (random_.randrange(len(signed)) for _ in range(FLIPS // 4)):
        if valid(flip(signed, at, random_.randrange(8))):
            assert in_certificates(signed, at, *carried) or (level is Level.LT and at >= end), at
