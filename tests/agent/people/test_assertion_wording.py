"""What a person reads before an assertion is made in their name."""

from __future__ import annotations

from dataclasses import replace

from people_values import CARD, PAGE, SOFTWARE_CARD

from agent.people.page import Fact
from agent.people.prompt import Action, AssertionSummary, PinKind, PinRequest
from agent.people.translations import load_words
from agent.people.wire import Envelope, read_envelope, write_envelope
from agent.people.wording import write_page

VIHF = AssertionSummary(
    "VIHF 3.0", "direct", patient="207058575627097", purpose="Accès normal", recipient="https://dmp.example"
)
QUESTION = PinRequest(PinKind.USE, PAGE, Action.ASSERT, CARD, subject_count=0, tries_left=3, assertion=VIHF)


def facts(summary: AssertionSummary, language: str = "en") -> list[Fact]:
    page = write_page(replace(QUESTION, assertion=summary), load_words(language))
    return list(page.facts)[2:-2]


def test_a_vihf_tells_for_whom_from_where_and_why() -> None:
    assert write_page(QUESTION, load_words("en")).heading == "Identify yourself to a health service with your card"
    assert facts(VIHF) == [
        Fact("To assert", "VIHF 3.0, direct mode: by your card"),
        Fact("Patient (INS)", "207058575627097"),
        Fact("Structure", "the one that your card tells"),
        Fact("Access", "Accès normal"),
        Fact("Sent to", "https://dmp.example"),
    ]
    assert facts(VIHF, "fr")[:3] == [
        Fact("Attestation", "VIHF 3.0, mode direct\u00a0: par votre carte"),
        Fact("Patient (INS)", "207058575627097"),
        Fact("Structure", "celle que donne votre carte"),
    ]


def test_a_structure_is_told_in_whose_name() -> None:
    summary = AssertionSummary("VIHF 4.0", "air", "Zoé (8997)", "1990000001", reason="urgence")
    question = replace(QUESTION, card=SOFTWARE_CARD, passphrase=True, assertion=summary)
    page = write_page(question, load_words("en"))
    assert page.heading == "Vouch for a professional with your certificate"
    assert {Fact("In the name of", "Zoé (8997)"), Fact("Patient (INS)", "none is named")} <= set(page.facts)
    assert Fact("To assert", "VIHF 4.0, AIR mode: by your structure") in page.facts


def test_insi_tells_the_billing_number_alone() -> None:
    assert facts(AssertionSummary("INSi", billing_id="991130972")) == [
        Fact("To assert", "INSi"),
        Fact("Billing number", "991130972"),
    ]


def test_hostile_text_stays_on_its_own_line() -> None:
    text = "\u202eA\nPatient (INS): 1" + "x" * 10_000
    for fact in facts(AssertionSummary(text, "direct", *[text] * 8)):
        assert "\n" not in fact.text
        assert "\u202e" not in fact.text
        assert len(fact.text) < 200


def test_it_reaches_the_dialog_whole() -> None:
    assert read_envelope(write_envelope(Envelope(QUESTION))).question == QUESTION
