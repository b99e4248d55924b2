"""The Annuaire Santé on the card page: below its card, as soon as it comes, with what differs first and marked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from screenshots.tray import CARD, DIRECTORY_ENTRY, fill
from support.fake_agent import FakeAgent, fake_agent

from agent.people.panel import pages
from agent.people.panel.directory import entry_section
from agent.people.panel.pages import load_page, load_steps
from agent.people.panel.sections import Context, Section
from agent.people.translations import load_words
from agent.settings import Settings

ASKED = ("GET", "/v1/directory/99213845021")


def context(folder: Path = Path(), language: str = "en") -> Context:
    return Context(load_words(language), language, Settings(folder), datetime(2026, 11, 25, 12, 0, tzinfo=UTC))


def texts(section: Section) -> list[str]:
    return [f"{line.name}: {line.text}" for line in section.lines]


def test_differences_stand_first_and_are_counted():
    section = entry_section(DIRECTORY_ENTRY, context())
    assert (section.title, section.mark) == ("Annuaire Santé, RPPS 99213845021", "1 difference")
    told = texts(section)
    assert told[0] == "≠ Surname: on the card: DUPONT; in the directory: DUPONT-LAJOIE"
    assert "MSSanté mailbox: marie.dupont-lajoie@medecin.mssante.fr (personal mailbox)" in told
    assert any("logiciel@" in one and "it receives, and nobody may read it" in one for one in told)
    assert told[-1].endswith("the directory tells nothing now")


def test_french():
    told = texts(entry_section(DIRECTORY_ENTRY, context(language="fr")))
    assert told[0].startswith("≠ Nom: sur la carte")
    assert any("boîte applicative" in one for one in told)


def test_nobody_and_closed():
    nobody = entry_section({"rpps": "1", "found": False, "active": None}, context())
    assert nobody.lines[0].text == "The directory knows nobody of this number."
    closed = entry_section({"rpps": "1", "found": True, "active": False}, context())
    assert closed.lines[0].text == "This entry of the directory is closed."
    assert (nobody.mark, closed.mark) == (None, None)


@pytest.fixture
def agent(tmp_path: Path):
    with fake_agent(tmp_path) as fake:
        fill(fake)
        yield fake


def test_the_directory_stands_below_its_card(agent: FakeAgent, tmp_path: Path):
    (whole,) = load_steps("card", context(tmp_path))
    plain = load_page("card", context(tmp_path))
    assert (whole[0], whole[2]) == plain
    assert whole[1].title.startswith("Annuaire Santé")
    assert list(load_steps("grants", context(tmp_path))) == [load_page("grants", context(tmp_path))]


def test_the_card_does_not_wait_for_the_directory(agent: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told = threading.Event()
    monkeypatch.setattr(pages, "LATER", {"card": lambda *_: told.wait(10) and (Section("all of it"),)})
    monkeypatch.setattr(pages, "PATIENCE_S", 0.01)
    steps = load_steps("card", context(tmp_path))
    assert next(steps) == load_page("card", context(tmp_path))
    told.set()
    assert list(steps) == [(Section("all of it"),)]


@pytest.mark.parametrize("code", ["directory-off", "not-found", "bad-request"])
def test_nothing_where_no_directory_is_wanted(agent: FakeAgent, tmp_path: Path, code: str):
    agent.answers[ASKED] = (409, code)
    assert list(load_steps("card", context(tmp_path))) == [load_page("card", context(tmp_path))]


def test_what_the_directory_refuses_is_said(agent: FakeAgent, tmp_path: Path):
    agent.answers[ASKED] = (502, "directory-key-refused")
    (whole,) = load_steps("card", context(tmp_path, "fr"))
    assert texts(whole[1]) == [": La phrase de directory-key-refused."]


def test_one_professional_with_two_cards_is_told_once(agent: FakeAgent, tmp_path: Path):
    agent.answers["GET", "/v1/cards"] = {"cards": [CARD, {**CARD, "number": "99213846"}]}
    (whole,) = load_steps("card", context(tmp_path))
    assert [section.title.startswith("Annuaire") for section in whole] == [False, True, False]


def test_without_a_card(agent: FakeAgent, tmp_path: Path):
    agent.answers["GET", "/v1/cards"] = {"cards": []}
    assert list(load_steps("card", context(tmp_path))) == [load_page("card", context(tmp_path))]
