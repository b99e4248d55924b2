"""Questions cross to the dialog process as JSON: plain, short, and read strictly."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from people_values import CARD, CHANGE, CONSENT, LOGIN, PAGE

from agent.people.prompt import Action, Notice, PinKind, PinRequest
from agent.people.wire import MAX_QUESTION, MAX_SUBJECTS, Envelope, WireError, read_envelope, write_envelope


@pytest.mark.parametrize(
    "question",
    [
        replace(LOGIN, subject_count=1),
        replace(CHANGE, subject_count=0, session_minutes=5),
        CONSENT,
        replace(CONSENT, until=datetime(2027, 1, 1, tzinfo=UTC)),
        Notice("Titre", "Texte"),
    ],
)
def test_questions_travel(question):
    envelope = Envelope(question, "fr")
    assert read_envelope(write_envelope(envelope)) == envelope


def test_only_the_first_names_travel_with_the_count_of_all():
    names = tuple("\U0001f600" * 500 for _ in range(3000))
    request = PinRequest(PinKind.USE, PAGE, Action.SIGN, CARD, names)
    question = read_envelope(write_envelope(Envelope(request))).question
    assert isinstance(question, PinRequest)
    assert (len(question.subjects), question.subject_count) == (MAX_SUBJECTS, 3000)


def test_texts_are_made_plain_on_the_way_out():
    question = read_envelope(write_envelope(Envelope(Notice("a\u202eb", "c\nd")))).question
    assert question == Notice("a�b", "c d")


def test_question_that_stays_too_long_is_refused():
    with pytest.raises(WireError):
        write_envelope(Envelope(replace(CONSENT, abilities=("identity",) * 10_000)))


def _changed(**members):
    return json.dumps(json.loads(write_envelope(Envelope(LOGIN, "fr"))) | members).encode()


def _changed_question(**members):
    question = json.loads(write_envelope(Envelope(LOGIN)))["question"]
    return _changed(question=question | members)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 60_000,
        b" " * (MAX_QUESTION + 1),
        _changed(kind="other"),
        _changed(kind=[]),
        _changed(kind="consent"),
        _changed(extra=1),
        _changed(language=1),
        _changed(question=None),
        _changed_question(extra=1),
        _changed_question(kind="other"),
        _changed_question(tries_left="3"),
        _changed_question(tries_left=True),
        _changed_question(tries_left=0),
        _changed_question(max_length=9),
        _changed_question(min_length=0),
        _changed_question(subjects="name"),
        _changed_question(subjects=[1]),
        _changed_question(card=None),
        _changed_question(asker={}),
    ],
)
def test_anything_else_is_refused(message):
    with pytest.raises(WireError):
        read_envelope(message)
