"""What a person reads when a program uses a key by PKCS#11."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people_values import CARD

from agent.people.prompt import Action, Asker, ConfirmRequest, Notice, NoticeKind, PinKind, PinRequest
from agent.people.translations import load_words
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page

WORDS = load_words("en")
FIREFOX = Asker("/usr/lib/firefox-esr/firefox-esr", "PKCS#11", owner="marie")
LOGIN = PinRequest(
    PinKind.USE, FIREFOX, Action.USE_AUTHENTICATION_KEY, CARD, ("CPS_PRIV_AUT",), key="CPS_PRIV_AUT", for_login=True
)
SIGNATURE = replace(LOGIN, action=Action.USE_SIGNATURE_KEY, key="CPS_PRIV_SIG", for_login=False)
CONSENT = ConfirmRequest(FIREFOX, (Action.USE_SIGNATURE_KEY,), card=CARD, key="CPS_PRIV_SIG")
PULLED = Notice(NoticeKind.CARD_PULLED, CARD, program=FIREFOX.caller)


def facts(question):
    return {fact.label: fact.text for fact in write_page(question, WORDS).facts}


def test_program_owner_key_and_purpose_are_named():
    told = facts(LOGIN)
    assert told["Program asking"] == "/usr/lib/firefox-esr/firefox-esr"
    assert (told["Through"], told["Run by"]) == ("PKCS#11", "marie")
    assert told["Key"] == "authentication key (CPS_PRIV_AUT)"
    assert "TLS" in told["Purpose"]
    assert told["Card"] == "CPS no. 99213845"
    assert "log in as you" in write_page(LOGIN, WORDS).heading


@pytest.mark.parametrize("question", [LOGIN, SIGNATURE, replace(LOGIN, for_login=False)])
def test_it_may_sign_anything(question):
    assert "sign anything" in facts(question)["Purpose"]
    assert "cannot see" in facts(question)["Purpose"]


@pytest.mark.parametrize("action", [Action.USE_AUTHENTICATION_KEY, Action.USE_SIGNATURE_KEY])
def test_consent_names_the_key_and_says_how_far_it_goes(action):
    page = write_page(replace(CONSENT, abilities=(action,)), WORDS)
    told = {fact.label: fact for fact in page.facts}
    assert "sign anything" in told["It could"].items[0]
    assert "CPS_PRIV_SIG" in told["Key"].text
    assert told["Card holder"].text == "DUPONT Marie"
    assert page.mark == "TEST CARD"


def test_the_signatures_of_one_question_are_counted():
    assert facts(replace(LOGIN, subjects=("CPS_PRIV_AUT",) * 12))["To make"] == "12 signatures"


def test_private_data_is_named():
    question = replace(LOGIN, action=Action.READ_PRIVATE_DATA, key="CPS_ACTIVITY_01_PS", for_login=False)
    assert facts(question)["To read"] == "CPS_ACTIVITY_01_PS"


def test_a_pulled_card_names_the_program_and_what_to_do():
    page = write_page(PULLED, WORDS)
    assert (page.heading, page.accept) == ("Your card was removed", None)
    assert page.facts[0].text == FIREFOX.caller
    assert "put the card back" in page.advice


def test_attack_labels_of_a_card_stay_on_their_line():
    hostile = "X\nCard holder: SOMEBODY\u202e" + "W" * 500
    told = facts(replace(SIGNATURE, key=hostile, asker=replace(FIREFOX, owner=hostile)))
    assert told["Card holder"] == "DUPONT Marie"
    assert all("\n" not in text and "\u202e" not in text for text in told.values())
    assert max(map(len, told.values())) < 400


@pytest.mark.parametrize(
    "question", [*(replace(each, subject_count=1) for each in (LOGIN, SIGNATURE)), CONSENT, PULLED]
)
def test_each_reaches_the_dialog_as_it_is(question):
    assert read_envelope(write_envelope(Envelope(question))).question == question
