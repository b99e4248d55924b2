"""Questions cross to the dialog process as JSON: plain, short, and read strictly."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from people_values import CARD, CHANGE, CHOICE, CONSENT, LOGIN, NO_TRAY, ON_READER, PAD, PAGE

from agent.people.prompt import Action, Asker, CertificateSummary, PinKind, PinRequest
from agent.people.wire import (
    MAX_QUESTION,
    MAX_SUBJECTS,
    SUBJECT_LIMIT,
    Envelope,
    WireError,
    read_envelope,
    write_envelope,
)


@pytest.mark.parametrize(
    "question",
    [
        replace(LOGIN, subject_count=1),
        replace(CHANGE, subject_count=0, session_minutes=5),
        CONSENT,
        replace(CONSENT, until=datetime(2027, 1, 1, tzinfo=UTC)),
        replace(
            LOGIN, subject_count=1, sizes=(5,), certificate=CertificateSummary("AC", datetime(2027, 1, 1, tzinfo=UTC))
        ),
        replace(PAD, subject_count=1, session_minutes=15, session_uses=20),
        CHOICE,
        ON_READER,
        NO_TRAY,
    ],
)
def test_questions_travel(question):
    envelope = Envelope(question, "fr")
    assert read_envelope(write_envelope(envelope)) == envelope


def test_only_the_first_names_travel_with_the_count_of_all():
    names = tuple("\U0001f600" * 500 for _ in range(3000))
    request = PinRequest(PinKind.USE, PAGE, Action.SIGN, CARD, names, sizes=(2**53,) * 3000)
    question = read_envelope(write_envelope(Envelope(request))).question
    assert isinstance(question, PinRequest)
    assert (len(question.subjects), len(question.sizes), question.subject_count) == (MAX_SUBJECTS, MAX_SUBJECTS, 3000)


def test_a_thousand_long_names_travel():
    names = tuple(f"{n} " + '"\\' * 200 for n in range(1000))
    question = read_envelope(write_envelope(Envelope(replace(LOGIN, subjects=names)))).question
    assert len(question.subjects) == 1000
    assert max(map(len, question.subjects)) == SUBJECT_LIMIT


def test_texts_are_made_plain_on_the_way_out():
    message = write_envelope(Envelope(replace(CONSENT, asker=Asker("a\u202eb", "c\nd"))))
    assert message.count(b"\n") == 1
    assert read_envelope(message).question.asker == Asker("a�b", "c d")


def test_question_that_stays_too_long_is_refused():
    with pytest.raises(WireError):
        write_envelope(Envelope(replace(CONSENT, abilities=("identity",) * 100_000)))


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
        _changed_question(sizes=["5"]),
        _changed_question(sizes=[True]),
        _changed_question(on_pad=1),
        _changed_question(certificate={}),
        _changed(kind="choice"),
    ],
)
def test_anything_else_is_refused(message):
    with pytest.raises(WireError):
        read_envelope(message)
