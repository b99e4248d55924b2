"""Signed PDF files turned against the reader: no attack of the literature leaves a valid finding."""

from __future__ import annotations

import re
from io import BytesIO

import msgspec
import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.signers import PdfTimeStamper
from support.pdf import ORDONNANCE, add_update, pages, stream, write_pdf
from support.pdf_attacks import (
    FORGED,
    PICTURE,
    ROOT,
    change_object,
    change_signature,
    in_place,
    update,
    with_annotation,
    with_field,
    with_old_table,
    with_table_of_its_own,
    without_table,
    wrap,
)
from support.signing_keys import SigningKey

from agent.signing import pades
from agent.signing.containers import write_container
from agent.signing.documents import Document
from agent.signing.preparation import Appearance, Outside, SignatureTerms
from agent.signing.synchronous import run
from agent.signing.timestamps import PyHankoTimeStamper, TimeStamps
from agent.signing.verification.findings import Reason, UnreadableError
from agent.signing.verification.pdf.reader import read_signatures
from agent.signing.words import Format, Level, Packaging

TERMS = SignatureTerms(Format.PADES, Level.B, Packaging.ENVELOPED)


def sign(key: SigningKey, content: bytes, terms: SignatureTerms = TERMS) -> bytes:
    (signed,) = key.complete_all(pades.prepare([Document.of("a.pdf", content)], terms, key.signer(), Outside()))
    return signed


@pytest.fixture(scope="module")
def signed(key: SigningKey) -> bytes:
    """A form with a text field and two trees of pages, of which one is shown; signed."""
    objects = pages(page=b"/Annots [20 0 R 22 0 R 23 0 R]")
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R /Hidden 30 0 R /AcroForm << /Fields [20 0 R 22 0 R 23 0 R] >> >>"
    waiting = b"<< /Type /Annot /Subtype /Widget /F 4 /P 5 0 R /Rect [100 10 300 60] /FT /Sig /AP << /N 21 0 R >> %s >>"
    objects |= {22: waiting % b"/T (Medecin)", 23: waiting % b"/T (Patient)"}
    objects[20] = (
        b"<< /Type /Annot /Subtype /Widget /F 4 /P 5 0 R /Rect [10 10 90 90] /FT /Tx /T (Dose) /V (10 mg) "
        b"/AP << /N 21 0 R >> >>"
    )
    objects[21] = stream(b"", b"/Type /XObject /Subtype /Form /BBox [0 0 80 80]")
    objects[30] = b"<< /Type /Pages /Count 1 /Kids [31 0 R] /MediaBox [0 0 595 842] >>"
    objects[31] = b"<< /Type /Page /Parent 30 0 R /Contents 32 0 R >>"
    objects[32] = FORGED
    terms = msgspec.structs.replace(TERMS, field="Medecin")
    return sign(key, write_pdf(objects), terms)


RANGE = rb"/ByteRange \[[^\]]*\]"
CONTENTS = rb"/Contents <[0-9A-F]*>"

