"""What a person reads before the agent connects to a health service in their name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from screenshots.questions import CONNECT, SOFTWARE

from agent.people.page import Fact
from agent.people.translations import load_words
from agent.people.wording import write_page


@pytest.mark.parametrize(
    ("language", "service", "stay"),
    [
        ("en", Fact("Connect you to", "DMP", ("lps2.dmp.gouv.fr",)),
         Fact("Stays open for", "15 minutes at most, or until the card leaves")),
        ("fr", Fact("Vous connecter à", "DMP", ("lps2.dmp.gouv.fr",)),
         Fact("Reste ouvert", "15 minutes au plus, ou jusqu\N{RIGHT SINGLE QUOTATION MARK}au retrait de la carte")),
    ],
)  # fmt: skip
def test_connection_names_its_service_and_its_time(language, service, stay):
    page = write_page(CONNECT, load_words(language))
    facts = [fact for section in page.sections for fact in section]
    assert service in facts
    assert stay in facts


def test_connection_with_a_certificate_has_no_card_that_leaves():
    page = write_page(replace(CONNECT, card=SOFTWARE, passphrase=True, tries_left=None), load_words("en"))
    assert Fact("Stays open for", "15 minutes at most") in [fact for section in page.sections for fact in section]
    assert page.heading == "Connect to a health service with your certificate"


def test_connection_that_does_not_stay_says_nothing_of_it():
    page = write_page(replace(CONNECT, stays_minutes=None), load_words("en"))
    assert "Stays open for" not in [fact.label for section in page.sections for fact in section]
