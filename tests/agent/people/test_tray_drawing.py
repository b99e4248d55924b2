"""Icons are told apart at the smallest size, without colour, on light and on dark panels."""

from __future__ import annotations

from itertools import combinations

import pytest
from PIL import Image, ImageChops, ImageStat

from agent.people.tray.drawing import SIZES, draw_icon
from agent.people.tray.state import Condition

LIGHT, DARK, MIDDLE = (240, 240, 240), (40, 44, 48), (128, 128, 128)
DIFFERENT = 15.0  # of 255, as a mean over all pixels: a check mark and three dots are 20 apart
VISIBLE = 0.12  # of the pixels


def distance(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / len(one.getbands())


@pytest.mark.parametrize("panel", [LIGHT, DARK])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_two_conditions_differ_at_16_px(panel, mode):
    icons = {condition: draw_icon(condition, 16, panel).convert(mode) for condition in Condition}
    distances = {pair: distance(icons[pair[0]], icons[pair[1]]) for pair in combinations(Condition, 2)}
    nearest = min(distances, key=distances.__getitem__)
    assert distances[nearest] > DIFFERENT, nearest


def test_shapes_differ_where_only_black_and_white_are_left():
    icons = {
        condition: draw_icon(condition, 16, MIDDLE).convert("L").point(lambda value: 255 * (value > 90))
        for condition in Condition
    }
    for one, other in combinations(Condition, 2):
        assert distance(icons[one], icons[other]) > 10, (one, other)


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("panel", [LIGHT, DARK])
def test_icon_stands_out_from_its_panel(condition, panel):
    bare = Image.new("L", (16, 16), sum(panel) // 3)
    difference = ImageChops.difference(draw_icon(condition, 16, panel).convert("L"), bare)
    strong = sum(count for value, count in enumerate(difference.histogram()) if value > 60)
    assert strong / 256 > VISIBLE


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("condition", Condition)
def test_every_size_is_drawn(condition, size):
    icon = draw_icon(condition, size)
    assert (icon.size, icon.mode) == ((size, size), "RGBA")
    assert icon.getextrema()[3] == (0, 255)  # see-through corners, solid signs
    assert draw_icon(condition, size, DARK).getextrema()[3] == (255, 255)
