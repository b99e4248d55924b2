"""Real programs at the agent's door: one card for all of them, a screen that stays empty, and a card that is closed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.display import Display, virtual_display
from support.door import Door, door_over_pcscd, embedded_door
from support.other_program import look_at_card


@pytest.fixture(scope="session")
def screen() -> Iterator[Display]:
    """A screen without anything on it, for programs that would like to show a window."""
    with virtual_display(window_manager=False) as display:
        yield display


@pytest.fixture(scope="session")
def session_card(made_folder: Path, tmp_path_factory: pytest.TempPathFactory, screen: Display) -> Iterator[Door]:
    """The virtual CPS3 in a reader of a private pcscd, behind an agent of its own."""
    folder = tmp_path_factory.mktemp("card")
    data_dir = Path(shutil.copytree(made_folder, folder / "data"))
    with door_over_pcscd(data_dir, folder) as door:
        yield replace(door, env={**door.env, "DISPLAY": screen.name})


@pytest.fixture
def card(session_card: Door, screen: Display, tmp_path: Path) -> Iterator[Door]:
    """The same for one test, whose programs show no window, and leave the card closed to everybody else."""
    yield replace(session_card, folder=tmp_path, env={**session_card.env, "HOME": str(tmp_path)})
    assert_nothing_shown(screen)
    assert_closed(session_card)


@pytest.fixture(scope="session")
def session_cps4(made_folder: Path, tmp_path_factory: pytest.TempPathFactory, screen: Display) -> Iterator[Door]:
    """A virtual CPS4 in the agent itself."""
    folder = tmp_path_factory.mktemp("cps4")
    data_dir = Path(shutil.copytree(made_folder, folder / "data"))
    with embedded_door(data_dir, folder, "--virtual-kind", "cps4") as door:
        yield replace(door, env={**door.env, "DISPLAY": screen.name})


@pytest.fixture
def cps4(session_cps4: Door, screen: Display, tmp_path: Path) -> Iterator[Door]:
    """The same for one test, whose programs show no window."""
    yield replace(session_cps4, folder=tmp_path, env={**session_cps4.env, "HOME": str(tmp_path)})
    assert_nothing_shown(screen)


def assert_nothing_shown(screen: Display) -> None:
    """No program has left or shows a window."""
    assert "0 children" in screen.run("xwininfo", "-root", "-children")


def assert_closed(door: Door) -> None:
    """A second program that gives no code is refused a signature."""
    assert door.pcscd
    assert re.fullmatch(r"63c\d", look_at_card(door.pcscd))
