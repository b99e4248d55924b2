"""PDF signatures at level B: what is there stays, and poppler's pdfsig and qpdf agree with what is added."""

from __future__ import annotations

import re
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from support.pdf import ORDONNANCE, TEXT, add_update, draw, pages, pdfsig, qpdf, read_text, stream, write_pdf
from support.signing_keys import SigningKey

from agent.signing import pades
from agent.signing.documents import Document
from agent.signing.errors import DocumentRefusedError, TermsRefusedError, TimeStampUnsetError
from agent.signing.pdf.appearance import fit, write_words
from agent.signing.pdf.lettering import measure, spell
from agent.signing.preparation import Appearance, Outside, Policy, SignatureTerms
from agent.signing.words import Format, Level, Packaging, Scheme, Serialization

B = SignatureTerms(Format.PADES, Level.B, Packaging.ENVELOPED)
SEEN = Appearance(x=280, y=40, width=200, height=60)


def terms(**options: object) -> SignatureTerms:
    return SignatureTerms(Format.PADES, Level.B, Packaging.ENVELOPED, **options)


def sign(key: SigningKey, content: bytes, how: SignatureTerms = B, scheme: Scheme = Scheme.RS256) -> bytes:
    documents = [Document.of("a.pdf", content)]
    pades.check(documents, how, Outside())
    (signed,) = key.complete_all(pades.prepare(documents, how, key.signer(scheme), Outside()), scheme)
    return signed


@pytest.mark.parametrize("scheme", Scheme)
def test_a_signature_is_valid_and_trusted_elsewhere(key: SigningKey, tmp_path: Path, scheme: Scheme) -> None:
    signed = sign(key, ORDONNANCE, scheme=scheme)
    assert signed.startswith(ORDONNANCE)
    qpdf(tmp_path, signed)
    (found,) = pdfsig(tmp_path, signed, key.chain_der)
    assert (found.name, found.is_valid, found.is_total) == ("Signature1", True, True)
    assert found.is_trusted
    assert "ETSI.CAdES.detached" in found.text


