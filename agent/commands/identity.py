"""What `cps-agent cards` prints of the holder of a card."""

from __future__ import annotations

from agent.client import Json
from agent.commands.output import say
from agent.people.identity_words import coded_words, person_id_words, structure_words
from agent.people.translations import load_words


def show_identity(holder: Json) -> None:
    """Identifier, structure, profession and speciality, a line each."""
    words = load_words()
    _ = words.gettext
    number = person_id_words(holder, words)
    if number:
        say("  " + _("National identifier: {value}").format(value=number))
    if holder["structure"] is not None:
        say("  " + _("Structure: {name}").format(name=structure_words(holder["structure"], words)))
    for coded in filter(None, (holder["profession"], holder["futureProfession"], holder["speciality"])):
        say(f"  {coded_words(coded)}")
    if holder["category"] is not None:
        say("  " + _("Category: {name}").format(name=coded_words(holder["category"])))
