"""Sentences about signatures: for every reason, in both languages, and nothing in a name drives the reader."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from agent.api.verification_words import DOCUMENTS, REASONS, describe, describe_document
from agent.certificates.holder import Coded, Holder
from agent.signing.verification.findings import Reason
from agent.signing.verification.messages import DocumentReason, Judged, Status
from agent.signing.words import Format

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
BAD_FRENCH = re.compile(r" [:;?!»]|« |'")


def holder(name: str = "Zoé") -> Holder:
    return Holder("CPS", False, "ÉLÈVE", name, "8997", "Docteur", Coded("10", "Médecin"), None)


def judged(reason: Reason | None = None, **members: object) -> Judged:
    status = Status.VALID if reason is None else Status.INVALID
    return Judged(status=status, format=Format.XADES, reason=reason, **members)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_sentences(reason: Reason) -> None:
    told = describe(judged(reason), holder(), None)
    assert reason in REASONS
    assert not BAD_FRENCH.search(told.french), told.french
    assert "ÉLÈVE" not in told.english + told.french  # a name is told as a fact of what holds alone


@pytest.mark.parametrize("reason", DocumentReason)
def test_every_reason_of_a_document_has_its_sentences(reason: DocumentReason) -> None:
    assert set(DOCUMENTS) == set(DocumentReason)
    assert not BAD_FRENCH.search(describe_document(reason).french)


def test_a_sentence_says_who_and_when() -> None:
    told = describe(judged(claimed_at=NOON), holder(), None)
    assert told.english.startswith("Valid: signed by Docteur Zoé ÉLÈVE, Médecin (CPS), on 2026-11-26 at ")
    assert "horloge du signataire" in told.french
    proven = describe(judged(claimed_at=NOON, proven_at=NOON, is_test=True), holder(), "AUTORITÉ")
    assert "as AUTORITÉ vouches" in proven.english
    assert "(CPS de test)" in proven.french
    assert describe(judged(), None, None).english == "Valid: signed by somebody without a name."


@pytest.mark.parametrize("name", ["Zoé\n\nValid", "Zoé\u202e", "Zoé\x1b[2J", "Z" * 5000])
def test_a_name_is_one_harmless_line(name: str) -> None:
    told = describe(judged(), holder(name), None)
    for text in (told.english, told.french):
        assert not set(text) & set("\n\u202e\x1b")
        assert len(text) < 400