def test_what_stands_in_the_signature_dictionary(key: SigningKey) -> None:
    signed = sign(key, ORDONNANCE, terms(reason="À la demande du patient", location="Saint-Étienne"))
    (found,) = PdfFileReader(BytesIO(signed)).embedded_signatures
    assert found.sig_object["/Reason"] == "À la demande du patient"
    assert found.sig_object["/Location"] == "Saint-Étienne"
    assert found.sig_object["/Name"] == "Docteur Zoé ÉLÈVE"
    assert abs(found.self_reported_timestamp - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.sig_field["/F"] == 132  # to be printed, as PDF/A has it


def test_a_second_signature_leaves_the_first_valid(key: SigningKey, tmp_path: Path) -> None:
    once = sign(key, ORDONNANCE)
    twice = sign(key, once, terms(appearance=SEEN))
    assert twice.startswith(once)
    found = pdfsig(tmp_path, twice, key.chain_der)
    assert [each.name for each in found] == ["Signature1", "Signature2"]
    assert all(each.is_valid for each in found)
    assert [each.is_total for each in found] == [False, True]


def test_documents_of_one_call(key: SigningKey, tmp_path: Path) -> None:
    documents = [Document.of(f"{number}.pdf", write_pdf(pages(number))) for number in (1, 2, 3)]
    signed = key.complete_all(pades.prepare(documents, B, key.signer(), Outside()))
    for document, content in zip(documents, signed, strict=True):
        assert content.startswith(document.read())
        assert all(each.is_valid for each in pdfsig(tmp_path, content))


# --- seen ---


def test_name_profession_and_date_are_seen(key: SigningKey, tmp_path: Path) -> None:
    text = read_text(tmp_path, sign(key, ORDONNANCE, terms(appearance=Appearance())))
    assert re.fullmatch(r"Ordonnance Signé par Docteur Zoé ÉLÈVE, médecin Le (1er|\d+) \w+ \d{4} à \d\d:\d\d", text), (
        text
    )


@pytest.mark.parametrize("turn", [0, 90, 180, 270, -90])
def test_the_box_is_where_a_person_sees_it(key: SigningKey, tmp_path: Path, turn: int) -> None:
    """Ink in it and none beside it, however the page is turned and cut."""
    cut = b"/CropBox [50 30 545 800]"
    content = write_pdf(pages(3, b"/Rotate %d %s" % (turn, cut), text=b""))
    page = read_grey(draw(tmp_path, sign(key, content, terms(appearance=SEEN)), "turned", 3))
    height = len(page)
    ink = [(x, height - y) for y, row in enumerate(page) for x, grey in enumerate(row) if grey < 128]
    left, right = min(x for x, _ in ink), max(x for x, _ in ink)
    bottom, top = min(y for _, y in ink), max(y for _, y in ink)
    assert abs(left - 280) <= 2
    assert abs(bottom - 40) <= 2
    assert right <= 481
    assert top <= 101
    assert any(480 - x <= 2 for x, _ in ink)


def read_grey(path: Path) -> list[bytes]:
    """Rows of a PGM file."""
    header = re.match(rb"P5\s+(\d+)\s+(\d+)\s+255\s", path.read_bytes())
    assert header
    width, height, body = int(header[1]), int(header[2]), path.read_bytes()[header.end() :]
    return [body[row * width : (row + 1) * width] for row in range(height)]


def test_the_font_is_embedded(key: SigningKey, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(sign(key, ORDONNANCE, terms(appearance=SEEN)))
    signed = subprocess.run(["qpdf", "--qdf", "a.pdf", "-"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert b"/FontFile2" in signed
    assert b"/ToUnicode" in signed


@pytest.mark.parametrize("name", ["Zoé LI", "Marie-Françoise DE LA ROCHEFOUCAULD-MONTBEL", "Œdipe ÇAĞLAR-ŁUKASZ"])
@pytest.mark.parametrize("size", [(40, 60), (120, 30), (250, 20), (500, 200)])
def test_every_word_is_seen_within_the_box(name: str, size: tuple[float, float]) -> None:
    words = write_words(name, "Médecin", datetime(2026, 8, 1, 9, 5, tzinfo=UTC))
    assert words == (f"Signé par {name}, médecin", "Le 1er août 2026 à 09:05")
    try:
        setting = fit(words, *size)
    except TermsRefusedError:
        assert size[0] < 100
        return
    assert " ".join(setting.lines) == " ".join(words)
    assert all(measure(line) * setting.size / 1000 <= size[0] for line in setting.lines)
    assert len(setting.lines) * setting.size <= size[1]


def test_letters_that_are_not_there_have_a_stand_in() -> None:
    assert spell("A\u030angström ự Ω 李\N{NO-BREAK SPACE}É") == "Ångström u ? ? É"


BOXES = {
    "outside": (Appearance(x=500), "ends at 720, 106"),
    "no such page": (Appearance(page=7), "no page 7"),
    "too small": (Appearance(width=40, height=20), "too small"),
}


@pytest.mark.parametrize("case", BOXES)
def test_a_box_that_does_not_fit_is_refused(key: SigningKey, case: str) -> None:
    appearance, words = BOXES[case]
    with pytest.raises(TermsRefusedError, match=words) as refused:
        sign(key, ORDONNANCE, terms(appearance=appearance))
    assert refused.value.document == "a.pdf"


# --- fields ---


def with_fields(*fields: bytes, catalogue: bytes = b"") -> bytes:
    """A file with a form; object 20 and on are its fields."""
    objects = pages(page=b"/Annots [%s]" % b" ".join(b"%d 0 R" % (20 + at) for at in range(len(fields))))
    objects |= {20 + at: field for at, field in enumerate(fields)}
    listed = b" ".join(b"%d 0 R" % (20 + at) for at in range(len(fields)))
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] %s >> >>" % (listed, catalogue)
    return write_pdf(objects)


def field(name: bytes, kind: bytes = b"/Sig", extra: bytes = b"", rect: bytes = b"100 100 300 160") -> bytes:
    head = b"<< /Type /Annot /Subtype /Widget /F 4 /P 5 0 R"
    return b"%s /Rect [%s] /FT %s /T (%s) %s >>" % (head, rect, kind, name, extra)


def test_a_field_that_waits_is_filled_and_seen(key: SigningKey, tmp_path: Path) -> None:
    signed = sign(key, with_fields(field(b"Medecin"), field(b"Patient")), terms(field="Medecin"))
    found, waiting = pdfsig(tmp_path, signed, key.chain_der)
    assert (found.name, found.is_valid, found.is_trusted) == ("Medecin", True, True)
    assert "is not signed" in waiting.text
    assert "Signé par Docteur Zoé ÉLÈVE" in read_text(tmp_path, signed)


def test_a_new_field_has_the_name_that_is_asked_or_a_free_one(key: SigningKey, tmp_path: Path) -> None:
    content = with_fields(field(b"Signature1", b"/Tx"))
    assert [each.name for each in pdfsig(tmp_path, sign(key, content))] == ["Signature2"]
    named = sign(key, content, terms(field="Interne"))
    assert [each.name for each in pdfsig(tmp_path, named)] == ["Interne"]


FIELDS = {
    "of text": (terms(field="Nom"), "none for a signature"),
    "with a box": (terms(field="Medecin", appearance=SEEN), "its own box"),
    "of a path": (terms(field="a.b"), "full stop"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_that_does_not_fit_is_refused(key: SigningKey, case: str) -> None:
    how, words = FIELDS[case]
    with pytest.raises(TermsRefusedError, match=words):
        sign(key, with_fields(field(b"Medecin"), field(b"Nom", b"/Tx")), how)


def test_a_field_is_not_signed_twice(key: SigningKey) -> None:
    signed = sign(key, with_fields(field(b"Medecin")), terms(field="Medecin"))
    with pytest.raises(TermsRefusedError, match="signed already"):
        sign(key, signed, terms(field="Medecin"))


def test_what_a_field_asks_for_is_kept_or_refused(key: SigningKey) -> None:
    """Seed values (ISO 32000-1 table 234): reasons of a list, a time-stamp of an authority that is never asked."""
    reasons = with_fields(field(b"A", extra=b"/SV << /Type /SV /Ff 8 /Reasons [(Accord) (Refus)] >>"))
    sign(key, reasons, terms(field="A", reason="Refus"))
    with pytest.raises(DocumentRefusedError, match="not a valid reason"):
        sign(key, reasons, terms(field="A", reason="Autre"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = b"http://127.0.0.1:%d/tsa" % listener.getsockname()[1]
        stamped = with_fields(field(b"A", extra=b"/SV << /Type /SV /TimeStamp << /URL (%s) /Ff 1 >> >>" % url))
        with pytest.raises(TermsRefusedError, match="asks for a time-stamp"):
            sign(key, stamped, terms(field="A"))
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


OPTIONS = {
    "serialization": terms(serialization=Serialization.JSON),
    "policy": terms(policy=Policy("1.2.250.1", bytes(32))),
    "claimed_role": terms(claimed_role="médecin"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_of_other_formats_are_refused(key: SigningKey, case: str) -> None:
    with pytest.raises(TermsRefusedError, match=case):
        sign(key, ORDONNANCE, OPTIONS[case])


@pytest.mark.parametrize("level", [Level.T, Level.LT, Level.LTA])
def test_a_level_without_an_authority_is_refused_before_the_code(level: Level) -> None:
    with pytest.raises(TimeStampUnsetError):
        pades.check([], SignatureTerms(Format.PADES, level, Packaging.ENVELOPED), Outside())


def test_files_with_object_streams_and_updates_are_signed(key: SigningKey, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(ORDONNANCE)
    command = ["qpdf", "--object-streams=generate", "--linearize", "a.pdf", "b.pdf"]
    subprocess.run(command, cwd=tmp_path, check=True)
    updated = add_update(ORDONNANCE, {3: stream(TEXT)}, b"/Root 1 0 R")
    for content in ((tmp_path / "b.pdf").read_bytes(), updated):
        signed = sign(key, content)
        qpdf(tmp_path, signed)
        assert [each.is_valid for each in pdfsig(tmp_path, signed)] == [True]
