"""The panel on a real screen: no cut text in either language at either scale, keyboard, revoking, the tray's requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from screenshots.tray import fill
from support.atspi import ScreenReader, find_missing_parts, flatten, screen_reader
from support.display import find_missing_tools, virtual_display
from support.fake_agent import fake_agent, status
from support.waiting import wait_until

MISSING = find_missing_tools()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
needs_ears = pytest.mark.skipif(bool(find_missing_parts()), reason=f"needs {', '.join(find_missing_parts())}")
pytest.importorskip("PySide6", reason="needs the `desktop` extra")

PAGES = ("card", "certificates", "means", "grants", "journal", "diagnosis", "errands", "settings")
MEASURE = Path(__file__).parents[2] / "support" / "panel_measure.py"


@pytest.fixture(name="agent")
def _agent(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        yield agent


@pytest.mark.parametrize("language", ["fr_FR.UTF-8", "C.UTF-8"])
@pytest.mark.parametrize("scale", ["1", "2"])
def test_no_text_is_cut(agent, tmp_path, language, scale):
    """Measured by Qt itself, in the window as the program makes it, on a small screen."""
    with virtual_display("1366x768x24") as display:
        environment = display.environment | {"LC_ALL": language, "QT_SCALE_FACTOR": scale}
        environment.pop("WAYLAND_DISPLAY", None)
        done = subprocess.run(
            [sys.executable, "-I", str(MEASURE), str(tmp_path / "data")],
            env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() - PAGES == {"errands#staff-order,certificate-order,unblock"}
    assert report.keys() >= set(PAGES)
    assert all(page["labels"] > 5 for page in report.values())
    assert {name: page["cut"] for name, page in report.items() if page["cut"]} == {}
    assert {name: page["nameless"] for name, page in report.items() if page["nameless"]} == {}


class Panel:
    """`cps-agent panel` on a screen."""

    def __init__(self, display, folder: Path, **environment: str) -> None:
        self.display = display
        self.environment = display.environment | {"LC_ALL": "C.UTF-8", **environment}
        self.environment.pop("WAYLAND_DISPLAY", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agent", "panel", "--data-dir", str(folder), "--page", "grants", "--from-tray"],
            env=self.environment, stdin=subprocess.PIPE, text=True,
        )  # fmt: skip

    def wait_for(self, title: str) -> str:
        return self.display.find_window(f"^{title} — CPS agent$")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate(timeout=10)


@pytest.fixture(name="panel")
def _panel(agent, tmp_path):
    with virtual_display() as display, Panel(display, tmp_path / "data") as panel:
        yield panel


def test_tray_sends_pages_and_its_end_closes_nothing(panel):
    panel.wait_for("Sites and programs")
    for name, title in (("journal", "Journal"), ("nonsense", "Journal"), ("errands", "Whom to turn to")):
        panel.process.stdin.write(f"{name}\n")
        panel.process.stdin.flush()
        panel.wait_for(title)
    panel.process.stdin.close()
    panel.process.stdin = None
    assert panel.process.poll() is None
    panel.wait_for("Whom to turn to")


def test_pages_by_keyboard_and_escape_closes(panel):
    window = panel.wait_for("Sites and programs")
    panel.display.focus(window)
    panel.display.press("Down")
    panel.wait_for("Journal")
    panel.display.press("Home")
    panel.wait_for("Card")
    panel.display.press("Escape")
    assert panel.process.wait(10) == 0


@contextmanager
def heard_panel(folder: Path, **environment: str):
    """A panel with ears to it: a page whose buttons can be heard is there, keys pressed before would go elsewhere."""
    with (
        virtual_display() as display,
        screen_reader(display, folder) as ears,
        Panel(display, folder / "data", **ears.environment, **environment) as panel,
    ):
        yield panel, ears


def wait_for_button(panel, ears: ScreenReader, title: str, label: str) -> str:
    """Give the window of that page, in front, once its button is there."""
    window = panel.wait_for(title)
    wait_until(lambda: ("push button", label) in names(ears, title), label)
    panel.display.focus(window)
    return window


@needs_ears
def test_revoking_asks_first_and_no_is_the_default(agent, tmp_path):
    with heard_panel(tmp_path) as (panel, ears):
        revoke_twice(agent, panel, wait_for_button(panel, ears, "Sites and programs", "Take back"))


def revoke_twice(agent, panel, window: str) -> None:
    """First no, then yes."""
    deletes = lambda: [call for call in agent.calls if call[0] == "DELETE"]  # noqa: E731
    panel.display.press("Tab", "Tab")  # from the list to the page, and to its first button
    for keys, count in ((("Return",), 0), (("shift+Tab", "space"), 1)):
        panel.display.press("space")
        question = find_question(panel, window)
        panel.display.focus(question)
        panel.display.press(*keys)
        wait_until(lambda question=question: question not in windows(panel), "the question to go")
        wait_until(lambda count=count: len(deletes()) == count, "the call")
    assert deletes() == [("DELETE", "/v1/grants/1", None)]


@needs_ears
def test_what_is_missing_leads_to_whom_to_turn_to_and_back(agent, tmp_path):
    """By keyboard: a button that changes the page goes away with it, in the middle of its own click."""
    with heard_panel(tmp_path) as (panel, ears):
        panel.process.stdin.write("means\n")
        panel.process.stdin.flush()
        wait_for_button(panel, ears, "Means of identification", "What to do")
        wait_until(lambda: press_until_titled(panel, "Whom to turn to"), "the page")
        go_back_and_forth(panel)


def go_back_and_forth(panel) -> None:
    for page, title in (("errands#self", "Whom to turn to"), ("errands", "Whom to turn to"), ("card", "Card")):
        panel.process.stdin.write(f"{page}\n")
        panel.process.stdin.flush()
        panel.wait_for(title)
    assert panel.process.poll() is None


def press_until_titled(panel, title: str) -> bool:
    """Tab wanders to the first button, once the page is there."""
    panel.display.press("Tab", "space")
    names = ("xdotool", "search", "--onlyvisible", "--name", f"^{title} — CPS agent$")
    return subprocess.run(names, env=panel.environment, capture_output=True, check=False).returncode == 0


def windows(panel) -> list[str]:
    command = ("xdotool", "search", "--onlyvisible", "--name", "CPS agent")
    done = subprocess.run(command, env=panel.environment, capture_output=True, text=True, check=False)
    return done.stdout.split()


def find_question(panel, window: str) -> str:
    wait_until(lambda: len(windows(panel)) == 2, "the question")
    (question,) = set(windows(panel)) - {window}
    return question


def test_page_follows_what_happens(agent, panel, tmp_path):
    window = panel.wait_for("Sites and programs")
    before = picture(panel, window, tmp_path)
    agent.answers["GET", "/v1/grants"] = {"grants": []}
    agent.tell(status("no-card"))
    wait_until(lambda: picture(panel, window, tmp_path) != before, "another picture")


def picture(panel, window: str, folder: Path) -> bytes:
    panel.display.screenshot(folder / "panel.png", window)
    return (folder / "panel.png").read_bytes()


@needs_ears
def test_page_opens_in_the_browser(agent, tmp_path):
    """Only a page of our own data, and by the person's browser."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/opened\n')
    browser.chmod(0o755)
    with heard_panel(tmp_path, BROWSER=str(browser)) as (panel, ears):
        panel.process.stdin.write("errands#block-lost\n")
        panel.process.stdin.flush()
        wait_for_button(panel, ears, "Whom to turn to", "Open esante.gouv.fr/assistance")
        wait_until(lambda: press_and_look(panel, tmp_path / "opened"), "the page")
    assert (tmp_path / "opened").read_text() == "https://esante.gouv.fr/assistance\n"


def press_and_look(panel, opened: Path) -> bool:
    """Tab wanders through the window until it stands on the button of a page."""
    panel.display.press("Tab", "space")
    return opened.exists() and bool(opened.read_text())


def test_without_a_screen_it_says_so(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-m", "agent", "panel", "--data-dir", str(tmp_path)],
        env=environment | {"LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert "no screen" in done.stderr


@needs_ears
def test_screen_reader_finds_the_controls_by_name(agent, tmp_path):
    with (
        virtual_display() as display,
        screen_reader(display, tmp_path) as ears,
        Panel(display, tmp_path / "data", **ears.environment) as panel,
    ):
        panel.wait_for("Sites and programs")
        wait_until(lambda: ("push button", "Take back") in names(ears), "the button by its name")
        assert names(ears) >= {
            ("list", "Pages"),
            ("list item", "Journal"),
            ("push button", "Close"),
            ("push button", "Look again"),
            ("label", "dossier-medical.exemple.fr"),
        }


def names(ears: ScreenReader, title: str = "Sites and programs") -> set[tuple[str, str]]:
    """Role and name of every part of the window."""
    return {(node["role"], node["name"]) for node in flatten(ears.read(f"{title} — CPS agent"))}
