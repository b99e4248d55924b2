"""The page "whom to turn to": everything under its heading, by audience, one errand alone; data that are an attack."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from screenshots.tray import fill
from support.fake_agent import fake_agent

from agent.people.errands.errands import AUDIENCES, GROUPS, OWN_FILE, Errands, load_errands
from agent.people.panel.errand_pages import errand_sections, errands_target
from agent.people.panel.pages import load_page
from agent.people.panel.sections import Context, Deed, Section
from agent.people.translations import load_words
from agent.settings import Settings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OWN = load_errands(())


def context(folder: Path, language: str = "en", view: str = "") -> Context:
    return Context(load_words(language), language, Settings(folder), NOW, view)


def show(errands: Errands, folder: Path, language: str = "en", view: str = "") -> tuple[Section, ...]:
    return errand_sections(errands, None, "", context(folder, language, view))


def everything(sections) -> str:
    lines = [f"{line.name} {line.text}" for section in sections for line in section.lines]
    labels = [button.label for section in sections for button in section.buttons]
    return "\n".join([*(section.title for section in sections), *lines, *labels])


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_errand_is_on_the_page(tmp_path, language):
    told = everything(show(OWN, tmp_path, language))
    assert [one.id for one in OWN.errands if one.name.text(language) not in told] == []
    assert [one.id for one in OWN.errands if one.text.text(language) not in told] == []


def test_headings_stand_in_order_and_none_is_empty(tmp_path):
    sections = show(OWN, tmp_path)
    titles = [section.title for section in sections]
    assert titles[:3] == ["For whom", "My card is lost", "My card is stolen"]
    assert titles[-7:] == ["e-CPS and digital identity", "My staff", "Software certificates", "Registration",
                           "Who registers you", "Directory and mail (MSSanté)", "Forms, portals, security"]  # fmt: skip
    assert all(section.lines for section in sections[1:])
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_one_audience_sees_its_own(tmp_path, audience):
    sections = show(OWN, tmp_path, view=audience)
    told = everything(sections[1:])
    for errand in OWN.errands:
        assert (errand.text.en in told) == (errand.audience == audience), errand.id
    (shown,) = [button for button in sections[0].buttons if not button.enabled]
    assert shown.target == f"errands#{audience}"


def test_choosing_an_audience_leads_to_a_view_and_back(tmp_path):
    targets = [(button.deed, button.target) for button in show(OWN, tmp_path)[0].buttons]
    assert targets == [(Deed.SHOW, target) for target in ("errands", *(f"errands#{name}" for name in AUDIENCES))]


@pytest.mark.parametrize("errand", OWN.errands, ids=lambda errand: errand.id)
def test_one_errand_alone(tmp_path, errand):
    assert errands_target([errand.id]) == f"errands#{errand.id}"
    section, register = show(OWN, tmp_path, view=errand.id)
    assert section.title == errand.name.en
    assert section.mark == (None if errand.checked else "TO BE CHECKED")
    assert [button.target for button in section.buttons] == ([errand.url] if errand.url else [])
    assert (register.buttons[-1].deed, register.buttons[-1].target) == (Deed.SHOW, "errands")


def test_several_errands_in_the_order_in_which_they_are_named(tmp_path):
    _, _, view = errands_target(["e-cps-activate", "no such errand", "card-renewal"]).partition("#")
    sections = show(OWN, tmp_path, view=view)
    assert [section.title for section in sections[:2]] == [
        "Activate and use the e-CPS",
        "Card expired, or soon to expire",
    ]
    assert len(sections) == 3


def test_a_view_that_nobody_knows_shows_everything(tmp_path):
    assert show(OWN, tmp_path, view="no such errand") == show(OWN, tmp_path)


def test_the_authority_is_that_of_the_holders_profession(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        sections = load_page("errands", context(tmp_path / "data"))
    (registers,) = [section for section in sections if section.title == "Who registers you"]
    assert {line.name: line.text for line in registers.lines}["Authority"] == "the Ordre of your profession"
    nobody = load_page("errands", context(tmp_path / "elsewhere"))
    assert "Ordre" in everything(nobody)
    assert "ARS" in everything(nobody)


def test_what_is_to_be_checked_is_marked_and_the_code_is_named(tmp_path):
    lost = everything(show(OWN, tmp_path)[1:2])
    assert "0 825 852 000 (to be checked)" in lost
    assert "the unblocking code (8 digits)" in lost
    pages = [button for section in show(OWN, tmp_path) for button in section.buttons if button.deed is Deed.BROWSE]
    assert pages
    assert all(button.target.startswith("https://") for button in pages)


def test_errands_and_headings_of_a_correction_are_shown(tmp_path):
    path = tmp_path / "errands.toml"
    path.write_text(
        '[[errand]]\nid = "it"\nsituation = "no-network"\ngroup = "our hospital"\nfr = "Le service informatique"\n'
        '[[errand]]\nid = "desk"\nsituation = "lost"\nfr = "Le guichet des cartes"\n'
        '[[errand]]\nid = "other"\nsituation = "card-dirty"\nfr = "Nettoyer la carte"\n'
    )
    sections = show(load_errands((path,)), tmp_path, "fr")
    assert sections[-1].title == "our hospital"
    assert "Le guichet des cartes" in everything(sections[1:2])
    assert "Nettoyer la carte" in everything([one for one in sections if one.title == "Ma carte"])
    assert everything(show(load_errands((path,)), tmp_path, "fr", "it")).startswith("Le service informatique")


def test_failures_are_told(tmp_path):
    damaged = show(Errands((), (), ("/etc/cps-agent/errands.toml: bad",)), tmp_path)
    assert "/etc/cps-agent/errands.toml" in everything(damaged[-1:])


HOSTILE = "\u202eevil\x1b[31m\n<b>bold</b>\u2066" + "W" * 5000


@pytest.mark.parametrize(
    "member", ["id", "situation", "group", "audience", "fr", "en", "text_fr", "text_en", "code", "url"]
)
def test_attack_hostile_text_of_a_correction_is_plain_and_short(tmp_path, member):
    entry = {"id": "x", "situation": "lost", "fr": "Perdue", "en": "Lost"} | {member: HOSTILE}
    path = tmp_path / "errands.toml"
    path.write_text("[[errand]]\n" + "\n".join(f"{name} = {quote(value)}" for name, value in entry.items()))
    errands = load_errands((path,))
    assert errands.failures == ()
    for language in ("fr", "en"):
        sections = (*show(errands, tmp_path, language), *show(errands, tmp_path, language, errands.errands[-1].id))
        for text in everything(sections).split("\n"):
            assert not [char for char in text if unicodedata.category(char)[0] == "C"]
            assert len(text) < 700
        assert all(button.target.startswith(("https://", "errands")) for one in sections for button in one.buttons)


def quote(text: str) -> str:
    escaped = "".join(f"\\u{ord(char):04x}" if ord(char) > 126 or ord(char) < 32 else char for char in text)
    return f'"{escaped}"'


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "http://esante.gouv.fr/", "https://esante.gouv.fr@evil.example/"],
)
def test_attack_page_that_no_browser_is_sent_to_has_no_button(tmp_path, url):
    path = tmp_path / "errands.toml"
    path.write_text(f'[[errand]]\nid = "telephone"\nsituation = "lost"\nfr = "x"\nurl = "{url}"\n'
                    f'[[authority]]\nid = "ordre"\nfr = "Ordre"\nurl = "{url}"\nprofessions = ["10"]\n')  # fmt: skip
    errands = load_errands((path,))
    pages = errand_sections(errands, errands.find_authority("10", None), "", context(tmp_path))
    assert url not in [button.target for section in pages for button in section.buttons]


def test_every_heading_of_our_data_is_known():
    assert {errand.group for errand in OWN.errands} == set(GROUPS)
    assert {errand.audience for errand in OWN.errands} == set(AUDIENCES)
    assert OWN_FILE.read_text("utf-8").count("[[errand]]\n") == len(OWN.errands)
