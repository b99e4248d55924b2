"""The panel's pages as words: what the agent says, in both languages, and nothing that a card or caller could forge."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from screenshots.tray import CARD, CERTIFICATES, GRANTS, JOURNAL, STRUCTURE_CARD, fill
from support.fake_agent import fake_agent, reader, status

from agent.api.app import ROUTES
from agent.api.problems import INTERNAL, whole_table
from agent.client import AgentUnreachableError
from agent.people.panel.access_pages import grant_section, journal_line, outcome_words
from agent.people.panel.card_pages import card_section, certificate_section
from agent.people.panel.help_pages import BAD, GOOD, UNKNOWN, settings_page, unreachable_page
from agent.people.panel.pages import PAGES, load_page, page_title
from agent.people.panel.sections import Context, Deed, Section
from agent.people.plain_text import REPLACEMENT
from agent.people.prompt import ABILITIES
from agent.people.translations import load_words
from agent.settings import Settings

ENGLISH, FRENCH = load_words("en"), load_words("fr")
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def context(folder: Path, language: str = "en") -> Context:
    return Context(load_words(language), language, Settings(folder), NOW)


def texts(section: Section) -> dict[str, str]:
    return {line.name: line.text for line in section.lines}


def everything(sections) -> str:
    parts = [
        part for one in sections for part in (one.title, one.mark or "", *(f"{x.name} {x.text}" for x in one.lines))
    ]
    return "\n".join(parts)


def test_card_of_a_person():
    section = card_section(CARD, ENGLISH)
    assert (section.title, section.mark) == ("Docteur Marie DUPONT", "TEST CARD")
    told = texts(section)
    assert (told["Card"], told["Code"], told["Valid until"]) == ("CPS 99213845", "3 tries left", "2029-11-23")
    assert told["National identifier"] == "899213845021 (RPPS, check digit wrong)"
    assert told["Category"] == "Carte de PS ou de Personnel de Santé de TEST"
    assert "Structure" not in told


def test_card_that_names_nobody_shows_its_structure():
    section = card_section(STRUCTURE_CARD, FRENCH)
    assert (section.title, section.mark) == ("Maison de santé pluriprofessionnelle du Vieux-Port", None)
    assert texts(section)["Structure"].endswith(", FINESS 130012345 (clé de contrôle fausse)")
    assert "bloqué" in texts(section)["Code"]
    assert card_section({}, ENGLISH).title == "Card that names nobody"


SITUATIONS = [
    {
        "number": 1,
        "name": "CABINET",
        "structure": {"id": "1990000010", "kind": "finess", "number": "990000010", "key": "right"},
        "sector": {"code": "SA07", "label": "Cabinet individuel"},
    },
    {
        "number": 16,
        "name": None,
        "structure": {"id": "7X", "kind": "other", "number": "7X", "key": "unknown"},
        "sector": {"code": "SA99", "label": None},
    },
    {"number": 4, "name": "A\nB", "structure": None, "sector": None},
    {"number": 5, "name": None, "structure": None, "sector": None},
]


def test_situations_of_a_card_with_a_button_to_read_them_first():
    (button,) = card_section({**CARD, "situations": None}, FRENCH).buttons
    assert (button.deed, button.target) == (Deed.READ_SITUATIONS, "99213845")
    section = card_section({**CARD, "situations": SITUATIONS}, FRENCH)
    assert section.buttons == ()
    told = texts(section)
    assert told["Situation 1"] == "CABINET, FINESS 990000010 (clé de contrôle juste), Cabinet individuel"
    assert (told["Situation 16"], told["Situation 5"]) == ("7X, SA99", "?")
    assert "\n" not in told["Situation 4"]
    none = card_section({**CARD, "situations": []}, ENGLISH)
    assert (none.buttons, texts(none)["Activity situations"]) == ((), "none on this card")
    assert card_section({**CARD, "situations": None, "pin": None}, FRENCH).buttons == ()


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        (None, "not known just now"), ({"state": "ready", "triesLeft": 1}, "1 try left"),
        ({"state": "ready", "triesLeft": None}, "the card does not tell how many tries are left"),
        ({"state": "session", "triesLeft": 3}, "3 tries left, kept for a while"),
    ],
)  # fmt: skip
def test_code_of_a_card(pin, words):
    assert texts(card_section({**CARD, "pin": pin}, ENGLISH))["Code"] == words


def test_certificates():
    told = ({"state": "valid"}, {"state": "expired", "chain": None})
    good, bad = (certificate_section(CERTIFICATES[0] | one, ENGLISH) for one in told)
    assert good.title == "Certificate to log in"
    assert texts(good)["In the name of"] == "Marie DUPONT 899213845021"
    assert texts(good)["Issued by"] == "TEST AC IGC-SANTE FORT PERSONNES"
    assert (texts(bad)["State"], texts(bad)["Authority"]) == ("expired", "leads to no root known here")


def test_grant_says_who_what_until_when_and_can_be_taken_back():
    site, program = (grant_section(one, ENGLISH) for one in GRANTS)
    assert site.title == "dossier-medical.exemple.fr"
    assert texts(site)["It may"] == "read who you are, log you in, have documents signed"
    assert texts(program)["For how long"] == "until the agent stops"
    (button,) = program.buttons
    assert (button.deed, button.target) == (Deed.REVOKE, "2")
    assert button.question
    assert "logiciel-de-cabinet" in button.question


def test_every_ability_has_words():
    for ability in ABILITIES:
        told = texts(grant_section({**GRANTS[0], "abilities": [ability]}, FRENCH))["Peut"]
        assert told != ability


def test_journal_is_words_and_no_codes():
    line = journal_line(JOURNAL[2], ENGLISH)
    assert line.text == "/usr/bin/cps-agent: check the code: the code was wrong, 2 times"
    assert "xn--dmp-exmple-c4a.fr" in journal_line(JOURNAL[3], FRENCH).text


def test_attack_name_of_a_document_does_not_pass_for_the_outcome():
    entry = {**JOURNAL[0], "caller": "https://x.example", "action": "sign", "outcome": "ok", "count": 1}
    line = journal_line({**entry, "subject": "a.pdf): the code was not given"}, ENGLISH)
    assert line.text == "x.example: sign: done (a.pdf): the code was not given)"


def test_journal_of_states_names_the_reader():
    state = {**JOURNAL[0], "action": "state", "caller": "cps-agent", "subject": "ACS ACR38U", "outcome": "pin-blocked"}
    assert journal_line(state, ENGLISH).text == "ACS ACR38U: Code blocked"
    assert journal_line({**state, "subject": None, "outcome": "no-reader"}, FRENCH).text == "Aucun lecteur de carte"
    assert journal_line({**state, "outcome": "some-new-word"}, ENGLISH).text == "ACS ACR38U: some-new-word"


def test_every_action_of_the_api_has_words():
    for route in ROUTES:
        name = route.kwargs["name"]
        if name != "openapi":
            line = journal_line({**JOURNAL[0], "action": name, "subject": None}, FRENCH)
            assert f": {name}\N{NO-BREAK SPACE}:" not in line.text, name


def test_every_outcome_has_words_and_those_of_a_later_agent_are_shown_as_they_are():
    codes = {problem.code for problem in (INTERNAL, *whole_table().values())}
    assert [code for code in codes if outcome_words(code, FRENCH) in (code, outcome_words(code, ENGLISH))] == []
    assert outcome_words("some-new-code", FRENCH) == "some-new-code"


HOSTILE = "\u202eevil\x1b[31m\n<b>bold</b>"


def test_hostile_text_is_plain_on_every_page():
    person = {"familyName": HOSTILE, "givenName": HOSTILE, "title": HOSTILE, "nationalId": HOSTILE, "rpps": HOSTILE,
              "profession": {"code": HOSTILE, "label": HOSTILE}, "category": {"code": HOSTILE, "label": HOSTILE},
              "identifier": {"kind": HOSTILE, "value": HOSTILE, "key": HOSTILE},
              "structure": dict.fromkeys(("name", "id", "kind", "number", "key"), HOSTILE)}  # fmt: skip
    sections = [
        card_section({**CARD, "holder": person, "reader": HOSTILE, "number": HOSTILE, "kind": HOSTILE}, ENGLISH),
        certificate_section({**CERTIFICATES[0], "subject": f"CN={HOSTILE}", "issuer": HOSTILE, "state": HOSTILE}, ENGLISH),
        grant_section({**GRANTS[1], "caller": HOSTILE, "abilities": [HOSTILE]}, ENGLISH),
        Section("", (journal_line({**JOURNAL[0], "caller": HOSTILE, "action": HOSTILE, "outcome": HOSTILE,
                                   "subject": HOSTILE}, ENGLISH),)),
    ]  # fmt: skip
    for section in sections:
        for text in (section.title, *(line.text for line in section.lines)):
            assert "\u202e" not in text
            assert "\x1b" not in text
            assert "\n" not in text
        assert REPLACEMENT in everything([section])


def test_origins_that_look_alike_are_told_apart():
    section = grant_section({**GRANTS[0], "caller": "https://dmp.\N{CYRILLIC SMALL LETTER IE}xample"}, ENGLISH)
    assert section.title.isascii()
    assert "xn--" in section.title


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_loaded_from_an_agent(tmp_path, page, language):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        sections = load_page(page, context(tmp_path / "data", language))
    assert sections
    assert page_title(page, load_words(language))
    assert not agent.calls  # looking changes nothing


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_something_without_an_agent(tmp_path, page):
    sections = load_page(page, context(tmp_path))
    assert sections
    if page not in ("errands", "settings"):
        assert "does not answer" in everything(sections)


@pytest.mark.parametrize("page", ["card", "certificates", "means", "grants", "journal"])
def test_pages_with_nothing_on_them(tmp_path, page):
    with fake_agent(tmp_path / "data") as agent:
        agent.answers |= {
            ("GET", "/v1/means"): {"bearers": []}, ("GET", "/v1/cards"): {"cards": []}, ("GET", "/v1/certificates"): {"certificates": []},
            ("GET", "/v1/grants"): {"grants": []}, ("GET", "/v1/journal"): {"entries": []},
            ("GET", "/v1/software-certificates"): {"certificates": [], "damaged": [], "pairs": []},
            ("GET", "/v1/certificate-orders"): {"orders": [], "damaged": [], "renewals": []},
        }  # fmt: skip
        section, *others = load_page(page, context(tmp_path / "data"))
    assert section.title
    assert [other.title for other in others] == (["Add a software certificate"] if page == "certificates" else [])


def test_refusal_of_the_agent_is_its_sentence(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        agent.answers["GET", "/v1/cards"] = (423, "card-busy")
        assert load_page("card", context(tmp_path / "data", "fr")) == (Section("La phrase de card-busy."),)


def layers(tmp_path, state="valid", **members) -> dict[str, str]:
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        agent.status = status("card-ready") | members
        agent.answers["GET", "/v1/certificates"] = {"certificates": [CERTIFICATES[0] | {"state": state}]}
        if not members.get("readers", True) or members.get("service") == "stopped":
            agent.answers["GET", "/v1/cards"] = {"cards": []}
        (section,) = load_page("diagnosis", context(tmp_path / "data"))
    return {line.name: line.text[0] for line in reversed(section.lines)}


def test_diagnosis_judges_each_layer(tmp_path):
    well = layers(tmp_path)
    assert well == {"Agent": GOOD, "Smart card service": GOOD, "Reader": GOOD, "Card": GOOD, "Code": GOOD,
                    "Certificate": GOOD}  # fmt: skip
    for state, sign in (("expiring", GOOD), ("unknown", UNKNOWN), ("revoked", BAD), ("expired", BAD)):
        assert layers(tmp_path, state)["Certificate"] == sign
    assert layers(tmp_path, readers=[])["Reader"] == BAD
    works = {"available": True, "tls13": True, "reason": None}
    assert layers(tmp_path, tls=works) == layers(tmp_path, tls=None) == well
    assert layers(tmp_path, tls=works | {"available": False, "tls13": False})["Health services"] == BAD
    assert layers(tmp_path, readers=[reader("not-cps")])["Reader"] == BAD


def test_diagnosis_does_not_judge_what_stands_on_a_broken_layer(tmp_path):
    stopped = layers(tmp_path, service="stopped")
    assert stopped == {"Agent": GOOD, "Smart card service": BAD, "Readers": UNKNOWN, "Card": UNKNOWN,
                       "Certificates": UNKNOWN}  # fmt: skip
    (section,) = unreachable_page(AgentUnreachableError("x"), context(tmp_path))
    assert section.lines[0].text[0] == BAD
    assert {line.text[0] for line in section.lines[2:]} == {UNKNOWN}


def test_settings_name_their_files(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    told = everything(settings_page(context(tmp_path)))
    assert str(tmp_path / "cps-agent" / "settings.toml") in told
    assert "/etc/cps-agent/policy.toml" in told
    assert "card_access auto" in told
