"""A person logs in with Firefox and Chromium: the agent's windows ask, on a real screen, and the browsers never do."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from login_browsers import Kind, LoginBrowser
from login_desk import Desk, run_desk
from login_sites import logged_in
from support.chromium import need
from support.display import Display, find_missing_tools, virtual_display

CONSENT, CODE = "Demande d.+accord CPS", "Code CPS"  # xdotool counts bytes


@dataclass
class Person:
    """Somebody at the screen, whose hands are on the keyboard and never in the browser's windows."""

    screen: Display

    def windows(self) -> list[str]:
        """All windows that can be seen."""
        return self.screen.list_windows(".")

    def agree(self) -> None:
        """Wait for the consent, and give it."""
        self._look_at(CONSENT)
        self.screen.press("shift+Tab", "space")

    def refuse(self) -> None:
        """Wait for the consent, and leave the answer that is there."""
        self._look_at(CONSENT)
        self.screen.press("Return")

    def give_code(self) -> None:
        """Wait for the question, and type."""
        self._look_at(CODE)
        self.screen.type_text("1234")
        self.screen.press("Return")

    def _look_at(self, title: str) -> None:
        self.screen.focus(self.screen.find_window(f"^{title}$"))


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    missing = find_missing_tools() + ([] if importlib.util.find_spec("PySide6") else ["PySide6 (the `desktop` extra)"])
    need(", ".join(missing))
    with virtual_display() as screen:
        yield Person(screen)


@pytest.fixture(scope="module")
def dialog_desk(made_folder: Path, person: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    flags = ("--prompt", "dialog", "--language", "fr")
    environment = {"DISPLAY": person.screen.name}
    with run_desk(made_folder, tmp_path_factory.mktemp("dialogs"), *flags, environment=environment) as running:
        yield running


@pytest.fixture
def browser(dialog_desk: Desk, kind: Kind, person: Person, tmp_path: Path) -> Iterator[LoginBrowser]:
    """A browser on the screen, with the card in the reader and no question that anybody has answered before."""
    dialog_desk.insert("cps3")
    for grant in dialog_desk.client.grants():
        dialog_desk.client.revoke(grant["id"])
    home = dialog_desk.home.copy(tmp_path / "home", *kind.policies)
    with kind.run(home, display=person.screen.name) as running:
        yield running


def test_the_agent_asks_and_the_browser_does_not(
    dialog_desk: Desk, browser: LoginBrowser, kind: Kind, person: Person, tmp_path: Path
) -> None:
    """One consent and one code for a page; the next page of the site asks nothing. No code goes through the browser."""
    browser.begin_visit(dialog_desk.sites.kept.url)
    person.screen.find_window(f"^{CONSENT}$")
    assert len(person.windows()) == 2  # the browser's own, whose title changes, and that one
    person.screen.screenshot(tmp_path / "consent.png")
    person.agree()
    person.screen.find_window(f"^{CODE}$")
    assert len(person.windows()) == 2
    person.screen.screenshot(tmp_path / "code.png")
    person.give_code()
    greeting = logged_in("TLSv1.2", dialog_desk.certificate())
    assert browser.end_visit().text.startswith(greeting)
    assert browser.visit(dialog_desk.sites.kept.url).text.startswith(greeting)
    assert len(person.windows()) == 1
    assert dialog_desk.told("use-authentication-key", kind) == 1
    assert dialog_desk.told("ignore-pin", kind) == 0


def test_refused_and_then_not(dialog_desk: Desk, browser: LoginBrowser, person: Person) -> None:
    """Who has refused and thinks better of it logs in, in the same browser.

    Firefox goes on with a handshake that can come to nothing, for 30 s: the person closes the tab.
    """
    browser.begin_visit(dialog_desk.sites.kept.url, patience_s=8)
    person.refuse()
    visit = browser.end_visit()
    assert visit.status != 200, visit
    dialog_desk.client.allow_questions()
    browser.begin_visit(dialog_desk.sites.kept.url)
    person.agree()
    person.give_code()
    assert browser.end_visit().text.startswith(logged_in("TLSv1.2", dialog_desk.certificate()))
