"""A tooltip for trays of X11 desktops, which show none: a small window of ours, drawn with Pillow."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont
from Xlib import X
from Xlib.error import XError

FONT: Final = "DejaVuSans.ttf"
FONT_PX: Final = 13
PAPER, INK = (255, 255, 225), (20, 20, 20)
MARGIN, AWAY = 6, 16


class Tooltip:
    """Shown from the beginning until close(), near a point but never outside the screen."""

    def __init__(self, display: Any, text: str, point: tuple[int, int]) -> None:
        picture = draw_text(text)
        screen = display.screen()
        x, y = place(picture.size, point, (screen.width_in_pixels, screen.height_in_pixels))
        self._display = display
        pixmap = _to_pixmap(screen, picture)
        self._window = screen.root.create_window(
            x, y, *picture.size, 0, screen.root_depth, X.InputOutput, X.CopyFromParent,
            background_pixmap=pixmap, override_redirect=True,
        )  # fmt: skip
        pixmap.free()
        self._window.map()
        display.flush()

    def close(self) -> None:
        """Take it away."""
        with contextlib.suppress(XError):
            self._window.destroy()
            self._display.flush()


def draw_text(text: str) -> Image.Image:
    """Lines of text with an edge."""
    font = _load_font()
    left, top, right, bottom = ImageDraw.Draw(Image.new("RGB", (1, 1))).multiline_textbbox((0, 0), text, font)
    size = (int(right - left) + 2 * MARGIN, int(bottom - top) + 2 * MARGIN)
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=INK)
    draw.multiline_text((MARGIN - left, MARGIN - top), text, INK, font)
    return picture


def _load_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(FONT, FONT_PX)
    except OSError:
        return ImageFont.load_default(FONT_PX)  # Pillow's own


def place(size: tuple[int, int], point: tuple[int, int], screen: tuple[int, int]) -> tuple[int, int]:
    """Below and right of the point, or on the other side of it where the screen ends."""
    placed = []
    for length, at, end in zip(size, point, screen, strict=True):
        start = at + AWAY if at + AWAY + length <= end else at - AWAY - length
        placed.append(max(0, min(start, end - length)))
    return placed[0], placed[1]


def _to_pixmap(screen: Any, picture: Image.Image) -> Any:
    pixmap = screen.root.create_pixmap(*picture.size, screen.root_depth)
    context = pixmap.create_gc()
    picture.tostring = picture.tobytes  # type: ignore[attr-defined]  # the name that python-xlib 0.33 calls
    pixmap.put_pil_image(context, 0, 0, picture)
    context.free()
    return pixmap
