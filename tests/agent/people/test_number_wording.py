"""The number that a person compares with the one on a phone: in words, at the desk, on its way to the window."""

from __future__ import annotations

import asyncio
from gettext import NullTranslations

import pytest
from people_values import NUMBER, PROGRAM, login_from
from support.agent import Person

from agent.people.desk import DENIAL_S, Desk
from agent.people.prompt import Asker, Notice, NoticeKind, NumberSummary, PromptRefusedError
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page

SIGN = login_from("https://dmp.example")
NOTICE = NUMBER


def test_the_number_stands_where_it_is_read_first():
    page = write_page(NOTICE, NullTranslations())
    assert page.heading == "Compare this number with the one on your phone: 07"
    assert [(fact.label, fact.text) for fact in page.facts] == [
        ("Program asking", "/opt/cabinet/bin/cabinet"),
        ("Log in to", "Pro Santé Connect"),
        ("As", "899700002712"),
    ]
    assert (page.accept, page.fields, page.refuse) == (None, (), "Hide")


def test_with_a_card_no_phone_is_spoken_of():
    by_card = Notice(NoticeKind.COMPARE_NUMBER, login=NumberSummary("42", PROGRAM, "PSC", "8", on_phone=False))
    assert write_page(by_card, NullTranslations()).heading == "Compare this number with the one that PSC shows: 42"


def test_attack_names_that_would_pass_for_the_number():
    hostile = NumberSummary("42", Asker("/opt/\u202e99\n", None), "{number}\n: 99\u202e", "8" * 500)
    page = write_page(Notice(NoticeKind.COMPARE_NUMBER, login=hostile), NullTranslations())
    assert page.heading.endswith(": 42")
    assert all("\n" not in text and "\u202e" not in text for fact in page.facts for text in (fact.text, page.heading))


def test_it_travels_to_the_window():
    assert read_envelope(write_envelope(Envelope(NOTICE, "fr"))) == Envelope(NOTICE, "fr")


async def test_it_is_shown_beside_a_question_and_holds_up_none():
    shown = asyncio.Event()

    class Slow(Person):
        async def inform(self, message):
            self.told.append(message)
            await shown.wait()

    person = Slow()
    desk = Desk(person)
    telling = [asyncio.create_task(desk.inform(NOTICE)) for _ in range(2)]
    await asyncio.sleep(0)
    assert person.told == [NOTICE, NOTICE]
    (await desk.ask_pin(SIGN)).wipe()
    assert person.asked == [SIGN]
    shown.set()
    await asyncio.gather(*telling)


async def test_attack_a_no_on_the_phone_stands_for_a_while():
    now = [0.0]
    desk = Desk(Person(), clock=lambda: now[0])
    desk.heed_refusal(PROGRAM, "log in to PSC")
    desk.note_refusal(PROGRAM, "log in to PSC")
    with pytest.raises(PromptRefusedError):
        desk.heed_refusal(PROGRAM, "log in to PSC")
    desk.heed_refusal(PROGRAM, "log in elsewhere")
    desk.heed_refusal(Asker("/opt/other"), "log in to PSC")
    now[0] += DENIAL_S
    desk.heed_refusal(PROGRAM, "log in to PSC")
