"""What a question about an assertion says: who is named to a health service, for which patient, and why."""

from __future__ import annotations

from gettext import NullTranslations

from agent.people.page import Fact, Section
from agent.people.plain_text import plain_text
from agent.people.prompt import AssertionSummary


def write_assertion(summary: AssertionSummary, words: NullTranslations) -> Section:
    """Say everything that the service will be told and the card does not tell. Texts from outside are made plain."""
    facts = [Fact(words.gettext("To assert"), _write_kind(summary, words))]
    if summary.mode is not None:
        facts += _write_who(summary, words)
    told = {
        words.gettext("Billing number"): summary.billing_id,
        words.gettext("Access"): summary.purpose,
        words.gettext("Confidentiality"): summary.confidentiality,
        words.gettext("Reason given"): summary.reason,
        words.gettext("Sent to"): summary.recipient,
    }
    facts += [Fact(label, plain_text(text, limit=160)) for label, text in told.items() if text is not None]
    return tuple(facts)


def _write_kind(summary: AssertionSummary, words: NullTranslations) -> str:
    service = plain_text(summary.service, limit=80)
    mode = {
        "direct": words.gettext("direct mode: by your card"),
        "indirect": words.gettext("indirect mode: by your structure"),
        "air": words.gettext("AIR mode: by your structure"),
    }.get(summary.mode or "")
    return service if mode is None else words.gettext("{service}, {mode}").format(service=service, mode=mode)


def _write_who(summary: AssertionSummary, words: NullTranslations) -> Section:
    patient = words.gettext("none is named") if summary.patient is None else plain_text(summary.patient, limit=40)
    structure = words.gettext("the one that your card tells")
    if summary.structure is not None:
        structure = plain_text(summary.structure, limit=60)
    professional = plain_text(summary.professional or "", limit=160)
    return (
        Fact(words.gettext("Patient (INS)"), patient),
        *((Fact(words.gettext("In the name of"), professional),) if professional else ()),
        Fact(words.gettext("Structure"), structure),
    )
