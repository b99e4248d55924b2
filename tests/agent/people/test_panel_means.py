"""The page "means of identification": what the agent tells, in both languages, and the way to what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from screenshots.tray import BEARERS, CARD_MEANS, E_CPS, fill
from support.fake_agent import fake_agent
from support.schemas import list_misfits

from agent.api.answers import ANSWERS, COMPONENTS
from agent.certificates.means import Verdict
from agent.people.errands.errands import Errands, load_errands
from agent.people.panel.means_pages import bearer_section, lack_words, means_words, verdict_words
from agent.people.panel.pages import load_page
from agent.people.panel.sections import Context, Deed
from agent.people.plain_text import REPLACEMENT
from agent.people.translations import load_words
from agent.settings import Settings

ENGLISH, FRENCH = load_words("en"), load_words("fr")
OWN = load_errands(())
STATES = ("valid", "expiring", "expired", "not-yet-valid", "revoked", "unknown")


def context(folder: Path, language: str = "en") -> Context:
    return Context(load_words(language), language, Settings(folder), datetime(2026, 11, 25, 12, tzinfo=UTC))


def test_the_pictures_show_what_the_api_describes():
    assert list_misfits({"bearers": BEARERS}, ANSWERS["list-means"], COMPONENTS) == []


def test_person_with_a_card_in_the_reader(tmp_path):
    section = bearer_section(BEARERS[0], OWN, context(tmp_path))
    assert (section.title, section.mark, section.buttons) == ("Docteur Marie DUPONT", "TEST", ())
    assert {line.name: line.text for line in section.lines} == {
        "All in all": "✓ has a valid means of identification",
        "RPPS number": "99213845021",
        "CPS 99213845": "✓ valid, until 2029-11-23, Médecin, in a reader now",
        "e-CPS": "? not known: not used here yet",
    }


def test_what_is_missing_leads_to_its_errand(tmp_path):
    section = bearer_section(BEARERS[1], OWN, context(tmp_path, "fr"))
    assert [line.text for line in section.lines if line.name == "Manque"] == [
        "une carte valable (a expiré)", "ou une e-CPS (pas utilisée ici récemment)"]  # fmt: skip
    (button,) = section.buttons
    assert (button.deed, button.target) == (Deed.SHOW, "errands#card-renewal,e-cps-activate")
    assert (
        section.lines[0].text
        == "? aucune carte valable n\N{RIGHT SINGLE QUOTATION MARK}est connue ici\N{NO-BREAK SPACE}; on ignore s\N{RIGHT SINGLE QUOTATION MARK}il y a une e-CPS"
    )


def test_structure_with_half_a_pair(tmp_path):
    section = bearer_section(BEARERS[2], OWN, context(tmp_path))
    told = {line.name: line.text for line in section.lines}
    assert told["Certificate AUTH_CLI"] == "✓ expires soon, until 2026-12-20"
    assert told["Missing"] == "a certificate to sign (SIGN) (none on this workstation)"
    assert [button.target for button in section.buttons] == ["errands#certificate-order,certificate-renewal"]


def test_errand_that_a_correction_took_away_has_no_button(tmp_path):
    assert bearer_section(BEARERS[1], Errands((), ()), context(tmp_path)).buttons == ()


@pytest.mark.parametrize("kind", ["card", "e-cps"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_has_words(kind, state):
    means = {**(CARD_MEANS if kind == "card" else E_CPS), "state": state}
    assert means_words(means, FRENCH).split(",")[0] != means_words(means, ENGLISH).split(",")[0]


@pytest.mark.parametrize("kind", ["person", "structure"])
@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_words(kind, verdict):
    bearer = {"kind": kind, "verdict": str(verdict)}
    assert verdict_words(bearer, FRENCH) != verdict_words(bearer, ENGLISH)


@pytest.mark.parametrize("what", ["card", "e-cps", "AUTH_CLI", "SIGN"])
@pytest.mark.parametrize("reason", ["expired", "revoked", "not-yet-valid", "not-seen-here", "unknown"])
def test_every_lack_has_words(what, reason):
    french, english = (lack_words({"what": what, "reason": reason}, words) for words in (FRENCH, ENGLISH))
    assert french != english
    assert reason not in french
    assert french.split(" (")[0] != english.split(" (")[0]


def test_words_of_a_later_agent_and_hostile_names_are_shown_as_they_are(tmp_path):
    bad = "\u202eevil\x1b[31m\n"
    means = dict.fromkeys(CARD_MEANS, bad) | {
        "kind": "card",
        "roles": [bad],
        "profession": {"code": bad, "label": None},
    }
    bearer = {"id": bad, "name": bad, "rpps": bad, "kind": bad, "verdict": bad, "means": [means, {**means, "kind": bad}],
              "missing": [{"what": bad, "reason": bad, "errand": bad}], "test": False}  # fmt: skip
    section = bearer_section(bearer, OWN, context(tmp_path))
    for text in (section.title, *(line.text for line in section.lines), *(line.name for line in section.lines)):
        assert text.isprintable(), text
    assert REPLACEMENT in section.title
    assert bearer_section({}, OWN, context(tmp_path)).buttons == ()


def test_page_is_loaded(tmp_path):
    with fake_agent(tmp_path / "data") as agent:
        fill(agent)
        assert len(load_page("means", context(tmp_path / "data"))) == len(BEARERS)
        agent.answers["GET", "/v1/means"] = {"bearers": []}
        (nobody,) = load_page("means", context(tmp_path / "data"))
    assert "Nobody's card" in nobody.title


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"state": "revoked", "stateSince": "2026-11-20T12:00:00Z", "stateReason": "key-compromise"},
         "✗ has been revoked (its key was exposed), on 2026-11-20, Médecin, in a reader now"),
        ({"state": "revoked", "stateReason": "unspecified"}, "✗ has been revoked, Médecin, in a reader now"),
        ({"state": "unknown", "stateReason": "offline"},
         "? valid by its dates, no more is known (its authority could not be reached), until 2029-11-23, Médecin, in a reader now"),
        ({"state": "expired"}, "✗ has expired, on 2029-11-23, Médecin, in a reader now"),
        ({"state": "valid", "stateReason": "off"}, "✓ valid, until 2029-11-23, Médecin, in a reader now"),
    ],
)  # fmt: skip
def test_why_and_since_when(members, words):
    assert means_words({**CARD_MEANS, **members}, ENGLISH) == words
