"""What a page says, and that outside text stays inside its own line."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from people_values import CARD, CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, ON_READER, PAD, PAGE, PROGRAM, UNBLOCK

from agent.people.facts import write_size
from agent.people.page import Choice, Fact
from agent.people.prompt import ABILITIES, Action, Asker, CertificateSummary, ConfirmRequest, PinKind, PinRequest
from agent.people.translations import load_words
from agent.people.wording import write_page

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
        Fact("Card", "CPS no. 99213845"),
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


def test_sizes_stand_beside_the_names_and_their_total_above():
    request = PinRequest(
        PinKind.USE, PAGE, Action.SIGN, CARD, ("a.pdf (1 byte)", "b.pdf", "c.pdf"), sizes=(999, 184_320, 1_342_177)
    )
    fact = facts(request)["To sign"]
    assert fact.text == "3 documents, 1.5 MB in all"
    assert fact.rows == (("a.pdf (1 byte)", "999 bytes"), ("b.pdf", "184 kB"), ("c.pdf", "1.3 MB"))
    french = write_page(request, load_words("fr")).facts[2]
    assert (french.text, french.details[2]) == ("3\u00a0documents, 1,5\u00a0Mo au total", "1,3\u00a0Mo")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (10**10, "10000.0 MB"),
    ],
)
def test_sizes_are_rounded_as_file_managers_do(size, text):
    assert write_size(size, WORDS) == text


def test_total_is_told_only_when_every_size_is_known():
    request = PinRequest(PinKind.USE, PAGE, Action.SIGN, CARD, ("a", "b"), sizes=(1,))
    assert facts(request)["To sign"].text == "2 documents"
    assert facts(request)["To sign"].rows == (("a", "1 byte"), ("b", ""))


def test_a_thousand_documents_are_all_named():
    names = tuple(f"{n}.pdf" for n in range(1000))
    fact = facts(PinRequest(PinKind.USE, PAGE, Action.SIGN, CARD, names, sizes=(1000,) * 1000))["To sign"]
    assert (fact.text, fact.items) == ("1000 documents, 1.0 MB in all", names)


def test_the_certificate_that_signs_is_told():
    certificate = CertificateSummary("AC\nIGC-SANTE", datetime(2028, 6, 30, 12, tzinfo=UTC))
    shown = facts(PinRequest(PinKind.USE, PAGE, Action.SIGN, CARD, ("a",), certificate=certificate))
    assert shown["Certificate issued by"].text == "AC IGC-SANTE"
    assert shown["Valid until"].text == "2028-06-30"


def test_a_card_of_the_family_shows_its_kind_and_its_reader():
    shown = facts(replace(LOGIN, card=CHOICE.cards[1]))
    assert shown["Card"].text == "CPE no. 2000114459"
    assert shown["Card holder"].text == "CENTRE HOSPITALIER"
    assert shown["Reader"].text == "SCM SCR 3310 00 00"


def test_a_choice_tells_the_cards_apart():
    page = write_page(CHOICE, WORDS)
    assert page.choices == (
        Choice("DUPONT Marie [TEST CARD]", "CPS no. 99213845"),
        Choice("CENTRE HOSPITALIER", "CPE no. 2000114459, reader: SCM SCR 3310 00 00"),
        Choice("CENTRE HOSPITALIER", "CPE no. 0077120033, reader: SCM SCR 3310 00 00"),
    )
    assert (page.accept, page.refuse, page.fields) == ("Use this card", "Refuse", ())


@pytest.mark.parametrize("kind", list(PinKind))
def test_a_pad_is_said_to_be_kept_while_the_code_is_typed_there(kind):
    request = replace(PAD, kind=kind, tries_left=1, session_minutes=15)
    page = write_page(request, WORDS)
    assert (page.fields, page.session, page.accept) == ((), None, "Continue on the reader")
    assert page.advice.endswith("on the reader's keys. Other programs wait for the reader while you type.") or (
        "never on this computer" in page.advice
    )
    assert page.last_try
    assert page.tries == "1 try left."


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
    assert "for 15 minutes, for" in (write_page(replace(LOGIN, session_minutes=15), WORDS).session or "")
    both = replace(LOGIN, session_minutes=15, session_uses=20)
    assert "15 minutes and 20 uses at most" in (write_page(both, WORDS).session or "")
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


@pytest.mark.parametrize("notice", [NO_TRAY, ON_READER])
def test_notice_can_only_be_closed(notice):
    page = write_page(notice, WORDS)
    assert (page.accept, page.fields, page.last_try) == (None, (), None)
    assert page.advice


def test_what_to_do_on_the_reader_is_told_with_card_and_tries():
    page = write_page(ON_READER, WORDS)
    assert page.heading == "Type your code on the reader"
    assert "cancel key" in page.advice
    assert (page.mark, page.tries, page.facts[0].text) == ("TEST CARD", "3 tries left.", "DUPONT Marie")
    assert write_page(replace(ON_READER, card=None, tries_left=None), WORDS).facts == ()
