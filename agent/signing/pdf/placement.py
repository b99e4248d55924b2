"""Where a signature stands in a PDF: the field that holds it, and its box on a page as the page is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec

from agent.signing.errors import DocumentRefusedError, TermsRefusedError
from agent.signing.pdf.files import entry, find_inherited
from agent.signing.preparation import Appearance, SignatureTerms

MAX_FIELDS: Final = 10_000
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A field by its name. `spec` None: it is there already. `turn`: degrees to the right that its page is shown."""

    field: str
    spec: SigFieldSpec | None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page: what is shown of it, in its own coordinates, and how it is turned to the right."""

    left: float
    bottom: float
    width: float
    height: float
    turn: int

    @property
    def seen(self) -> tuple[float, float]:
        """Width and height as a person sees them."""
        return (self.width, self.height) if self.turn % 180 == 0 else (self.height, self.width)

    def locate(self, x: float, y: float) -> tuple[float, float]:
        """A point as it is seen, from the lower left corner, in the page's own coordinates."""
        across, up = {
            0: (x, y),
            90: (self.width - y, x),
            180: (self.width - x, self.height - y),
            270: (y, self.height - x),
        }[self.turn]
        return self.left + across, self.bottom + up

    def place(self, wanted: Appearance) -> Box:
        """The box in the page's own coordinates. Raises TermsRefusedError where it does not fit on it."""
        width, height = self.seen
        right, top = wanted.x + wanted.width, wanted.y + wanted.height
        if right > width or top > height:
            raise TermsRefusedError(f"the box ends at {right:g}, {top:g} on a page of {width:g} by {height:g} points")
        (x1, y1), (x2, y2) = self.locate(wanted.x, wanted.y), self.locate(right, top)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def find_place(writer: IncrementalPdfFileWriter, terms: SignatureTerms) -> Place:
    """Choose field and box. Raises TermsRefusedError for a field that is taken, or no such page."""
    fields = dict(_top_fields(writer.prev))
    if terms.field is not None and terms.field in fields:
        return _existing(terms, fields[terms.field])
    name = terms.field or next(name for number in count(1) if (name := f"Signature{number}") not in fields)
    if "." in name:
        raise TermsRefusedError("a field's name has no full stop (ISO 32000-1 §12.7.3.2)")
    if terms.appearance is None:
        return Place(name, SigFieldSpec(name))
    page = terms.appearance.page
    sheet = _find_sheet(writer.prev, page - 1 if page > 0 else -1)
    spec = SigFieldSpec(name, on_page=page - 1 if page > 0 else -1, box=sheet.place(terms.appearance))  # type: ignore[arg-type]
    return Place(name, spec, sheet.turn)


def _existing(terms: SignatureTerms, field: Any) -> Place:
    """A field that waits for its signature; where the form's author gave it a box, the signature is seen there."""
    assert terms.field is not None
    if find_inherited(field, "/FT") != "/Sig":
        raise TermsRefusedError(f"the field {terms.field} is none for a signature")
    if find_inherited(field, "/V") is not None:
        raise TermsRefusedError(f"the field {terms.field} is signed already")
    if terms.appearance is not None:
        raise TermsRefusedError(f"the field {terms.field} is there, with its own box: appearance is for new ones")
    page = entry(field, "/P")
    return Place(terms.field, None, _read_turn(page) if page is not None else 0)


def _top_fields(reader: PdfFileReader) -> Iterator[tuple[str, Any]]:
    """The fields at the root of the form, by name; a name is a path from there, and ours are of one step."""
    form = entry(reader.root, "/AcroForm") or {}
    fields = entry(form, "/Fields") or ()
    if len(fields) > MAX_FIELDS:
        raise DocumentRefusedError(f"its form has more than {MAX_FIELDS} fields")
    for each in fields:
        field = each.get_object()
        if "/T" in field:
            yield str(field["/T"]), field


def _find_sheet(reader: PdfFileReader, index: int) -> Sheet:
    try:
        page = reader.find_page_for_modification(index)[0].get_object()
    except PdfError as error:
        raise TermsRefusedError(f"there is no page {index + 1}: {error}") from error
    box = find_inherited(page, "/CropBox") or find_inherited(page, "/MediaBox")
    if box is None:
        raise DocumentRefusedError("a page does not say how large it is")
    x1, y1, x2, y2 = map(float, box)
    return Sheet(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1), _read_turn(page))


def _read_turn(page: Any) -> int:
    turn = int(find_inherited(page, "/Rotate") or 0) % 360
    if turn % 90:
        raise DocumentRefusedError("a page is turned by no multiple of 90 degrees")
    return turn
