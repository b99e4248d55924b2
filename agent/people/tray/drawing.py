"""The icon of each condition: a card with a sign of its own, told apart by shape alone, drawn for the size it has.

Everything is drawn on a grid of 16 units, eight times too large, then reduced. Each card has an edge and a face of
which one is pale and one is dark, so that it stands out from light and from dark panels alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from PIL import Image, ImageDraw

from agent.people.tray.state import Condition

SIZES: Final = (16, 22, 24, 32, 48, 64)
_GRID: Final = 16.0
_OVERSAMPLING: Final = 8

Colour = tuple[int, int, int, int]
INK: Final[Colour] = (24, 28, 34, 255)
PAPER: Final[Colour] = (250, 251, 252, 255)
RIM: Final[Colour] = (255, 255, 255, 255)
GREY: Final[Colour] = (150, 158, 168, 255)
GREEN: Final[Colour] = (0, 122, 51, 255)
BLUE: Final[Colour] = (0, 84, 166, 255)
AMBER: Final[Colour] = (255, 196, 37, 255)
RED: Final[Colour] = (190, 18, 28, 255)


class Pen:
    """Draw in grid units."""

    def __init__(self, size: int) -> None:
        self._unit = size * _OVERSAMPLING / _GRID
        self.image = Image.new("RGBA", (size * _OVERSAMPLING, size * _OVERSAMPLING), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)

    def _scaled(self, *values: float) -> list[float]:
        return [value * self._unit for value in values]

    def box(self, corners: tuple[float, float, float, float], colour: Colour, radius: float = 0.0) -> None:
        """A filled box, its corners rounded."""
        self._draw.rounded_rectangle(self._scaled(*corners), radius * self._unit, fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self._draw.ellipse(self._scaled(x - radius, y - radius, x + radius, y + radius), fill=colour)

    def shape(self, points: Sequence[tuple[float, float]], colour: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(x * self._unit, y * self._unit) for x, y in points], fill=colour)

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """A line with round joints and ends."""
        scaled = [(x * self._unit, y * self._unit) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * self._unit), joint="curve")
        for x, y in points:
            self.disc(x, y, width / 2, colour)

    def arc(
        self, centre: tuple[float, float], radius: float, angles: tuple[float, float], pen: tuple[float, Colour]
    ) -> None:
        """An arc clockwise between two angles in degrees, 0 at three o'clock; the pen is a width and a colour."""
        x, y = centre
        width, colour = pen
        outer = radius + width / 2
        box = self._scaled(x - outer, y - outer, x + outer, y + outer)
        self._draw.arc(box, *angles, fill=colour, width=round(width * self._unit))


def draw_icon(condition: Condition, size: int, background: tuple[int, int, int] | None = None) -> Image.Image:
    """Draw the icon in RGBA; on a background colour, opaque, for trays that know no transparency."""
    pen = Pen(size)
    _DRAWINGS[condition](pen)
    image = pen.image.resize((size, size), Image.Resampling.BOX)
    if background is None:
        return image
    panel = Image.new("RGBA", image.size, (*background, 255))
    panel.alpha_composite(image)
    return panel


def _card(pen: Pen, fill: Colour = PAPER) -> None:
    """On whole units, so that edges are sharp at 16 px; a pale card has a dark edge, a dark card a pale one."""
    pen.box((0, 2, 16, 14), RIM if fill in (RED, BLUE, INK) else INK, 2)
    pen.box((1, 3, 15, 13), fill, 1)


def _draw_no_reader(pen: Pen) -> None:
    """No card at all: a plug without its socket."""
    pen.box((2, 5, 14, 13), RIM, 3)
    for x in (4, 10):
        pen.box((x - 1, 0, x + 3, 6), RIM)
    pen.box((6, 12, 10, 16), RIM)
    pen.box((3, 6, 13, 12), INK, 2)
    for x in (4, 10):
        pen.box((x, 1, x + 2, 7), INK)
    pen.box((7, 11, 9, 16), INK)


def _draw_no_card(pen: Pen) -> None:
    """An empty slot, and an arrow into it."""
    pen.shape([(5.2, 0), (10.8, 0), (10.8, 3.6), (14, 3.6), (8, 10.4), (2, 3.6), (5.2, 3.6)], RIM)
    pen.shape([(6.2, 0.8), (9.8, 0.8), (9.8, 4.6), (12, 4.6), (8, 9.1), (4, 4.6), (6.2, 4.6)], BLUE)
    slot = [(2, 9.5), (2, 14), (14, 14), (14, 9.5)]
    pen.line(slot, 4, RIM)
    pen.line(slot, 2, INK)