ATTACKS = {
    # USF: the reader is to find nothing to check
    "no /ByteRange": change_signature(RANGE, b""),
    "/ByteRange null": change_signature(RANGE, b"/ByteRange null"),
    "/ByteRange empty": change_signature(RANGE, b"/ByteRange []"),
    "/ByteRange of zeros": change_signature(RANGE, b"/ByteRange [0 0 0 0]"),
    "/ByteRange below zero": change_signature(RANGE, b"/ByteRange [0 -1 10 -1]"),
    "/ByteRange of names": change_signature(RANGE, b"/ByteRange [/a /b /c /d]"),
    "/ByteRange of one part": change_signature(RANGE, b"/ByteRange [0 100]"),
    "/ByteRange of three parts": change_signature(RANGE, b"/ByteRange [0 100 200 100 400 10]"),
    "/ByteRange beyond the end": change_signature(RANGE, b"/ByteRange [0 100 200 99999999]"),
    "/ByteRange overlapping": change_signature(RANGE, b"/ByteRange [0 5000 100 5000]"),
    "/ByteRange of nothing but a header": change_signature(RANGE, b"/ByteRange [0 8 9 1]"),
    "/ByteRange in place, of zeros": in_place(RANGE, b"/ByteRange [0 0 0 0]"),
    "/ByteRange in place, shorter": in_place(rb"(/ByteRange \[0 \d+ \d+) (\d+)\]", rb"\1 9]"),
    "no /Contents": change_signature(CONTENTS, b""),
    "/Contents null": change_signature(CONTENTS, b"/Contents null"),
    "/Contents empty": change_signature(CONTENTS, b"/Contents <>"),
    "/Contents zero": change_signature(CONTENTS, b"/Contents <00>"),
    "/Contents in place, of zeros": in_place(CONTENTS, b"/Contents <00>"),
    "no /SubFilter": change_signature(rb"/SubFilter /[\w.]+", b""),
    "an unknown /SubFilter": change_signature(rb"/SubFilter /[\w.]+", b"/SubFilter /adbe.none"),
    "a /SubFilter of SHA-1": change_signature(rb"/SubFilter /[\w.]+", b"/SubFilter /adbe.pkcs7.sha1"),
    "a /SubFilter of time-stamps": change_signature(rb"/SubFilter /[\w.]+", b"/SubFilter /ETSI.RFC3161"),
    "the same dictionary once more": change_signature(rb"/Type /Sig\n", b"/Type /Sig \n"),
    "no dictionary": change_signature(rb".*", b"(text)"),
    # SWA, ISA
    "wrapped": wrap,
    "another text": update((3, FORGED)),
    "another text, then the old one": lambda signed: add_update(
        add_update(signed, {3: FORGED}, ROOT), {3: stream(b"x")}, ROOT
    ),
    "a body without a table": without_table,
    "a body, and the old table": with_old_table,
    "a file of its own behind it": with_table_of_its_own,
    "rubbish behind it": lambda signed: signed + b"%" + bytes(range(256)),
    "rubbish and an end behind it": lambda signed: signed + b"7 0 obj\nnull\nendobj\nstartxref\n0\n%%EOF\n",
    # shadow attacks
    "the text is freed": lambda signed: add_update(signed, {}, ROOT).replace(
        b"xref\ntrailer", b"xref\n3 1\n0000000000 00001 f \ntrailer"
    ),
    "another font": update((4, b"<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>")),
    "another value in a form": change_object(b"/T (Dose)", b"(10 mg)", b"(90 mg)"),
    "a value in a form looks otherwise": update((21, PICTURE)),
    "the other tree of pages": change_object(b"/Catalog", b"/Pages 2 0 R", b"/Pages 30 0 R"),
    "one page more": change_object(b"/Kids [5 0 R]", b"/Count 1 /Kids [5 0 R]", b"/Count 2 /Kids [5 0 R 31 0 R]"),
    "a turned page": change_object(b"/Parent 2 0 R", b"/Type /Page", b"/Rotate 180 /Type /Page"),
    "another catalogue": lambda signed: add_update(
        signed, {90: b"<< /Type /Catalog /Pages 30 0 R >>"}, b"/Root 90 0 R"
    ),
    "a script": change_object(b"/Catalog", b"/Type /Catalog", b"/Type /Catalog /OpenAction << /S /JavaScript /JS (x) >>"),
    "fields drawn anew": change_object(b"/SigFlags", b"/SigFlags 3", b"/SigFlags 3 /NeedAppearances true /DR << >>"),
    "the signature looks otherwise": change_object(b"/T (Medecin)", b"/N ", b"/N 91 0 R /X ", (91, PICTURE)),
    "the signature has two looks": change_object(b"/T (Medecin)", b"/V", b"/AP << /N 91 0 R >> /V", (91, PICTURE)),
    "the signature is hidden": change_object(b"/T (Medecin)", b"/F 4", b"/F 2"),
    "the signature is gone": change_object(b"/T (Medecin)", b"/V ", b"/W "),
    "another title": lambda signed: add_update(signed, {90: b"<< /Title (100 mg) >>"}, ROOT + b" /Info 90 0 R"),
    "a ZIP in an object of its own": update((90, stream(write_container({"a.exe": b"evil"})))),
    # EAA, SSA
    "a picture in a field that waits": change_object(b"/T (Patient)", b"/N 21 0 R", b"/N 91 0 R", (91, PICTURE)),
    "a picture as an annotation": with_annotation,
    "a picture as an empty field": with_field(b""),
    "a picture as a field signed by nobody": with_field(b"/V 92 0 R"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_never_valid(signed: bytes, name: str) -> None:
    attacked = ATTACKS[name](signed)
    assert attacked != signed
    try:
        findings = read_signatures(attacked, None)
    except UnreadableError:
        return
    assert findings, "a signature that is there is told"
    assert all(finding.reason is not None for finding in findings), findings


def test_the_file_before_the_attacks_is_valid(signed: bytes) -> None:
    (finding,) = read_signatures(signed, None)
    assert (finding.reason, finding.level) == (None, Level.B)


def test_attack_a_forged_signature_spoils_the_one_before(signed: bytes) -> None:
    first, second = read_signatures(with_field(b"/V 92 0 R")(signed), None)
    assert {first.reason, second.reason} <= {Reason.NOT_COVERED, Reason.MALFORMED}


@pytest.mark.parametrize("name", ["New", "Patient"])
def test_attack_a_picture_as_a_time_stamp(signed: bytes, outside: Outside, name: str) -> None:
    """Anybody can have one: the picture is shown, and no second signer is told."""
    file = BytesIO(with_field(b"")(signed) if name == "New" else signed)
    writer, stamper = IncrementalPdfFileWriter(file), PyHankoTimeStamper(TimeStamps(outside))
    run(PdfTimeStamper(stamper, name).async_timestamp_pdf(writer, "sha256", bytes_reserved=16384, in_place=True))
    (finding,) = read_signatures(file.getvalue(), None)
    assert finding.reason is Reason.NOT_COVERED
    assert "came to show something" in finding.hint


def test_attack_the_second_signature_is_taken_away(signed: bytes, key: SigningKey) -> None:
    """The first is told to be whole no more, and the second is missed."""
    twice = sign(key, signed, msgspec.structs.replace(TERMS, field="Patient"))
    assert [each.reason for each in read_signatures(twice, None)] == [None, None]
    found = read_signatures(change_object(b"/T (Patient)", b"/V ", b"/W ")(twice), None)
    assert [each.reason for each in found] == [Reason.NOT_COVERED, Reason.NOT_COVERED]


def test_attack_a_signature_of_another_file(signed: bytes, key: SigningKey) -> None:
    """The signature of one file in another of the same length."""
    other = sign(key, ORDONNANCE)
    value, room = (re.search(CONTENTS, each) for each in (signed, other))
    assert value
    assert room
    moved = other[: room.start()] + value[0] + other[room.end() :]
    (finding,) = read_signatures(moved, None)
    assert finding.reason is Reason.ALTERED


def test_attack_a_signature_is_drawn_over_the_page_of_another(signed: bytes, key: SigningKey) -> None:
    """Whoever it is by, the first signer has not seen it: the finding says so."""
    large = Appearance(width=500.0, height=700.0)
    (unsigned,) = pades.prepare(
        [Document.of("a.pdf", signed)], msgspec.structs.replace(TERMS, appearance=large), key.signer(), Outside()
    )
    *first, last = read_signatures(key.complete(unsigned), None)
    assert all(finding.reason is None and "added after it are shown" in finding.hint for finding in first)
    assert (last.reason, last.hint) == (None, "")
