"""PDF files written byte by byte, honest and not, and what other people's programs say of signed ones."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.nss import make_database

Objects = dict[int, bytes]
TEXT = b"BT /F1 24 Tf 72 700 Td (Ordonnance) Tj ET"


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


def pages(count: int = 1, page: bytes = b"", text: bytes = TEXT) -> Objects:
    """Objects 1 (catalogue), 2 (tree), 3 (text), 4 (font), then the pages; `page` adds to every page."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count %d /Kids [%s] /MediaBox [0 0 595 842] >>"
        % (count, b" ".join(b"%d 0 R" % number for number in range(5, 5 + count))),
        3: stream(text),
        4: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    one = b"<< /Type /Page /Parent 2 0 R /Contents 3 0 R /Resources << /Font << /F1 4 0 R >> >> %s >>" % page
    return objects | dict.fromkeys(range(5, 5 + count), one)


def write_pdf(objects: Mapping[int, bytes], trailer: bytes = b"/Root 1 0 R", start: bytes = b"%PDF-1.7\n") -> bytes:
    """A whole file with a cross-reference table."""
    return add_update(start, objects, trailer, 0)


def add_update(content: bytes, objects: Mapping[int, bytes], trailer: bytes, previous: int | None = None) -> bytes:
    """An incremental update: these objects behind the file."""
    if previous is None:
        previous = int(re.findall(rb"startxref\s+(\d+)", content)[-1])
    out, table = bytearray(content), []
    for number, body in sorted(objects.items()):
        table.append(b"%d 1\n%010d 00000 n \n" % (number, len(out)))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(out)
    free = b"0 1\n0000000000 65535 f \n" if not previous else b""
    chain = b"/Prev %d" % previous if previous else b""
    size = max(objects, default=0) + 1
    return bytes(out) + b"xref\n%s%strailer\n<< /Size %d %s %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        free,
        b"".join(table),
        max(size, _size(content)),
        trailer,
        chain,
        at,
    )


def pack_catalogue(packed: bytes) -> bytes:
    """A file with a cross-reference stream, whose catalogue is object 1 of this object stream, deflated."""
    out, table = bytearray(b"%PDF-1.7\n"), [(0, 0, 0), (2, 8, 0)]
    for number in range(2, 8):
        table.append((1, len(out), 0))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, pages().get(number, b"null"))
    table.append((1, len(out), 0))
    kind = b"/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode"
    out += b"8 0 obj\n%s\nendobj\n" % stream(packed, kind)
    at = len(out)
    rows = b"".join(struct.pack(">BIB", *row) for row in [*table, (1, at, 0)])
    out += b"9 0 obj\n%s\nendobj\n" % stream(rows, b"/Type /XRef /Size 10 /W [1 4 1] /Root 1 0 R")
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % at


def _size(content: bytes) -> int:
    """The /Size that its trailers say, at most."""
    return max((int(size) for size in re.findall(rb"/Size (\d+)", content)), default=0)


ORDONNANCE = write_pdf(pages())


@dataclass(frozen=True)
class PdfSig:
    """What poppler's pdfsig says of one signature."""

    name: str
    text: str

    @property
    def is_valid(self) -> bool:
        return "Signature is Valid." in self.text

    @property
    def is_trusted(self) -> bool:
        return "Certificate is Trusted." in self.text

    @property
    def is_total(self) -> bool:
        return "Total document signed" in self.text


def pdfsig(folder: Path, content: bytes, roots: Sequence[bytes] = ()) -> list[PdfSig]:
    """Have pdfsig verify each signature, up to these roots."""
    (folder / "signed.pdf").write_bytes(content)
    database = folder / ("nss" if roots else "nobody")
    if not database.exists():
        make_database(database, roots)
    command = ["pdfsig", "-nssdir", str(database), "-no-ocsp" if roots else "-nocert", "signed.pdf"]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False).stdout
    parts = re.split(r"^Signature #\d+:\n", output, flags=re.MULTILINE)[1:]
    return [PdfSig(_field(part, "Signature Field Name"), part) for part in parts]


def _field(part: str, name: str) -> str:
    found = re.search(rf"- {name}: (.*)", part)
    return found[1] if found else ""


def qpdf(folder: Path, content: bytes) -> None:
    """Have qpdf look at the structure; it finds no fault."""
    (folder / "checked.pdf").write_bytes(content)
    result = subprocess.run(["qpdf", "--check", "checked.pdf"], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def draw(folder: Path, content: bytes, name: str, page: int = 1) -> Path:
    """The page as poppler draws it, in grey, 72 points an inch."""
    (folder / f"{name}.pdf").write_bytes(content)
    command = ["pdftoppm", "-r", "72", "-gray", "-cropbox", "-f", str(page), "-l", str(page), "-singlefile"]
    subprocess.run([*command, f"{name}.pdf", name], cwd=folder, check=True)
    return folder / f"{name}.pgm"


def read_text(folder: Path, content: bytes) -> str:
    """What poppler reads on the pages, in one line."""
    (folder / "read.pdf").write_bytes(content)
    output = subprocess.run(["pdftotext", "read.pdf", "-"], cwd=folder, capture_output=True, text=True, check=True)
    return " ".join(output.stdout.split())
