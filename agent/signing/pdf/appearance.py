"""What a person sees of a signature in a PDF: who signed and when, in French, fitted to its box."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pyhanko.pdf_utils.content import AppearanceContent, ResourceType
from pyhanko.pdf_utils.generic import ArrayObject, FloatObject, NameObject, StreamObject
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp import BaseStampStyle

from agent.signing.errors import TermsRefusedError
from agent.signing.pdf.lettering import CAP_HEIGHT, DESCENT, embed, encode, measure, spell

MONTHS: Final = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
MARGIN: Final = 4.0
LEADING: Final = 1.3
LARGEST, SMALLEST, STEP = 11.0, 4.0, 0.5
INK: Final = b"0 g 0.45 G 0.5 w"
TURNS: Final = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Matrices that turn as many degrees to the left: what the page's /Rotate then turns to the right stands upright."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Lines of text and their size in points."""

    size: float
    lines: tuple[str, ...]


def write_words(name: str, profession: str | None, at: datetime) -> tuple[str, ...]:
    """What is said: always in French, since the document is, whatever the language of the workstation."""
    if profession:
        name = name.removeprefix(f"{profession} ")  # some cards give it as a title as well
        name = ", ".join(filter(None, (name, f"{profession[0].lower()}{profession[1:]}")))
    day = "1er" if at.day == 1 else str(at.day)
    return f"Signé par {name}" if name else "Signé", f"Le {day} {MONTHS[at.month - 1]} {at.year} à {at:%H:%M}"


def fit(words: tuple[str, ...], width: float, height: float) -> Setting:
    """The largest setting of these paragraphs in a box. Raises TermsRefusedError for a box that is too small."""
    spelled = [spell(paragraph).split() for paragraph in words]
    size = LARGEST
    while size >= SMALLEST:
        room = (width - 2 * MARGIN) * 1000 / size
        lines = [line for paragraph in spelled for line in _wrap(paragraph, room)]
        if max(map(measure, lines)) <= room and len(lines) * size * LEADING <= height - 2 * MARGIN:
            return Setting(size, tuple(lines))
        size -= STEP
    raise TermsRefusedError(f"a box of {width:g} by {height:g} points is too small for name and date")


def _wrap(words: list[str], width: float) -> list[str]:
    """Lines no wider than `width`, in thousandths of the size, but where a single word is."""
    lines = words[:1]
    for word in words[1:]:
        longer = f"{lines[-1]} {word}"
        if measure(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


class Drawing(AppearanceContent):
    """The normal appearance of a signature's widget, upright on a page that is shown turned."""

    def __init__(self, writer: BasePdfFileWriter, box: BoxConstraints, words: tuple[str, ...], turn: int) -> None:
        width, height = (box.width, box.height) if turn % 180 == 0 else (box.height, box.width)
        super().__init__(writer, BoxConstraints(width=width, height=height))
        self._setting = fit(words, width, height)
        self._turn = turn
        self.set_resource(ResourceType.FONT, NameObject("/F1"), embed(writer))

    def render(self) -> bytes:
        """A thin frame, and the lines from the top, centred as a block."""
        width, height, size = self.box.width, self.box.height, self._setting.size
        block = len(self._setting.lines) * size * LEADING
        top = (height + block) / 2 - size * (LEADING + (CAP_HEIGHT + DESCENT) / 1000) / 2
        lines = b" T* ".join(encode(line) + b" Tj" for line in self._setting.lines)
        frame = b"0.25 0.25 %g %g re S" % (width - 0.5, height - 0.5)
        start = b"/F1 %g Tf %g TL %g %g Td" % (size, size * LEADING, MARGIN, top)
        return b"q %s %s BT %s %s ET Q" % (INK, frame, start, lines)

    def as_form_xobject(self) -> StreamObject:
        """With the matrix that sets it upright (ISO 32000-1 §12.5.5, algorithm 8.1)."""
        form = super().as_form_xobject()
        form[NameObject("/Matrix")] = ArrayObject(map(FloatObject, (*TURNS[self._turn], 0, 0)))
        form.compress()
        return form


@dataclass(frozen=True)
class Style(BaseStampStyle):
    """Draws it, as pyHanko asks its stamp styles to."""

    words: tuple[str, ...] = ()
    turn: int = 0

    def create_stamp(self, writer: BasePdfFileWriter, box: BoxConstraints, text_params: Any) -> Any:  # noqa: ARG002 - pyHanko's
        """Give what is drawn into a box."""
        return Drawing(writer, box, self.words, self.turn)