def _draw_reading(pen: Pen) -> None:
    _card(pen)
    for x in (4.4, 8, 11.6):
        pen.disc(x, 8, 1.25, INK)


def _draw_ready(pen: Pen) -> None:
    _card(pen)
    pen.line([(4.2, 8.2), (7, 10.9), (12, 5.2)], 2.2, GREEN)


def _draw_session(pen: Pen) -> None:
    """An open padlock, its shackle turned aside."""
    _card(pen, BLUE)
    pen.arc((11, 6.1), 1.9, (180, 360), (1.3, PAPER))
    pen.box((8.45, 6, 9.75, 8), PAPER)
    pen.box((12.25, 6, 13.55, 7.4), PAPER)
    pen.box((3, 7.2, 9.9, 12), PAPER, 0.6)
    pen.disc(6.4, 9.6, 1, BLUE)


def _draw_tries_low(pen: Pen) -> None:
    _card(pen, AMBER)
    _exclaim(pen, 4.2, 9.0, 11.0, INK)


def _draw_blocked(pen: Pen) -> None:
    _card(pen, RED)
    pen.line([(4.6, 4.6), (11.4, 11.4)], 2.4, PAPER)
    pen.line([(11.4, 4.6), (4.6, 11.4)], 2.4, PAPER)


def _draw_revoked(pen: Pen) -> None:
    """A card that is struck out from corner to corner."""
    _card(pen)
    pen.line([(2, 14), (14, 2)], 5.2, RIM)
    pen.line([(2, 14), (14, 2)], 3.2, RED)


def _draw_expiring(pen: Pen) -> None:
    """A clock over the card."""
    _card(pen, AMBER)
    pen.disc(8, 8, 6.5, INK)
    pen.disc(8, 8, 5.3, PAPER)
    pen.line([(8, 4.6), (8, 8.3), (10.6, 9.8)], 1.3, INK)


def _draw_expired(pen: Pen) -> None:
    """An hourglass that has run out."""
    _card(pen, INK)
    pen.box((4, 4, 12, 5), PAPER)
    pen.box((4, 11, 12, 12), PAPER)
    pen.shape([(4.9, 5), (11.1, 5), (8.6, 8), (11.1, 11), (4.9, 11), (7.4, 8)], PAPER)
    pen.shape([(6.6, 5.6), (9.4, 5.6), (8, 7.3)], INK)


def _draw_not_cps(pen: Pen) -> None:
    _card(pen, GREY)
    pen.arc((8, 6.1), 2.3, (170, 400), (1.7, INK))
    pen.line([(9.6, 7.6), (8, 9.1)], 1.7, INK)
    pen.disc(8, 11.5, 1.05, INK)


def _draw_trouble(pen: Pen) -> None:
    """The road sign, without a card."""
    pen.shape([(8, 0), (16, 15.6), (0, 15.6)], RIM)
    pen.shape([(8, 1), (15.3, 15), (0.7, 15)], INK)
    pen.shape([(8, 3.6), (13.4, 13.9), (2.6, 13.9)], AMBER)
    _exclaim(pen, 6.4, 10.0, 12.1, INK)


def _draw_no_agent(pen: Pen) -> None:
    """The sign of something switched off."""
    pen.disc(8, 8, 8, RIM)
    pen.disc(8, 8, 7.4, RED)
    pen.arc((8, 8.4), 4.1, (-55, 235), (1.8, PAPER))
    pen.box((7.1, 2.4, 8.9, 8.4), PAPER)


def _exclaim(pen: Pen, top: float, bottom: float, dot: float, colour: Colour) -> None:
    pen.shape([(6.8, top), (9.2, top), (8.8, bottom), (7.2, bottom)], colour)
    pen.disc(8, dot, 1.15, colour)


_DRAWINGS: Final[dict[Condition, Callable[[Pen], None]]] = {
    Condition.NO_READER: _draw_no_reader,
    Condition.NO_CARD: _draw_no_card,
    Condition.READING: _draw_reading,
    Condition.CARD_READY: _draw_ready,
    Condition.PIN_SESSION: _draw_session,
    Condition.TRIES_LOW: _draw_tries_low,
    Condition.PIN_BLOCKED: _draw_blocked,
    Condition.REVOKED: _draw_revoked,
    Condition.EXPIRING: _draw_expiring,
    Condition.EXPIRED: _draw_expired,
    Condition.NOT_CPS: _draw_not_cps,
    Condition.TROUBLE: _draw_trouble,
    Condition.NO_AGENT: _draw_no_agent,
}
