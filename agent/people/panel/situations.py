"""Where the holder works, on the page about the card: lines once it was read, and before that a button to read it."""

from __future__ import annotations

from gettext import NullTranslations

from agent.client import Json
from agent.people.identity_words import structure_words
from agent.people.panel.sections import Button, Deed, Line, coded, shown


def situation_lines(card: Json, words: NullTranslations) -> tuple[Line, ...]:
    """One line for each situation, with the number that it has on the card."""
    situations = card.get("situations")
    if situations == []:
        return (Line(words.gettext("Activity situations"), words.gettext("none on this card")),)
    return tuple(
        Line(words.gettext("Situation {number}").format(number=shown(each.get("number"), 4)), _text(each, words))
        for each in situations or ()
    )


def situation_buttons(card: Json, words: NullTranslations) -> tuple[Button, ...]:
    """The button, for a card with a code from which nobody has read them yet."""
    if card.get("situations") is not None or not card.get("pin"):
        return ()
    return (Button(words.gettext("Read my activity situations"), Deed.READ_SITUATIONS, str(card.get("number"))),)


def _text(situation: Json, words: NullTranslations) -> str:
    structure = structure_words(situation.get("structure") or {}, words)
    parts = (shown(situation.get("name")), structure, coded(situation.get("sector")))
    return ", ".join(filter(None, parts)) or "?"
