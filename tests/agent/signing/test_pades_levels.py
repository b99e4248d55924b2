"""PAdES T, LT and LTA with a served authority, checked by pyHanko's validator of levels, pdfsig and qpdf."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pyhanko.sign.ades.report import AdESPassed
from support.certomancer import Pki
from support.pdf import ORDONNANCE, pages, pdfsig, qpdf, stream, write_pdf
from support.pdf_validator import validate
from support.signing_keys import SigningKey

from agent.signing import pades
from agent.signing.documents import Document
from agent.signing.errors import EvidenceError, TimeStampError
from agent.signing.pdf import archiving
from agent.signing.preparation import Appearance, Outside, SignatureTerms
from agent.signing.words import Format, Level, Packaging


def sign(key: SigningKey, content: bytes, level: Level, outside: Outside, **options: object) -> bytes:
    terms = SignatureTerms(Format.PADES, level, Packaging.ENVELOPED, **options)
    documents = [Document.of("a.pdf", content)]
    pades.check(documents, terms, outside)
    (signed,) = key.complete_all(pades.prepare(documents, terms, key.signer(), outside))
    assert signed.startswith(content)
    return signed


@pytest.mark.parametrize("level", Level)
def test_each_level_passes_elsewhere(
    published_key: SigningKey, pki: Pki, outside: Outside, tmp_path: Path, level: Level
) -> None:
    signed = sign(published_key, ORDONNANCE, level, outside)
    qpdf(tmp_path, signed)
    result = validate(signed, pki.der("root"), level)
    assert result.ades_subindic == AdESPassed.OK, result
    if level is not Level.B:
        assert result.best_signature_time is not None
    found = pdfsig(tmp_path, signed)
    assert found[0].is_valid
    assert len(found) == (
        2 if level is Level.LTA else 1
    )  # poppler 22 knows that time-stamps are there, and not what they say
    assert found[-1].is_total is (level is not Level.LT)  # the store stands behind the signature, and nothing covers it


def test_what_a_level_adds(published_key: SigningKey, outside: Outside) -> None:
    kinds = {level: sign(published_key, ORDONNANCE, level, outside) for level in Level}
    assert {level: b"/DSS" in content for level, content in kinds.items()} == {
        Level.B: False,
        Level.T: False,
        Level.LT: True,
        Level.LTA: True,
    }
    assert b"/SubFilter /ETSI.RFC3161" in kinds[Level.LTA]
    assert b"/SubFilter /ETSI.RFC3161" not in kinds[Level.LT]
    assert kinds[Level.LTA].count(b"%%EOF") == kinds[Level.LT].count(b"%%EOF")  # store and time-stamp are one update


def test_what_a_file_says_of_itself_stays(published_key: SigningKey, outside: Outside, tmp_path: Path) -> None:
    """Title, dates and XMP: a PDF/A is one by what stands there, well-formed or not."""
    objects = pages() | {1: b"<< /Type /Catalog /Pages 2 0 R /Metadata 30 0 R >>", 31: b"<< /Title (Ordonnance) >>"}
    objects[30] = stream(b"<x:xmpmeta><pdfaid:part>1</pdfaid:part>", b"/Type /Metadata /Subtype /XML")
    content = write_pdf(objects, b"/Root 1 0 R /Info 31 0 R")
    signed = sign(published_key, content, Level.LTA, outside)
    assert re.findall(rb"\n(3[01]) 0 obj", signed) == [b"30", b"31"]
    assert b"/ModDate" not in signed
    assert b"/Producer" not in signed
    qpdf(tmp_path, signed)


def test_signatures_of_several_levels_stand_in_one_file(
    published_key: SigningKey, pki: Pki, outside: Outside, tmp_path: Path
) -> None:
    content = sign(published_key, ORDONNANCE, Level.LTA, outside)
    content = sign(published_key, content, Level.B, outside, appearance=Appearance())
    content = sign(published_key, content, Level.LTA, outside)
    qpdf(tmp_path, content)
    found = [each for each in pdfsig(tmp_path, content) if each.name.startswith("Signature")]
    assert [each.is_valid for each in found] == [True] * 3
    for place, level in enumerate((Level.LTA, Level.B, Level.LTA)):
        assert validate(content, pki.der("root"), level, place).ades_subindic == AdESPassed.OK


def test_an_authority_that_fails_gives_no_file(published_key: SigningKey, pki: Pki, outside: Outside) -> None:
    with pki.mood("tsa/tsa", "failing"), pytest.raises(TimeStampError) as failed:
        sign(published_key, ORDONNANCE, Level.T, outside)
    assert failed.value.document == "a.pdf"


def test_a_time_stamp_too_large_for_its_room_gives_no_file(
    published_key: SigningKey, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "TOKEN_BYTES", 64)
    monkeypatch.setattr(pades, "STRUCTURE_BYTES", 800)
    with pytest.raises(TimeStampError, match="larger than the 64 bytes"):
        sign(published_key, ORDONNANCE, Level.T, outside)


def test_a_certificate_about_which_nothing_is_published_has_no_lt(key: SigningKey, outside: Outside) -> None:
    with pytest.raises(EvidenceError, match="nothing proves"):
        sign(key, ORDONNANCE, Level.LT, outside)


def test_a_revoked_certificate_has_no_lt(published_key: SigningKey, pki: Pki, outside: Outside) -> None:
    revoked = replace(published_key, certificate_der=pki.der("revoked"))
    with pytest.raises(EvidenceError, match="is revoked"):
        sign(revoked, ORDONNANCE, Level.LT, outside)
