"""Why a session ended, in the journal's words."""

from __future__ import annotations

from agent.people.panel.access_pages import outcome_words
from agent.people.translations import load_words
from agent.services.psc.history import OUTCOMES
from agent.services.psc.sessions import PscEnd


def test_every_end_but_a_logout_has_an_entry_and_its_words() -> None:
    """A logout is a call, and has the call's."""
    assert set(PscEnd) - set(OUTCOMES) == {PscEnd.LOGGED_OUT}
    words = load_words("fr")
    assert [code for code in OUTCOMES.values() if outcome_words(code, words) == code] == []
