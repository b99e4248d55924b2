"""PDF files that are damaged or hostile, each with what is wrong."""

from __future__ import annotations

import random
import zlib

from support.pdf import ORDONNANCE, add_update, pack_catalogue, pages, stream, write_pdf

PACKED = zlib.compress(b"1 0 << /Type /Catalog /Pages 2 0 R >>", 9)
BOMB = zlib.compress(b"1 0 << /Type /Catalog /Pages 2 0 R >>" + bytes(80_000_000), 9)


def deep_pages(depth: int) -> bytes:
    """Each node of the tree of pages holds one more."""
    objects = pages()
    objects |= {
        number: b"<< /Type /Pages /Count 1 /Parent %d 0 R /Kids [%d 0 R] >>" % (number - 1, number + 1)
        for number in range(10, 10 + depth)
    }
    objects[2] = b"<< /Type /Pages /Count 1 /Kids [10 0 R] >>"
    objects[10 + depth] = objects[5].replace(b"/Parent 2 0 R", b"/Parent %d 0 R" % (9 + depth))
    return write_pdf(objects)


def with_catalogue(entries: bytes, **more: bytes) -> bytes:
    objects = pages() | {1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % entries}
    return write_pdf(objects | {int(name[1:]): body for name, body in more.items()})


def hybrid() -> bytes:
    table = stream(zlib.compress(bytes(6)), b"/Type /XRef /Size 1 /W [1 2 1] /Filter /FlateDecode")
    content = write_pdf(pages() | {9: table})
    return add_update(content, {}, b"/Root 1 0 R /XRefStm %d" % content.index(b"9 0 obj"))


def loop() -> bytes:
    """The last cross-reference table says that it follows itself."""
    at = int(ORDONNANCE.split()[-2])
    return ORDONNANCE.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % at)


DAMAGED = {
    "nothing": b"",
    "text": b"hello",
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(2000),
    "a header alone": b"%PDF-1.7\n",
    "cut in half": ORDONNANCE[: len(ORDONNANCE) // 2],
    "without its end": ORDONNANCE[:-20],
    "rubbish within": ORDONNANCE[:200] + random.Random(7).randbytes(400) + ORDONNANCE[600:],
    "a table that follows itself": loop(),
    "two tables": hybrid(),
    "no catalogue": write_pdf(pages(), b"/Root 44 0 R"),
    "a catalogue that is a number": write_pdf(pages() | {1: b"7"}),
    "no pages": write_pdf(pages() | {2: b"<< /Type /Pages /Count 0 /Kids [] >>"}),
    "pages in a circle": write_pdf(pages() | {2: b"<< /Type /Pages /Count 1 /Kids [2 0 R] /Parent 2 0 R >>"}),
    "a page that is its own parent": write_pdf(pages() | {5: b"<< /Type /Page /Parent 5 0 R >>"}),
    "pages 900 deep": deep_pages(900),
    "more pages than there are": write_pdf(pages() | {2: b"<< /Type /Pages /Count 99999999 /Kids [5 0 R] >>"}),
    "a page without a size": write_pdf(pages() | {2: b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>"}),
    "a page turned by 45 degrees": write_pdf(pages(page=b"/Rotate 45")),
    "a size of names": write_pdf(pages(page=b"/MediaBox [/a /b /c /d]")),
    "a form that is text": with_catalogue(b"/AcroForm (text)"),
    "a form of XFA": with_catalogue(b"/AcroForm << /Fields [] /XFA (<xdp/>) >>"),
    "fields in a circle": with_catalogue(
        b"/AcroForm << /Fields [20 0 R] >>", _20=b"<< /T (a) /Kids [20 0 R] /Parent 20 0 R >>"
    ),
    "20,000 fields": with_catalogue(b"/AcroForm << /Fields [%s] >>" % b"5 0 R " * 20_000),
    "arrays 5,000 deep": with_catalogue(b"/AcroForm %s1%s" % (b"[" * 5000, b"]" * 5000)),
    "a reference to itself": with_catalogue(b"/AcroForm 20 0 R", _20=b"20 0 R"),
    "a catalogue in a bomb": pack_catalogue(BOMB),
    "a signature of nothing": with_catalogue(
        b"/AcroForm << /Fields [20 0 R] >>", _20=b"<< /FT /Sig /T (a) /V << /Type /Sig >> >>"
    ),
}
