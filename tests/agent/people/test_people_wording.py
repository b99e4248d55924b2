"""What a page says, and that outside text stays inside its own line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from people_values import CARD, CHANGE, CONSENT, LOGIN, PAGE, PROGRAM, UNBLOCK

from agent.people.prompt import ABILITIES, Action, Asker, ConfirmRequest, Notice, PinKind, PinRequest
from agent.people.translations import load_words
from agent.people.wording import Fact, write_page

WORDS = load_words("en")


def facts(question):
    return {fact.label: fact for fact in write_page(question, WORDS).facts}


def test_login_page_names_everyone():
    page = write_page(LOGIN, WORDS)
    assert page.facts == (
        Fact("Site asking", "dmp.example"),
        Fact("Through", "/usr/lib/firefox-esr/firefox"),
        Fact("Log you in to", "dmp.example"),
        Fact("Card holder", "DUPONT Marie"),
        Fact("Card number", "99213845"),
    )
    assert (page.mark, page.tries, page.last_try, page.session) == ("TEST CARD", "3 tries left.", None, None)
    assert [(field.min_length, field.max_length) for field in page.fields] == [(4, 8)]


def test_real_card_bears_no_mark():
    assert write_page(replace(LOGIN, card=replace(CARD, test=False)), WORDS).mark is None


def test_last_try_needs_a_tick():
    assert "blocks the card" in (write_page(replace(LOGIN, tries_left=1), WORDS).last_try or "")
    assert "for good" in (write_page(replace(UNBLOCK, tries_left=1), WORDS).last_try or "")


def test_blocked_code_is_not_asked_for():
    with pytest.raises(ValueError, match="blocked"):
        replace(LOGIN, tries_left=0)


def test_program_that_logs_in_for_a_site_is_shown_as_such():
    request = PinRequest(PinKind.USE, PROGRAM, Action.AUTHENTICATE, CARD, on_behalf_of="https://dm\u0440.example")
    page = write_page(request, WORDS)
    assert page.heading == "A program wants to log in to a site as you"
    assert Fact("Log in as you to", "xn--dm-mmc.example") in page.facts


@pytest.mark.parametrize(
    ("given", "count", "last"), [(3, None, "2.pdf"), (3, 10, "and 7 others"), (1, 2, "and 1 other")]
)
def test_documents_are_counted_and_named(given, count, last):
    names = tuple(f"{n}.pdf" for n in range(given))
    request = PinRequest(PinKind.USE, PAGE, Action.SIGN, CARD, names, subject_count=count, format="CAdES")
    fact = facts(request)["To sign"]
    assert fact.text == f"{count or given} documents"
    assert fact.items[-1] == last
    assert facts(request)["Format"].text == "CAdES"


def test_change_and_unblock_ask_for_the_new_code_twice():
    assert [field.label for field in write_page(CHANGE, WORDS).fields] == ["Current code", "New code", "New code again"]
    assert write_page(UNBLOCK, WORDS).fields[0].min_length == 8


@pytest.mark.parametrize("digits", [b"", b"123", b"123456789", b"12a4", "١٢٣٤".encode(), b"1234\n"])
def test_field_refuses_what_is_no_code(digits):
    assert not write_page(LOGIN, WORDS).fields[0].accepts(digits)


def test_hostile_text_stays_on_its_line():
    asker = Asker("https://dmp.example\n", "/tmp/\u202ex", is_page=True)
    request = replace(LOGIN, asker=asker, card=replace(CARD, holder="A\nTries: 9"))
    for fact in write_page(request, WORDS).facts:
        assert fact.text.isprintable()


def test_session_is_offered_in_plain_words():
    assert "15 minutes" in (write_page(replace(LOGIN, session_minutes=15), WORDS).session or "")
    assert write_page(replace(CHANGE, session_minutes=15), WORDS).session is None


def test_consent_says_each_ability_and_for_how_long():
    page = write_page(ConfirmRequest(PAGE, ABILITIES, datetime(2027, 1, 2, 12, tzinfo=UTC)), WORDS)
    assert len(set(page.facts[2].items)) == len(ABILITIES)
    assert page.facts[3].text.startswith("until 2027-01-0")
    assert facts(replace(CONSENT, remembered=False))["For how long"].text == "this time only"
    assert "take it back" in facts(CONSENT)["For how long"].text


def test_unknown_ability_is_refused():
    with pytest.raises(ValueError, match="unknown"):
        ConfirmRequest(PAGE, ("everything",))


def test_notice_can_only_be_closed():
    page = write_page(Notice("Carte bloquée", "Trois codes faux."), WORDS)
    assert (page.accept, page.refuse, page.fields) == (None, "Close", ())
