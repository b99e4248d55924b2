"""The letters of visible signatures: a subset of DejaVu Sans, embedded as PDF/A asks (ISO 19005-2 §6.2.11).

`letters.ttf` holds the Latin letters of Europe without hints; `letters.tsv` says for each code point its glyph and its
advance in thousandths of the size.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pyhanko.pdf_utils.generic import (
    ArrayObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    PdfObject,
    StreamObject,
    TextStringObject,
)
from pyhanko.pdf_utils.writer import BasePdfFileWriter

HERE: Final = Path(__file__).parent
NAME: Final = "/CPSAGT+DejaVuSans"
ASCENT, DESCENT, CAP_HEIGHT = 928, -236, 729
BOX: Final = (-411, -261, 1006, 946)
FLAGS: Final = 1 << 5  # nonsymbolic (ISO 32000-1 table 123)
UNKNOWN: Final = "?"
CMAP: Final = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
{ranges}endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
PER_BLOCK: Final = 100  # a CMap's operators take no more entries


class Letter(NamedTuple):
    """Its glyph, and how far it advances, in thousandths of the size."""

    glyph: int
    advance: int


@functools.cache
def _letters() -> Mapping[str, Letter]:
    rows = (line.split("\t") for line in (HERE / "letters.tsv").read_text("ascii").splitlines())
    return {chr(int(code, 16)): Letter(int(glyph), int(advance)) for code, glyph, advance in rows}


def spell(text: str) -> str:
    """The text in letters that there are: one without its accent where that is missing, `?` where all is."""
    return "".join(map(_spell_letter, unicodedata.normalize("NFC", text)))


def _spell_letter(letter: str) -> str:
    if letter in _letters():
        return letter
    plain = unicodedata.normalize("NFKD", letter)[0]
    if unicodedata.category(plain) == "Zs":
        return " "
    return plain if plain in _letters() else UNKNOWN


def measure(text: str) -> int:
    """Its width in thousandths of the size, for text that `spell` gave."""
    return sum(_letters()[letter].advance for letter in text)


def encode(text: str) -> bytes:
    """It as the operand of Tj."""
    return b"<" + "".join(f"{_letters()[letter].glyph:04x}" for letter in text).encode() + b">"


def embed(writer: BasePdfFileWriter) -> IndirectObject:
    """Write the font, a composite one with Identity-H (ISO 32000-1 §9.7), and give its reference."""
    descendant = _dictionary(
        Type="/Font",
        Subtype="/CIDFontType2",
        BaseFont=NAME,
        CIDSystemInfo=DictionaryObject(
            {
                NameObject("/Registry"): TextStringObject("Adobe"),
                NameObject("/Ordering"): TextStringObject("Identity"),
                NameObject("/Supplement"): NumberObject(0),
            }
        ),
        CIDToGIDMap="/Identity",
        FontDescriptor=writer.add_object(_describe(writer)),
        W=ArrayObject(_widths()),
    )
    font = _dictionary(
        Type="/Font",
        Subtype="/Type0",
        BaseFont=NAME,
        Encoding="/Identity-H",
        DescendantFonts=ArrayObject([writer.add_object(descendant)]),
        ToUnicode=writer.add_object(_compressed(_to_unicode())),
    )
    return writer.add_object(font)


def _describe(writer: BasePdfFileWriter) -> DictionaryObject:
    content = (HERE / "letters.ttf").read_bytes()
    return _dictionary(
        Type="/FontDescriptor",
        FontName=NAME,
        Flags=FLAGS,
        FontBBox=ArrayObject(map(NumberObject, BOX)),
        ItalicAngle=0,
        Ascent=ASCENT,
        Descent=DESCENT,
        CapHeight=CAP_HEIGHT,
        StemV=80,
        FontFile2=writer.add_object(_compressed(content, Length1=len(content))),
    )


def _widths() -> Iterable[PdfObject]:
    for glyph, advance in sorted(set(_letters().values())):
        yield NumberObject(glyph)
        yield ArrayObject([NumberObject(advance)])


def _to_unicode() -> bytes:
    lines = [f"<{each.glyph:04x}> <{ord(letter):04x}>" for letter, each in _letters().items()]
    blocks = [lines[at : at + PER_BLOCK] for at in range(0, len(lines), PER_BLOCK)]
    ranges = "".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar\n" for block in blocks)
    return CMAP.format(ranges=ranges).encode("ascii")


def _compressed(content: bytes, **members: int) -> StreamObject:
    stream = StreamObject(_dictionary(**members), stream_data=content)
    stream.compress()
    return stream


def _dictionary(**members: PdfObject | str | int) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{name}"): _object(value) for name, value in members.items()})


def _object(value: PdfObject | str | int) -> PdfObject:
    if isinstance(value, PdfObject):
        return value
    return NameObject(value) if isinstance(value, str) else NumberObject(value)
