"""From the agent's JSON to tooltip and menu, without a desktop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from support.fake_agent import reader, status

from agent.cards import conditions
from agent.people.plain_text import REPLACEMENT
from agent.people.translations import load_words
from agent.people.tray.menu import PAGES, RULE, Choice, build_menu
from agent.people.tray.state import NO_AGENT, Condition, Desk, parse_desk
from agent.people.tray.wording import MAX_TOOLTIP, condition_words, tooltip

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ENGLISH, FRENCH = load_words("en"), load_words("fr")


def session(minutes=12.0, uses=5, **members):
    ends = (NOW + timedelta(minutes=minutes)).isoformat()
    return {"id": "s", "caller": "https://dmp.example", "kind": "page", "cardNumber": "99213845", "endsAt": ends,
            "usesLeft": uses, **members}  # fmt: skip


def entries(desk: Desk, words=ENGLISH):
    return {entry.choice: entry for entry in build_menu(desk, words, NOW) if entry.choice}


@pytest.mark.parametrize("condition", [c for c in Condition if c is not Condition.NO_AGENT])
def test_conditions_are_read_and_have_words_in_both_languages(condition):
    desk = parse_desk(status(str(condition)))
    assert desk.condition is condition
    assert condition_words(condition, ENGLISH) != condition_words(condition, FRENCH)


def test_older_agent_without_conditions():
    states = {"empty": Condition.NO_CARD, "reading": Condition.READING, "ready": Condition.CARD_READY}
    for state, condition in states.items():
        shown = {"service": "running", "readers": [{"name": "R", "state": state, "cardNumber": None, "trouble": None}]}
        assert parse_desk(shown).condition is condition
    assert parse_desk({"service": "running", "readers": []}).condition is Condition.NO_READER
    wrong = {"name": "R", "state": "trouble", "trouble": {"code": "card-unknown", "detail": "", "detailFr": ""}}
    assert parse_desk({"readers": [wrong]}).condition is Condition.NOT_CPS


def test_stopped_service_is_trouble_whatever_the_readers_say():
    desk = parse_desk(status("card-ready", service="stopped"))
    assert (desk.condition, desk.service_stopped) == (Condition.TROUBLE, True)


@pytest.mark.parametrize(
    "strange",
    [
        {}, {"condition": "party", "readers": None, "sessions": None}, {"readers": [{}]},
        {"readers": [{"condition": 7, "expiresAt": "soon", "pin": None}], "sessions": [{}]},
        status("card-ready", *[reader()] * 100),
    ],
)  # fmt: skip
def test_strange_answers_are_never_a_card_that_works_nor_an_error(strange):
    desk = parse_desk(strange)
    assert len(desk.readers) <= 16
    assert tooltip(desk, FRENCH, NOW)
    assert build_menu(desk, FRENCH, NOW)
    if strange.get("condition") != "card-ready":
        assert desk.condition is not Condition.CARD_READY


def test_tooltip_names_condition_holder_reader():
    desk = parse_desk(status("card-ready"))
    assert tooltip(desk, ENGLISH, NOW) == "Card ready\nDocteur Marie DUPONT\nReader: ACS ACR38U"
    assert tooltip(desk, FRENCH, NOW).startswith("Carte prête\n")


def test_tooltip_names_the_reader_that_the_condition_is_about():
    desk = parse_desk(status("pin-blocked", reader("no-card", name="A"), reader("pin-blocked", name="B")))
    assert "Reader: B" in tooltip(desk, ENGLISH, NOW)


def test_tooltip_counts_down():
    desk = parse_desk(status("pin-session", sessions=[session(11.2)]))
    assert "Code kept: 12 more minutes, 5 uses" in tooltip(desk, ENGLISH, NOW)
    later = tooltip(desk, ENGLISH, NOW + timedelta(minutes=11))
    assert "Code kept: 1 more minute, 5 uses" in later
    assert "Code kept: 0 more minutes" in tooltip(desk, ENGLISH, NOW + timedelta(hours=1))


def test_several_sessions_are_told_as_one():
    desk = parse_desk(status("pin-session", sessions=[session(3, 2), session(9, 1)]))
    assert "9 more minutes, 3 uses" in tooltip(desk, ENGLISH, NOW)
    unlimited = parse_desk(status("pin-session", sessions=[session(3, None)]))
    assert tooltip(unlimited, ENGLISH, NOW).endswith("3 more minutes")


def test_tries_and_dates_are_told():
    low = parse_desk(status("tries-low", reader("tries-low", pin={"state": "ready", "triesLeft": 1})))
    assert tooltip(low, ENGLISH, NOW).startswith("Code of the card: 1 try left")
    expiring = parse_desk(status("expiring", reader("expiring", expiresAt="2026-12-10T00:00:00Z")))
    assert tooltip(expiring, FRENCH, NOW).startswith("Carte valable jusqu\N{RIGHT SINGLE QUOTATION MARK}au 10/12/2026")


def test_hostile_names_are_plain_and_short():
    bad = "\u202eTNOPUD\n<b>x</b>" + "W" * 500
    desk = parse_desk(status("card-ready", reader(holderName=bad, name=bad)))
    text = tooltip(desk, ENGLISH, NOW)
    assert len(text) <= MAX_TOOLTIP
    assert REPLACEMENT in text
    assert all("\n" not in entry.label for entry in build_menu(desk, ENGLISH, NOW))


def test_menu_has_every_choice():
    chosen = set(entries(parse_desk(status("card-ready")).with_denials(2)))
    assert chosen == set(Choice) - {Choice.START_AGENT}
    assert set(PAGES) < chosen


def test_menu_follows_what_is_there():
    ready = entries(parse_desk(status("card-ready")))
    assert ready[Choice.ENTER_PIN].enabled
    assert not ready[Choice.LOCK].enabled
    assert Choice.ALLOW_QUESTIONS not in ready
    assert not entries(parse_desk(status("no-card")))[Choice.ENTER_PIN].enabled
    blocked = entries(parse_desk(status("pin-blocked")))
    assert (blocked[Choice.ENTER_PIN].enabled, blocked[Choice.UNBLOCK].enabled) == (False, True)


def test_menu_tells_what_locking_ends():
    lock = entries(parse_desk(status("pin-session", sessions=[session()])))[Choice.LOCK]
    assert lock.enabled
    assert lock.label == "Forget the code now (12 more minutes, 5 uses)"


def test_menu_without_an_agent_offers_to_start_it_and_help():
    menu = entries(NO_AGENT)
    working = {choice for choice, entry in menu.items() if entry.enabled}
    assert working == {Choice.START_AGENT, Choice.DIAGNOSIS, Choice.ERRANDS, Choice.SETTINGS, Choice.QUIT}


def test_no_two_rules_follow_each_other():
    for desk in (NO_AGENT, parse_desk(status("card-ready"))):
        menu = build_menu(desk, ENGLISH, NOW)
        assert all(not (one == RULE == other) for one, other in pairwise(menu))


def test_menus_have_no_english_left_in_french():
    desk = parse_desk(status("pin-session", sessions=[session()])).with_denials(1)
    pairs = zip(build_menu(desk, ENGLISH, NOW), build_menu(desk, FRENCH, NOW), strict=True)
    same = {one.label for one, other in pairs if one.label and one.label == other.label}
    assert same == {"Docteur Marie DUPONT", "Journal"}


def test_conditions_are_those_of_the_api_and_the_missing_agent():
    """The tray imports no part of the agent, so it has a list of its own."""
    assert set(Condition) == {*conditions.Condition, Condition.NO_AGENT}
